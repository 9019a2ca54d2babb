"""A browser without scripts: cookies, links and forms, by the standard library."""

import html.parser
import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request

import lib
import orders

# How long a page may take.
PAGE_SECONDS = 30


class Browser:
    def __init__(self, address):
        self.origin = f"http://{address}"
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)

    def get(self, path):
        return self._open(urllib.request.Request(self.origin + path))

    def submit(self, page, action, values=None, headers=None):
        """Fills in the page's form of this action, as it stands but for these values, and sends it with these headers."""
        form = next((form for form in page.forms if form.action == action), None)
        if form is None:
            raise lib.Failure(f"{page.path} has no form {action}; it has {[form.action for form in page.forms]}")
        fields = form.fields | (values or {})
        body = urllib.parse.urlencode(fields).encode()
        own = {"Origin": self.origin, "Referer": self.origin + page.path}
        return self._open(urllib.request.Request(self.origin + action, body, own | (headers or {})))

    def _open(self, request):
        try:
            with self.opener.open(request, timeout=PAGE_SECONDS) as answer:
                return Page(answer.url.removeprefix(self.origin), answer.status, answer.read().decode())
        except urllib.error.HTTPError as refused:
            return Page(request.selector, refused.code, refused.read().decode(errors="replace"))


def buy(browser, product_id, headers=None):
    """The page after the click that places an order of a product; these headers go with that click."""
    browser.submit(browser.get(f"/products/{product_id}"), "/cart/add")
    where = {"email": orders.EMAIL, "recipient": "Ada", "line1": "1 Main St", "locality": "Springfield", "country": "US"}
    delivery = browser.submit(browser.get("/checkout"), "/checkout/address", where)
    card = browser.submit(delivery, "/checkout/delivery", {"option": "standard"})
    review = browser.submit(card, card.path, {"number": orders.CARD, "expiry": "12/40", "code": orders.CODE})
    return browser.submit(review, "/checkout/place", headers=headers)


def ordered(page):
    """The id of the order that a page is about, if it is about one."""
    return page.path.removeprefix("/order/") if page.path.startswith("/order/") else None


class Page:
    def __init__(self, path, status, text):
        self.path, self.status, self.text = path, status, text
        reader = _Forms()
        reader.feed(text)
        self.forms = reader.forms

    def __repr__(self):
        text = re.sub(r"<[^>]*>|\s+", " ", self.text)
        return f"{self.status} {self.path}: {text[:2000]}"


class _Form:
    def __init__(self, action):
        self.action, self.fields = action, {}


class _Forms(html.parser.HTMLParser):
    """What would be sent of each form, were its button pressed."""

    def __init__(self):
        super().__init__()
        self.forms, self.select = [], None

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "form":
            self.forms.append(_Form(given.get("action", "")))
        if not self.forms:
            return
        fields, name = self.forms[-1].fields, given.get("name")
        if tag == "input" and name:
            is_choice = given.get("type") in ("radio", "checkbox")
            if not is_choice or "checked" in given:
                fields[name] = given.get("value") or ("on" if is_choice else "")
        elif tag == "select":
            self.select = name
        elif tag == "option" and self.select and ("selected" in given or self.select not in fields):
            fields[self.select] = given.get("value", "")
        elif tag == "textarea" and name:
            fields[name] = ""

    def handle_endtag(self, tag):
        if tag == "select":
            self.select = None
