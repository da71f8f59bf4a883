// The equity curve, buying and holding for comparison, and how far below the last peak the account was.
import { AreaSeries, LineSeries, LineStyle, PriceScaleMode, newChart, seconds, token } from "./charts.js";
import { element } from "./dom.js";
import * as format from "./format.js";

export class EquityChart {
  constructor(container, legend, { intervalMs, onTime = () => {} }) {
    Object.assign(this, { legend, intervalMs });
    this.chart = newChart(container, { intervalMs, repaint: () => this.repaint() });
    const dollars = { type: "custom", minMove: 1, formatter: (value) => format.number(value, 0) };
    const calm = { priceLineVisible: false, priceFormat: dollars };
    this.benchmark = this.chart.addSeries(LineSeries, { ...calm, lineWidth: 1.5, lineStyle: LineStyle.Dashed, lastValueVisible: false });
    this.equity = this.chart.addSeries(AreaSeries, { ...calm, lineWidth: 2 });
    this.drawdown = this.chart.addSeries(AreaSeries, {
      priceLineVisible: false, lastValueVisible: false, lineWidth: 1, invertFilledArea: true,
      priceFormat: { type: "custom", minMove: 0.01, formatter: (value) => `${format.number(value, 1)} %` },
    }, 1);
    this.chart.panes()[1].setStretchFactor(0.3);
    this.chart.subscribeCrosshairMove((event) => this.describe(event.logical ?? null));
    this.chart.subscribeClick((event) => { if (event.time !== undefined) onTime(event.time); });
    this.repaint();
  }

  /** Equally long arrays; `drawdown_percent` is 0 or negative, `benchmark` may be missing. */
  setCurve({ open_ms, equity, drawdown_percent, benchmark = null }) {
    this.curve = { open_ms, equity, drawdown_percent, benchmark };
    const points = (values) => open_ms.map((ms, i) => ({ time: seconds(ms), value: Number(values[i]) }));
    this.equity.setData(points(equity));
    this.benchmark.setData(benchmark ? points(benchmark) : []);
    this.drawdown.setData(points(drawdown_percent));
    this.chart.timeScale().fitContent();
    this.describe(null);
  }

  setScale(kind) { this.equity.priceScale().applyOptions({ mode: kind === "log" ? PriceScaleMode.Logarithmic : PriceScaleMode.Normal }); }

  showBenchmark(visible) { this.benchmark.applyOptions({ visible }); }

  repaint() {
    this.equity.applyOptions({ lineColor: token("series-1"), topColor: token("series-1", 0.22), bottomColor: token("series-1", 0.01) });
    this.benchmark.applyOptions({ color: token("series-5") });
    this.drawdown.applyOptions({ lineColor: token("down"), topColor: token("down", 0.08), bottomColor: token("down", 0.3) });
  }

  describe(logical) {
    const { open_ms, equity, drawdown_percent, benchmark } = this.curve ?? {};
    if (!open_ms?.length) return;
    const index = logical === null ? open_ms.length - 1 : Math.min(open_ms.length - 1, Math.max(0, Math.round(logical)));
    const key = (name, text, kind) => element("span", {}, element("span", { class: `key key-${kind}` }, name), " ", element("b", {}, text));
    this.legend.replaceChildren(
      element("b", {}, format.barTime(open_ms[index], this.intervalMs)),
      key("Equity", `$${format.money(equity[index])}`, "equity"),
      ...(benchmark ? [key("Buy & hold", `$${format.money(benchmark[index])}`, "benchmark")] : []),
      key("Drawdown", `${format.number(drawdown_percent[index])} %`, "drawdown"),
    );
  }
}
