// Table rows and numbers that change in place: what stays the same is not touched, what moved is marked.
import { element } from "./dom.js";

/** A cell: {label, text | nodes, class, value, wide}. `value`: what counts as a change worth showing. */
export function drawRows(body, items, { key, cells, empty }) {
  if (!items.length) { drawEmpty(body, empty); return; }
  body.querySelector(":scope > .none")?.remove();
  const lines = new Map([...body.children].map((line) => [line.dataset.key, line]));
  items.forEach((item, place) => {
    const id = String(key(item));
    const line = lines.get(id) ?? element("tr", { "data-key": id });
    lines.delete(id);
    fill(line, cells(item));
    if (body.children[place] !== line) body.insertBefore(line, body.children[place] ?? null);
  });
  for (const line of lines.values()) line.remove();
}

function drawEmpty(body, empty) {
  if (body.querySelector(":scope > .none") && body.children.length === 1) return;
  const columns = body.closest("table").querySelectorAll("thead th").length;
  body.replaceChildren(element("tr", { class: "none" }, element("td", { colspan: columns, class: "wide soft" }, empty)));
}

function fill(line, cells) {
  cells.forEach((cell, place) => {
    let node = line.children[place];
    if (!node) {
      node = element(cell.head ? "th" : "td", { scope: cell.head ? "row" : null, "data-label": cell.head ? null : cell.label });
      line.append(node);
    }
    // Nodes are compared by what they would say, so that a button keeps its focus while numbers move.
    const print = cell.print ?? cell.text;
    const classes = cell.class ?? "";
    if (node.dataset.print === String(print) && node.dataset.classes === classes) return;
    // What the server has drawn says nothing yet of what it stands for.
    const moved = cell.moves && node.dataset.print !== undefined && node.dataset.print !== String(print);
    Object.assign(node.dataset, { print: String(print), classes });
    node.className = classes;
    node.replaceChildren(...(cell.nodes ? cell.nodes() : [cell.text]));
    if (moved) mark(node);
  });
}

/** Sets a text; a change is marked for a moment (styles keep still for readers who want no motion). */
export function show(node, text, { classes = "", moves = true } = {}) {
  const isFirst = node.dataset.print === undefined;
  if (node.dataset.print === text && node.dataset.classes === classes) return;
  const moved = moves && !isFirst && node.dataset.print !== text;
  Object.assign(node.dataset, { print: text, classes });
  node.className = classes;
  node.textContent = text;
  if (moved) mark(node);
}

export function mark(node) {
  node.classList.remove("moved");
  void node.offsetWidth; // the animation begins anew
  node.classList.add("moved");
}

document.addEventListener("animationend", (event) => event.target.classList?.remove("moved"));
