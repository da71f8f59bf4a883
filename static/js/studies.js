// Choosing a pandas-ta study: the names and parameters come from the API, a worker computes, the chart draws.
import * as api from "./api.js";
import { element } from "./dom.js";

const POLL_MS = 400;
const LARGEST_PAGE = 5000;
const GIVE_UP_MS = 60_000;
// Shifts and fill methods: rarely wanted, and the API takes them all the same.
const ADVANCED = new Set(["offset", "drift", "talib", "fillna", "presma", "ddof"]);
const READ = { int: Number, float: Number, str: String, bool: (text) => text === "true" };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function inputOf({ name, kind, default: initial, minimum, maximum, choices }) {
  const shared = { class: "input small", name, "data-kind": kind, "data-default": initial };
  const options = kind === "bool" ? ["true", "false"] : choices;
  const isNumber = kind === "int" || kind === "float";
  const control = options.length
    ? element("select", shared, ...options.map((one) => element("option", { value: one, selected: String(one) === String(initial) }, one)))
    : element("input", { ...shared, type: isNumber ? "number" : "text", step: kind === "int" ? 1 : "any", min: minimum, max: maximum, value: initial });
  return element("label", {}, name, control);
}

export class StudyBar {
  /** `draw(id, study)` and `erase(id)` are the chart's; `datasetId()` and `window()` ({start, end}) say which bars. */
  constructor(root, { datasetId, draw, erase, window = () => ({}) }) {
    Object.assign(this, { root, datasetId, draw, erase, window });
    this.select = root.querySelector("[data-study]");
    this.numbers = root.querySelector("[data-numbers]");
    this.button = root.querySelector("[data-add]");
    this.list = root.querySelector("[data-shown]");
    this.status = root.querySelector("[data-status]");
    this.shown = new Map();
    this.select.addEventListener("change", () => this.ask());
    root.addEventListener("submit", (event) => { event.preventDefault(); this.add(); });
  }

  async start() {
    try {
      const { data } = await api.get(this.root.dataset.catalogue);
      this.catalogue = new Map(data.map((study) => [study.name, study]));
    } catch (error) {
      this.say(api.explain(error));
      return;
    }
    const groups = Map.groupBy(this.catalogue.values(), (study) => study.category);
    this.select.replaceChildren(...[...groups].map(([category, studies]) =>
      element("optgroup", { label: category }, ...studies.map((study) => element("option", { value: study.name }, study.name.toUpperCase())))));
    if (this.catalogue.has("sma")) this.select.value = "sma";
    this.ask();
    this.button.disabled = false;
  }

  ask() {
    const study = this.catalogue.get(this.select.value);
    this.select.title = study.title;
    this.say(study.sees_ahead ? `${study.title}: its value at a bar depends on later bars. To look at, never to trade on.` : study.title);
    this.numbers.replaceChildren(...study.parameters.filter((one) => !ADVANCED.has(one.name)).map(inputOf));
  }

  async add() {
    const name = this.select.value;
    const parameters = {};
    for (const input of this.numbers.querySelectorAll("input, select")) {
      if (input.value !== "" && input.value !== input.dataset.default) parameters[input.name] = READ[input.dataset.kind](input.value);
    }
    const label = `${name.toUpperCase()} ${Object.entries(parameters).map(([key, value]) => `${key} ${value}`).join(" ")}`.trim();
    if (this.shown.has(label)) return this.say(`${label} is on the chart already.`);
    this.button.disabled = true;
    this.say(`Computing ${label} in a worker …`);
    try {
      await this.place(label, { name, parameters });
      this.say("");
    } catch (error) {
      this.say(api.explain(error));
    } finally {
      this.button.disabled = false;
    }
    return undefined;
  }

  /** Everything shown, again, over other bars. */
  async redraw() {
    for (const [label, wanted] of [...this.shown]) {
      this.erase(label);
      try { await this.place(label, wanted); } catch (error) { this.forget(label); this.say(api.explain(error)); }
    }
  }

  async place(label, wanted) {
    const dataset = this.datasetId();
    const study = await this.compute(dataset, wanted);
    if (dataset !== this.datasetId()) return;
    this.erase(label);
    this.draw(label, study);
    if (!this.shown.has(label)) {
      const button = element("button", { type: "button", "aria-label": `Remove ${label}` }, label);
      button.addEventListener("click", () => { this.erase(label); this.forget(label); });
      this.list.append(button);
      this.shown.set(label, { ...wanted, button });
    }
  }

  async compute(dataset, { name, parameters }) {
    let { data: study } = await api.post(this.root.dataset.studies.replace("DATASET", dataset), { name, parameters });
    const until = Date.now() + GIVE_UP_MS;
    while (["queued", "running"].includes(study.status)) {
      if (Date.now() > until) throw new api.ApiError(504, { message: "No worker has computed the study within a minute. Is one running?" });
      await pause(POLL_MS);
      ({ data: study } = await api.get(`/api/v1/studies/${study.id}`, { max_points: 1 }));
    }
    if (study.status === "failed") throw new api.ApiError(422, { message: study.error_message || "The study failed." });
    return (await api.get(`/api/v1/studies/${study.id}`, { ...this.window(), max_points: LARGEST_PAGE })).data;
  }

  forget(label) {
    this.shown.get(label)?.button.remove();
    this.shown.delete(label);
  }

  say(text) { this.status.textContent = text; }
}
