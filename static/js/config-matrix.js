// The matrix: cells choose a parameter and a symbol, one value goes to all that are chosen.
import { element } from "./dom.js";
import { guardLeaving, livePreview } from "./config-preview.js";

const form = document.querySelector("[data-matrix]");
const boxes = [...form.querySelectorAll("input[name=scope]")];
const columns = [...form.querySelectorAll("input[name=parameter]")];
const all = form.querySelector("[data-all]");

if (form.querySelector("[data-apply]")) {
  const value = form.querySelector("[data-bulk-value]");
  const more = form.querySelector("[name=more]");
  const modes = [...form.querySelectorAll("input[name=mode]")];
  let last = null;

  const chosenCount = () => boxes.filter((box) => box.checked).length + more.value.split(/[\s,;]+/).filter(Boolean).length;
  const chosen = () => columns.find((column) => column.checked);

  function draw() {
    const column = chosen();
    for (const cell of form.querySelectorAll("[data-parameter], [data-column]")) {
      cell.classList.toggle("chosen", column !== undefined && (cell.dataset.parameter ?? cell.dataset.column) === column.value);
    }
    for (const box of boxes) box.closest("tr").classList.toggle("picked", box.checked);
    const count = chosenCount();
    form.querySelector("[data-count]").textContent = count ? `${count} chosen` : "";
    form.querySelector("[data-chosen-name]").textContent = column ? column.closest("label").textContent.trim() : "No parameter chosen";
    form.querySelector("[data-chosen-limits]").textContent = column?.dataset.limits ?? "";
    form.querySelector("[data-chosen-unit]").textContent = column?.dataset.unit ?? "";
    form.querySelector("[data-nullable-mode]").hidden = column !== undefined && !column.dataset.nullable;
    const choices = column?.dataset.kind === "bool" ? ["true", "false"] : (column?.dataset.choices ?? "").split(" ").filter(Boolean);
    form.querySelector("#bulk-choices").replaceChildren(...choices.map((choice) => element("option", { value: choice })));
    value.inputMode = ["int", "float", "decimal"].includes(column?.dataset.kind) ? "decimal" : "text";
    all.checked = boxes.length > 0 && boxes.every((box) => box.checked);
    all.indeterminate = !all.checked && boxes.some((box) => box.checked);
  }

  /** A box; with shift, all from the one before up to it. */
  function pick(box, isChecked, { isRange }) {
    const [from, to] = [boxes.indexOf(last ?? box), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const one of isRange ? boxes.slice(from, to + 1) : [box]) one.checked = isChecked;
    last = box;
  }

  const preview = livePreview(form);
  const moved = () => { draw(); preview.soon(); };

  form.querySelector("tbody").addEventListener("click", (event) => {
    const box = event.target.closest("input[name=scope]");
    if (box) { pick(box, box.checked, { isRange: event.shiftKey }); moved(); return; }
    const cell = event.target.closest("td[data-parameter]");
    if (!cell || getSelection()?.toString()) return;
    const column = columns.find((one) => one.value === cell.dataset.parameter);
    const own = cell.closest("tr").querySelector("input[name=scope]");
    const isOther = !column.checked;
    column.checked = true;
    pick(own, isOther ? true : !own.checked, { isRange: event.shiftKey });
    moved();
  });
  all.addEventListener("change", () => { for (const box of boxes) box.checked = all.checked; moved(); });
  value.addEventListener("input", () => { if (value.value) modes.find((mode) => mode.value === "set").checked = true; });
  form.addEventListener("input", draw);
  draw();
  guardLeaving(form, () => chosenCount() > 0 && value.value !== "");
}
