// A shopper's journey, as one browser on one device makes it: prints a JSON object a line for each thing that was checked.
//
//     browser journey.js URL FOLDER NAME WIDTHxHEIGHT light|dark js|plain
//
// It goes by what a person or a screen reader sees: roles, names and words. Every page that it comes to is held against
// axe's rules, must fit the screen, and may fetch nothing from elsewhere; its picture is kept in FOLDER.

const path = require("node:path");
const { chromium } = require("playwright-core");
const { AxeBuilder } = require("@axe-core/playwright");

const [url, folder, name, size, colours, mode] = process.argv.slice(2);
const [width, height] = size.split("x").map(Number);
const scripted = mode === "js";
// What a step may take on a machine that does other things besides.
const STEP_MS = 15000;
// The rules of WCAG 2.2 at level AA, and axe's own good practices.
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const say = (check, failure = null) => console.log(JSON.stringify({ check, failure }));

const expect = (holds, what, seen) => {
  if (!holds) throw new Error(`${what}; seen: ${JSON.stringify(seen)}`);
};

class Journey {
  // `inspector` is a browser for axe, which needs scripts to run, where this one has none.
  constructor(page, inspector) {
    this.page = page;
    this.inspector = inspector;
    this.trouble = [];
    page.setDefaultTimeout(STEP_MS);
    page.on("console", (message) => {
      if (message.type() === "error") this.trouble.push(message.text());
    });
    page.on("pageerror", (error) => this.trouble.push(String(error)));
    page.on("request", (request) => {
      const from = new URL(request.url());
      if (from.protocol !== "data:" && from.origin !== new URL(url).origin) this.trouble.push(`asked for ${from}`);
    });
  }

  heading(words) {
    return this.page.getByRole("heading", { level: 1, name: words });
  }

  // The page that is open, where axe can look at it: without scripts, the same page for the same visitor, whose own
  // scripts are kept out.
  async inspected() {
    if (this.inspector === null) return this.page;
    // As it is here: what answered a form cannot be asked for again.
    const [address, body] = [this.page.url(), await this.page.content()];
    await this.inspector.route(address, (route) => route.fulfill({ body, contentType: "text/html; charset=utf-8" }));
    await this.inspector.goto(address);
    await this.inspector.unroute(address);
    return this.inspector;
  }

  // Presses what leads to another page, and waits for that.
  async follow(link) {
    const loaded = this.page.waitForEvent("load");
    await link.click();
    await loaded;
  }

