// The equity curve of the newest result, on the first page.
import * as api from "./api.js";
import { clearState, showState } from "./dom.js";
import { EquityChart } from "./equity.js";

const page = api.embedded("page-data");
const panel = document.querySelector("[data-latest]");
const container = panel.querySelector(".chart");

async function draw() {
  showState(container, "Loading the equity curve", { busy: true });
  try {
    const { data } = await api.get(page.curve);
    clearState(container);
    const chart = new EquityChart(container, panel.querySelector(".legend"), { intervalMs: page.interval_ms });
    chart.setScale("log");
    chart.setCurve(data);
  } catch (error) {
    showState(container, api.explain(error), { retry: draw });
  }
}

draw();
