// The page of one dataset: its candles, and studies over them.
import * as api from "./api.js";
import * as bars from "./bars.js";
import { CandleChart } from "./candles.js";
import { clearState, showState } from "./dom.js";
import { StudyBar } from "./studies.js";

const page = api.embedded("page-data");
const container = document.getElementById("candles-chart");

async function start() {
  showState(container, "Loading bars", { busy: true });
  try {
    const loaded = await bars.load(page.dataset);
    clearState(container);
    if (!loaded.open_ms.length) { showState(container, "This dataset holds no bars."); return; }
    draw(loaded);
  } catch (error) {
    showState(container, api.explain(error), { retry: start });
  }
}

function draw(loaded) {
  const candles = new CandleChart(container, document.getElementById("candles-legend"), { intervalMs: page.interval_ms });
  candles.setBars(loaded);
  candles.chart.timeScale().setVisibleLogicalRange({ from: loaded.open_ms.length - 180, to: loaded.open_ms.length + 3 });
  if (loaded.bars_per_point > 1) document.getElementById("merged-note").textContent = `${loaded.bars_per_point} bars in one candle`;
  new StudyBar(document.querySelector("[data-study-bar]"), {
    datasetId: () => page.dataset,
    draw: (id, study) => candles.addStudy(id, study),
    erase: (id) => candles.removeStudy(id),
  }).start();
}

start();
