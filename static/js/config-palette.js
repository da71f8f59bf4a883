// Ctrl-K on every page: a few words lead to a parameter where it is in force. Without script its button is a link.
import { get } from "./api.js";
import { element } from "./dom.js";

const PAUSE_MS = 120;
const dialog = document.getElementById("palette");
const input = dialog?.querySelector("input");
const list = dialog?.querySelector('[role="listbox"]');
const said = dialog?.querySelector("[data-said]");
const idle = said?.textContent;
let chosen = -1;
let waiting = null;
let asking = null;

function open() {
  if (dialog.open) return;
  dialog.showModal();
  input.select();
  choose(list.children.length ? 0 : -1);
}

function choose(index) {
  const options = list.children;
  chosen = options.length ? (index + options.length) % options.length : -1;
  [...options].forEach((option, at) => option.setAttribute("aria-selected", String(at === chosen)));
  if (chosen < 0) return input.removeAttribute("aria-activedescendant");
  input.setAttribute("aria-activedescendant", options[chosen].id);
  options[chosen].scrollIntoView({ block: "nearest" });
}

function shown(hit, index) {
  const link = element("a", { href: hit.url, tabindex: "-1" }, element("b", {}, hit.title),
    element("span", { class: "hit-where" }, hit.where), element("span", { class: "hit-value" }, hit.value),
    hit.origin ? element("span", { class: "hit-origin" }, hit.origin) : null);
  return element("li", { role: "option", id: `palette-hit-${index}`, "aria-selected": "false" }, link);
}

async function ask() {
  const words = input.value.trim();
  asking?.abort();
  asking = new AbortController();
  if (!words) {
    list.replaceChildren();
    said.textContent = idle;
    return choose(-1);
  }
  try {
    const { data } = await get(dialog.dataset.search, { q: words }, asking.signal);
    list.replaceChildren(...data.map(shown));
    said.textContent = data.length ? `${data.length} found. Enter opens the first, arrows choose.` : "Nothing is called that.";
    input.setAttribute("aria-expanded", String(data.length > 0));
    choose(data.length ? 0 : -1);
  } catch (error) {
    if (error.name !== "AbortError") said.textContent = "The search does not answer. Try again.";
  }
}

async function enter() {
  if (waiting) {
    clearTimeout(waiting);
    waiting = null;
    await ask();
  }
  if (chosen >= 0) follow(list.children[chosen].querySelector("a"));
}

function follow(link) {
  dialog.close();
  link.click();
}

if (dialog) {
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    }
  });
  for (const button of document.querySelectorAll("[data-palette]")) {
    button.addEventListener("click", (event) => { event.preventDefault(); open(); });
  }
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { waiting = null; ask(); }, PAUSE_MS);
  });
  input.addEventListener("keydown", (event) => {
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in moves) {
      event.preventDefault();
      choose(chosen + moves[event.key]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      enter();
    }
  });
}
