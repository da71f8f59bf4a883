// The editor of one scope: rows that say inherit, set or none, each in step with its value.
import { element } from "./dom.js";
import { guardLeaving, livePreview } from "./config-preview.js";

const form = document.querySelector("[data-editor]");
const rows = [...form.querySelectorAll("[data-row]")];
const modeOf = (row) => row.querySelector("input[type=radio]:checked")?.value ?? "inherit";
const valueOf = (row) => row.querySelector("[data-value]");

function isChanged(row) {
  const mode = modeOf(row);
  return mode !== row.dataset.modeBefore || (mode === "set" && valueOf(row).value !== row.dataset.before);
}

/** Weights are read against their sum. */
function sum(row) {
  const shown = row.querySelector("[data-sum]");
  if (!shown) return;
  const text = valueOf(row).value || row.dataset.hint;
  const numbers = text.split(/[\n,]/).filter((pair) => pair.trim()).map((pair) => Number(pair.split("=")[1]));
  const total = numbers.reduce((all, one) => all + one, 0);
  shown.textContent = Number.isFinite(total) ? `Sum ${Number(total.toFixed(6))}` : "";
}

function mark(row) {
  sum(row);
  row.classList.toggle("is-changed", isChanged(row));
  row.classList.toggle("is-inherited", modeOf(row) !== "set");
}

function choose(row, mode) {
  const radio = row.querySelector(`input[type=radio][value=${mode}]`);
  if (radio) radio.checked = true;
}

function moved(row, target) {
  const value = valueOf(row);
  if (target === value) {
    if (value.value !== "") choose(row, "set");
    else if (value.tagName === "SELECT") choose(row, "inherit");
  } else if (modeOf(row) === "set") {
    if (value.value === "") value.value = row.dataset.before || row.dataset.hint;
    if (target.type === "radio" && value.select) { value.focus(); value.select(); } else value.focus();
  } else value.value = "";
  mark(row);
}

form.addEventListener("input", (event) => {
  const row = event.target.closest("[data-row]");
  if (row) moved(row, event.target);
}, { capture: true });

/** Complaints of the preview, beside their fields. */
function placeFaults(pane) {
  const told = new Map();
  for (const one of pane.querySelectorAll("[data-at-fields] li")) told.set(one.dataset.name, [...(told.get(one.dataset.name) ?? []), one.textContent]);
  for (const row of rows) {
    const messages = told.get(row.dataset.row) ?? [];
    row.classList.toggle("invalid", messages.length > 0);
    valueOf(row).toggleAttribute("aria-invalid", messages.length > 0);
    if (messages.length) valueOf(row).setAttribute("aria-invalid", "true");
    row.querySelector("[data-faults]").replaceChildren(...messages.map((text) => element("span", { class: "fault" }, text)));
  }
}

// Finding a row: by words, and only those that say something.
const filter = form.querySelector("[data-filter]");
const onlySet = form.querySelector("[data-only-set]");
function sift() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows) {
    const isFound = words.every((word) => row.dataset.words.toLowerCase().includes(word));
    row.hidden = !isFound || (onlySet.checked && row.dataset.modeBefore === "inherit" && !isChanged(row));
  }
  for (const group of form.querySelectorAll("[data-group]")) group.hidden = !group.querySelector("[data-row]:not([hidden])");
  form.querySelector("[data-none]").hidden = rows.some((row) => !row.hidden);
}
for (const node of [filter, onlySet]) {
  for (const kind of ["input", "change"]) node.addEventListener(kind, (event) => { event.stopPropagation(); sift(); });
}
filter.addEventListener("keydown", (event) => {
  if (event.key === "Enter") { event.preventDefault(); rows.find((row) => !row.hidden)?.querySelector("[data-value]").focus(); }
  if (event.key === "Escape") { filter.value = ""; sift(); }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select")) return;
  event.preventDefault();
  filter.focus();
});

for (const row of rows) mark(row);
for (const node of form.querySelectorAll(":scope > section [data-with-script]")) node.hidden = false;
if (form.querySelector("[data-apply]")) {
  const preview = livePreview(form, { shown: placeFaults });
  guardLeaving(form, () => rows.some(isChanged));
  // After a merge, or the browser's way back, rows may ask for something already.
  if (rows.some(isChanged) && !form.querySelector("[data-shown] [name=plan_hash]")) preview.ask();
}
const target = document.getElementById(location.hash.slice(1));
if (target?.dataset.row) valueOf(target).focus({ preventScroll: true });
