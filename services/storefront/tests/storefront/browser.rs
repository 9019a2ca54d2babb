//! A browser without scripts: it keeps cookies, follows redirects when told to, and sends forms as they stand on a page.

use std::collections::BTreeMap;

use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use mesh::Body;
use storefront::Web;
use tower::Service as _;

use crate::raw::{PATIENCE, full};

const HOST: &str = "shop.test";

/// Somebody who looks around in the shop.
pub(crate) struct Browser {
    web: Web,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) languages: &'static str,
}

/// What came.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Browser {
    pub(crate) fn new(web: &Web) -> Self {
        Self { web: web.clone(), cookies: BTreeMap::new(), languages: "en" }
    }

    /// One that has this cart.
    pub(crate) fn with_cart(web: &Web, cart: &str) -> Self {
        let cookies = BTreeMap::from([("souk_cart".to_owned(), cart.to_owned())]);
        Self { cookies, ..Self::new(web) }
    }

    pub(crate) fn cart(&self) -> &str {
        &self.cookies["souk_cart"]
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Sends a form from a page of this shop.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(path)
            .header(header::ORIGIN, format!("http://{HOST}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(full(encoded)).unwrap()).await
    }

    /// Sends the form of `page` with this action that has `mark` in it, with some of its fields filled in.
    pub(crate) async fn submit(&mut self, page: &Page, action: &str, mark: &str, filled: &[(&str, &str)]) -> Page {
        let mut fields = page.form(action, mark);
        for (name, value) in filled {
            fields.insert((*name).to_owned(), (*value).to_owned());
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(action, &fields).await
    }

    /// Goes where the answer sends it.
    pub(crate) async fn follow(&mut self, page: &Page) -> Page {
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{page:?}");
        let location = page.headers[header::LOCATION].to_str().unwrap().to_owned();
        self.get(&location).await
    }

    pub(crate) async fn send(&mut self, mut request: Request<Body>) -> Page {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let headers = request.headers_mut();
        headers.entry(header::HOST).or_insert(HOST.parse().unwrap());
        headers.entry(header::ACCEPT_LANGUAGE).or_insert(self.languages.parse().unwrap());
        if !cookies.is_empty() {
            headers.insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        let is_head = request.method() == Method::HEAD;
        let answer = tokio::time::timeout(PATIENCE, self.web.clone().call(request)).await.unwrap().unwrap();
        let (parts, body) = answer.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            match pair.split_once('=').unwrap() {
                (name, "") => drop(self.cookies.remove(name)),
                (name, value) => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
        assert!(!is_head || text.is_empty());
        Page { status: parts.status, headers: parts.headers, text }
    }
}

impl Page {
    #[track_caller]
    pub(crate) fn has(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.text.contains(part), "{part:?} is missing in {}", self.text);
        }
        self
    }

    #[track_caller]
    pub(crate) fn lacks(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(!self.text.contains(part), "{part:?} is in {}", self.text);
        }
        self
    }

    /// The text of the page, without its tags, with its white space drawn together.
    pub(crate) fn words(&self) -> String {
        let mut text = String::new();
        let mut is_tag = false;
        for c in self.text.chars() {
            match c {
                '<' => is_tag = true,
                '>' => is_tag = false,
                c if !is_tag => text.push(c),
                _ => {}
            }
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The address of the link that is called so.
    #[track_caller]
    pub(crate) fn link(&self, name: &str) -> String {
        let anchors = self.text.split("<a ").skip(1).filter_map(|anchor| anchor.split_once("</a>"));
        let mut found = anchors.filter(|(anchor, _)| anchor.split_once('>').unwrap().1.contains(name));
        let (anchor, _) = found.next().unwrap_or_else(|| panic!("no link {name:?} in {}", self.text));
        attribute(anchor, "href")
    }

    /// The fields of a form.
    #[track_caller]
    pub(crate) fn form(&self, action: &str, mark: &str) -> BTreeMap<String, String> {
        let forms = self.text.split("<form ").skip(1).filter_map(|form| form.split_once("</form>"));
        let mut found = forms.filter(|(form, _)| form.contains(&format!("action=\"{action}\"")) && form.contains(mark));
        let (form, _) = found.next().unwrap_or_else(|| panic!("no form {action} with {mark:?} in {}", self.text));
        let inputs = form.split("<input ").skip(1).map(|input| input.split('>').next().unwrap());
        inputs.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect()
    }
}

fn attribute(tag: &str, name: &str) -> String {
    let value = tag.split_once(&format!("{name}=\"")).map_or("", |(_, rest)| rest.split('"').next().unwrap());
    value.replace("&#38;", "&").replace("&#34;", "\"").replace("&#60;", "<").replace("&#62;", ">")
}
