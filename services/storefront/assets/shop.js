/* What a page can do without and is nicer with: suggestions below the search box, and a picture of our own where
   another does not come. Nothing here is needed to shop. */
"use strict";

/* A picture that fails leaves the card's own ground to be seen. */
const replace = (image) => {
  image.hidden = true;
};
document.addEventListener("error", (event) => {
  if (event.target instanceof HTMLImageElement) replace(event.target);
}, true);
for (const image of document.images) {
  if (image.complete && image.naturalWidth === 0 && image.currentSrc !== "") replace(image);
}

/* The combobox of the ARIA Authoring Practices, with a list that is a suggestion and no more: whatever is typed can be
   sent as it is. */
const box = document.getElementById("q");
if (box !== null) {
  const DELAY_MS = 120;
  const list = document.createElement("ul");
  list.id = "suggestions";
  list.className = "suggestions";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  box.form.append(list);
  box.setAttribute("role", "combobox");
  box.setAttribute("aria-autocomplete", "list");
  box.setAttribute("aria-controls", list.id);
  box.setAttribute("aria-expanded", "false");

  let typed = box.value;
  let chosen = -1;
  let timer = 0;
  let asking = new AbortController();

  const close = () => {
    list.hidden = true;
    chosen = -1;
    box.setAttribute("aria-expanded", "false");
    box.removeAttribute("aria-activedescendant");
  };

  const choose = (index) => {
    list.children[chosen]?.setAttribute("aria-selected", "false");
    chosen = index;
    const option = list.children[index];
    if (option === undefined) {
      box.value = typed;
      box.removeAttribute("aria-activedescendant");
      return;
    }
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    box.setAttribute("aria-activedescendant", option.id);
    box.value = option.dataset.query;
  };

  const show = (suggestions) => {
    const options = suggestions.map(({ query, count }, index) => {
      const option = document.createElement("li");
      option.id = `suggestion-${index}`;
      option.dataset.query = query;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      const words = document.createElement("bdi");
      words.textContent = query;
      const found = document.createElement("span");
      found.className = "count";
      found.textContent = String(count);
      found.setAttribute("aria-hidden", "true");
      option.append(words, found);
      return option;
    });
    list.replaceChildren(...options);
    chosen = -1;
    list.hidden = options.length === 0;
    box.setAttribute("aria-expanded", String(!list.hidden));
  };

  const ask = async () => {
    asking.abort();
    asking = new AbortController();
    const prefix = typed.trim();
    if (prefix === "") return close();
    try {
      const answer = await fetch(`/suggest?q=${encodeURIComponent(prefix)}`, { signal: asking.signal });
      if (!answer.ok) return close();
      show((await answer.json()).suggestions);
    } catch {
      /* Typed on, or search is away: the form still works. */
    }
  };

  box.addEventListener("input", () => {
    typed = box.value;
    clearTimeout(timer);
    timer = setTimeout(ask, DELAY_MS);
  });
  box.addEventListener("keydown", (event) => {
    const last = list.children.length - 1;
    if (event.key === "Escape" && !list.hidden) {
      box.value = typed;
      close();
    } else if (event.key === "ArrowDown" && !list.hidden) {
      choose(chosen === last ? -1 : chosen + 1);
    } else if (event.key === "ArrowUp" && !list.hidden) {
      choose(chosen === -1 ? last : chosen - 1);
    } else {
      return;
    }
    event.preventDefault();
  });
  box.addEventListener("blur", close);
  /* Before the box loses the focus, which would close the list. */
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option === null) return;
    box.value = option.dataset.query;
    close();
    box.form.requestSubmit();
  });
}

/* An order under way: the part of its page that changes is asked for, ever less often until something happens, and not
   while nobody looks. What somebody is using is left alone. */
const standing = () => document.getElementById("order-state");
if (standing()?.dataset.live !== undefined) {
  const DELAY_MIN_MS = 700;
  const DELAY_MAX_MS = 15000;
  const GROWTH = 1.5;
  let delay = DELAY_MIN_MS;

  const seen = () => new Promise((resolve) => {
    if (!document.hidden) return resolve();
    document.addEventListener("visibilitychange", resolve, { once: true });
  });

  const look = async () => {
    await seen();
    const before = standing();
    delay = Math.min(delay * GROWTH, DELAY_MAX_MS);
    try {
      const answer = await fetch(`${location.pathname}?part=state`);
      if (answer.ok && !before.contains(document.activeElement)) {
        const part = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("order-state");
        if (part !== null && part.dataset.revision !== before.dataset.revision) {
          before.replaceWith(document.adoptNode(part));
          const title = part.querySelector("h1").textContent;
          document.getElementById("order-said").textContent = title;
          document.title = document.title.replace(/^[^·]*/, `${title} `);
          delay = DELAY_MIN_MS;
        }
      }
    } catch {
      /* Away for a moment: asked again later. */
    }
    if (standing().dataset.live !== undefined) setTimeout(look, delay);
  };
  setTimeout(look, delay);
}

/* A form that pays is sent once by a double click; twice would be one order, too. */
for (const form of document.querySelectorAll("form[action='/checkout/place']")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent !== undefined) event.preventDefault();
    form.dataset.sent = "";
  });
}
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