  // Looks at the page that is open: what is wrong with it whatever page it is.
  async look(what) {
    await this.page.waitForLoadState("load");
    // Pictures that wait to be scrolled to are part of what is looked at.
    await this.page.evaluate(async () => {
      const pictures = [...document.images];
      pictures.forEach((picture) => (picture.loading = "eager"));
      await Promise.all(pictures.map((picture) => picture.decode().catch(() => {})));
    });
    await this.page.screenshot({ path: path.join(folder, `${name}-${what}.png`), fullPage: true });
    const overflow = await this.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(overflow <= 0, "the page is wider than the screen", `${overflow} px`);
    const missing = await this.page.evaluate(() =>
      [...document.images].filter((image) => !image.hidden && image.naturalWidth === 0).map((image) => image.src));
    expect(missing.length === 0, "pictures are missing", missing);
    const { violations } = await new AxeBuilder({ page: await this.inspected() }).withTags(RULES).analyze();
    const found = violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).join(", ")}`);
    expect(found.length === 0, "axe finds fault", found);
    expect(this.trouble.length === 0, "the browser complains", this.trouble);
  }

  async home() {
    await this.page.goto(url);
    await this.heading(/./).waitFor();
    const lang = await this.page.locator("html").getAttribute("lang");
    expect(lang === "en", "the page has a language", lang);
    await this.page.keyboard.press("Tab");
    const first = await this.page.evaluate(() => document.activeElement.textContent);
    expect(first === "Skip to the content", "the first stop of the keyboard skips to the content", first);
    await this.page.keyboard.press("Enter");
    const target = await this.page.evaluate(() => location.hash);
    expect(target === "#main", "which it does", target);
    await this.look("1-home");
  }

  async aisle() {
    await this.page.goto(url);
    const aisle = this.page.getByRole("region", { name: "The aisles" }).getByRole("link").first();
    const words = await aisle.textContent();
    await this.follow(aisle);
    await this.heading(words).waitFor();
    const products = await this.page.getByRole("main").getByRole("heading", { level: 3 }).count();
    expect(products > 0, "an aisle has products", products);
    await this.look("2-aisle");
  }

  async suggestions() {
    await this.page.goto(url);
    const box = this.page.getByRole(scripted ? "combobox" : "searchbox", { name: "Search the shop" });
    await box.pressSequentially("lan");
    if (!scripted) return;
    const options = this.page.getByRole("listbox", { name: "Suggestions" }).getByRole("option");
    await options.first().waitFor();
    await this.look("3-suggestions");
    await this.page.keyboard.press("ArrowDown");
    const chosen = await box.inputValue();
    expect(chosen.startsWith("lan"), "the arrow chooses a suggestion", chosen);
    await this.page.keyboard.press("Escape");
    expect((await box.inputValue()) === "lan", "Escape goes back to what was typed", await box.inputValue());
  }

  async typo() {
    await this.page.goto(url);
    await this.page.getByRole(scripted ? "combobox" : "searchbox", { name: "Search the shop" }).fill("lantren");
    await this.page.keyboard.press("Enter");
    await this.page.getByText(/(Did you mean|Showing results for) lantern/).waitFor();
    const hits = await this.page.getByRole("main").getByRole("heading", { level: 3, name: /lantern/i }).count();
    expect(hits > 0, "lanterns are found", hits);
    await this.look("4-typo");
  }

  async filter() {
    await this.page.goto(`${url}/search?q=lamp`);
    const total = async () => Number((await this.page.getByText(/^\d+ products?$/).textContent()).split(" ")[0]);
    const before = await total();
    // Where there is room the filters are open, and have no switch.
    const folded = this.page.getByText("Filter and sort");
    if (await folded.isVisible()) await folded.click();
    await this.page.getByLabel("Sort by").selectOption({ label: "Price, lowest first" });
    const tick = this.page.getByRole("checkbox", { name: /In stock/ });
    const promised = Number((await tick.locator("xpath=..").textContent()).match(/(\d+)\s*$/)[1]);
    await tick.check();
    await this.look("5-filters");
    await this.follow(this.page.getByRole("button", { name: "Show these" }));
    await this.page.getByRole("link", { name: /Remove the filter/ }).first().waitFor();
    const after = await total();
    expect(after === promised && after <= before, "a filter finds as many as its count says", { before, promised, after });
    const prices = (await this.page.locator(".price").allTextContents()).map((text) => Number(text.replace(/[^0-9.]/g, "")));
    const sorted = [...prices].sort((one, other) => one - other);
    expect(String(prices) === String(sorted), "the cheapest comes first", prices);
    await this.look("6-filtered");
  }

  async nothing() {
    await this.page.goto(`${url}/search?q=zxqvjw`);
    await this.page.getByRole("heading", { name: "Nothing was found" }).waitFor();
    await this.look("7-nothing");
  }

  async product() {
    await this.page.goto(`${url}/search?q=lantern&in_stock=1`);
    const link = this.page.getByRole("main").getByRole("heading", { level: 3 }).getByRole("link").first();
    this.bought = await link.textContent();
    await this.follow(link);
    await this.heading(this.bought).waitFor();
    await this.page.getByText(/in stock|left/i).first().waitFor();
    await this.page.getByRole("heading", { name: "More of its kind" }).waitFor();
    await this.look("8-product");
    await this.page.getByLabel("Quantity").fill("2");
    await this.follow(this.page.getByRole("button", { name: "Add to cart" }));
    await this.heading("Your cart").waitFor();
  }

  quantity() {
    return this.page.getByRole("spinbutton", { name: `Quantity of ${this.bought}` });
  }

  async subtotal() {
    const text = await this.page.locator(".sum-total dd").textContent();
    return Math.round(Number(text.replace(/[^0-9.]/g, "")) * 100);
  }

  async cart() {
    expect((await this.quantity().inputValue()) === "2", "two are in the cart", await this.quantity().inputValue());
    await this.look("9-cart");
    const two = await this.subtotal();
    // Reloading what a form led to adds nothing.
    await this.page.reload();
    expect((await this.subtotal()) === two, "a reload adds nothing", [two, await this.subtotal()]);
    await this.quantity().fill("3");
    await this.follow(this.page.getByRole("button", { name: `Update the quantity of ${this.bought}` }));
    const three = await this.subtotal();
    expect(three * 2 === two * 3, "three cost half as much again as two", [two, three]);
    await this.look("10-changed");
  }

  async removed() {
    await this.follow(this.page.getByRole("button", { name: `Remove ${this.bought}` }));
    await this.page.getByRole("heading", { name: "There is nothing in it yet" }).waitFor();
    await this.look("11-empty");
  }

  // The browser complains about answers that say what is wrong with a form.
  forgive(status) {
    this.trouble = this.trouble.filter((text) => !text.includes(String(status)));
  }

  async address() {
    await this.page.goto(`${url}/search?q=lantern&in_stock=1`);
    const link = this.page.getByRole("main").getByRole("heading", { level: 3 }).getByRole("link").first();
    this.bought = await link.textContent();
    await this.follow(link);
    await this.follow(this.page.getByRole("button", { name: "Add to cart" }));
    await this.follow(this.page.getByRole("link", { name: "Check out" }));
    await this.heading("Where does it go?").waitFor();
    await this.look("14-address");
    await this.page.getByLabel("E-mail").fill("ada");
    await this.follow(this.page.getByRole("button", { name: "Go on to delivery" }));
    await this.page.getByRole("heading", { name: "Something is not right yet" }).waitFor();
    const focused = await this.page.evaluate(() => document.activeElement.className);
    expect(focused === "fault-list", "what is wrong has the focus", focused);
    const email = this.page.getByRole("textbox", { name: "E-mail" });
    const described = await email.evaluate((box) => document.getElementById(box.getAttribute("aria-describedby").split(" ")[0]).textContent);
    expect(described.includes("ada@example.org"), "a field is described by its fault", described);
    expect((await email.inputValue()) === "ada", "what was written is kept", await email.inputValue());
    this.forgive(422);
    await this.look("15-address-faults");
    await email.fill("ada@example.org");
    await this.page.getByLabel("Full name").fill("Ada Lovelace");
    await this.page.getByLabel("Country").selectOption({ label: "Germany" });
    await this.page.getByLabel("Street and number").fill("Invalidenstraße 44");
    await this.page.getByLabel("Postal code").fill("10115");
    await this.page.getByLabel("Town or city").fill("Berlin");
    await this.follow(this.page.getByRole("button", { name: "Go on to delivery" }));
  }

  async delivery() {
    await this.heading("How does it get there?").waitFor();
    await this.look("16-delivery");
    await this.page.getByRole("radio", { name: /Express/ }).check();
    await this.follow(this.page.getByRole("button", { name: "Go on to the card" }));
  }

  async give(number) {
    await this.heading("Pay by card").waitFor();
    await this.page.getByLabel("Card number").fill(number);
    await this.page.getByLabel("Expires").fill("12/40");
    await this.page.getByLabel("Security code").fill("737");
    await this.follow(this.page.getByRole("button", { name: "Use this card" }));
  }

  async card() {
    await this.heading("Pay by card").waitFor();
    await this.look("17-card");
    await this.give("4242424242424241");
    await this.page.getByText("not right yet").waitFor();
    const number = await this.page.getByLabel("Card number").inputValue();
    expect(number === "", "what was typed is not shown again", number);
    this.forgive(422);
    await this.look("18-card-wrong");
    await this.give("4000000000009995");
    await this.heading("Is this right?").waitFor();
    expect(!this.page.url().includes("token"), "the card's token is not in the address", this.page.url());
    await this.look("19-review");
  }

  async declined() {
    await this.follow(this.page.getByRole("button", { name: /Order and pay/ }));
    const card = this.page.getByRole("region", { name: "Card" });
    await card.getByText("there is not enough money on it").waitFor();
    this.forgive(422);
    await this.look("20-declined");
    await this.follow(this.page.getByRole("link", { name: "Give another card" }));
    await this.give("4242424242424242");
    await this.heading("Is this right?").waitFor();
  }

  // Comes to this heading: by itself where there are scripts, else by the page's own link.
  async becomes(words) {
    const again = this.page.getByRole("link", { name: "See how it stands now" });
    for (let left = 60; !scripted && left > 0 && (await this.heading(words).count()) === 0; left -= 1) await this.follow(again);
    await this.heading(words).waitFor();
  }

  async order() {
    await this.page.getByRole("button", { name: /Order and pay/ }).dblclick();
    await this.page.waitForURL(/\/order\/[0-9a-f]{32}$/);
    await this.becomes("Thank you, it is ordered and paid");
    await this.page.getByText(this.bought).waitFor();
    await this.look("21-order");
    const placed = this.page.url();
    await this.page.goto(`${url}/cart`);
    await this.page.getByRole("heading", { name: "There is nothing in it yet" }).waitFor();
    await this.page.goto(placed);
  }

  async cancelled() {
    await this.page.getByText("Cancel this order").click();
    await this.look("22-cancel");
    await this.follow(this.page.getByRole("button", { name: "Yes, cancel it" }));
    await this.becomes("Your money was given back");
    await this.look("23-refunded");
  }

  async lost() {
    const answer = await this.page.goto(`${url}/no/such/page`);
    expect(answer.status() === 404, "a page that is not there is 404", answer.status());
    await this.heading(/./).waitFor();
    // That a page was not there is what the browser complains about here.
    this.trouble = this.trouble.filter((text) => !text.includes("404"));
    await this.look("12-lost");
  }

  async about() {
    await this.page.goto(url);
    await this.follow(this.page.getByRole("link", { name: "About this shop" }));
    await this.heading(/./).waitFor();
    await this.look("13-about");
  }
}

const STEPS = ["home", "aisle", "suggestions", "typo", "filter", "nothing", "product", "cart", "removed", "address", "delivery", "card",
  "declined", "order", "cancelled", "lost", "about"];

const main = async () => {
  // As root Chromium has no sandbox; every page is this shop's.
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  const device = {
    viewport: { width, height },
    colorScheme: colours,
    locale: "en-US",
    hasTouch: width < 600,
    reducedMotion: "reduce",
  };
  const context = await browser.newContext({ ...device, javaScriptEnabled: scripted });
  let inspector = null;
  if (!scripted) {
    inspector = await (await browser.newContext(device)).newPage();
    await inspector.route("**/*.js", (route) => route.abort());
  }
  const journey = new Journey(await context.newPage(), inspector);
  for (const step of STEPS) {
    let failure = null;
    try {
      await journey[step]();
    } catch (error) {
      failure = `${error.message}\nat ${journey.page.url()}`;
      await journey.page.screenshot({ path: path.join(folder, `${name}-failed-${step}.png`) });
    }
    say(step, failure);
    if (failure !== null) break;
  }
  await browser.close();
};

main().catch((error) => say("the browser starts", String(error)));
