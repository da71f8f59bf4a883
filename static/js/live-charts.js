// Charts that grow: candles up to the replay's time with the fills on them, and a run's equity.
import * as api from "./api.js";
import { CandleChart } from "./candles.js";
import { seconds, token } from "./charts.js";
import { element } from "./dom.js";
import { EquityChart } from "./equity.js";
import * as format from "./format.js";

/** Candles with single fills (trades of the API) instead of round trips. */
export class FillChart extends CandleChart {
  setFills(fills) {
    this.fills = [...fills].sort((a, b) => Date.parse(a.timestamp) - Date.parse(b.timestamp));
    this.drawMarkers();
    this.describe(null);
  }

  /** Adds what was published since; keeps the reader where they look, or at the end if they are there. */
  append(bars) {
    for (const name of Object.keys(this.bars)) if (Array.isArray(this.bars[name])) this.bars[name].push(...bars[name]);
    bars.open_ms.forEach((ms, i) => {
      const time = seconds(ms);
      this.times.push(time);
      this.candles.update({ time, open: bars.open[i], high: bars.high[i], low: bars.low[i], close: bars.close[i] });
      this.volume.update({ time, value: bars.volume[i] });
    });
    this.describe(null);
  }

  drawMarkers() {
    if (!this.times?.length) return;
    const marks = (this.fills ?? []).filter((fill) => seconds(Date.parse(fill.timestamp)) >= this.times[0]).map((fill) => {
      const isEntry = fill.profit_loss === null;
      const won = Number(fill.profit_loss) >= 0;
      const isBuy = fill.type === "buy";
      return {
        id: fill.id, time: this.candleAt(fill.timestamp), position: isBuy ? "belowBar" : "aboveBar",
        shape: isEntry ? (isBuy ? "arrowUp" : "arrowDown") : won ? "circle" : "square",
        color: token(isEntry ? "accent" : won ? "up" : "down"), size: 1,
        text: this.showsWords && !isEntry ? format.signed(fill.profit_loss) : "",
      };
    });
    this.markers.setMarkers(marks);
  }

  /** The bar under the cursor, and what was filled on it. */
  describe(event) {
    super.describe(event);
    if (!event || !this.times?.length) return;
    const time = this.times[this.indexAt(event.time)];
    for (const fill of (this.fills ?? []).filter((one) => this.candleAt(one.timestamp) === time)) {
      const gain = fill.profit_loss === null ? "" : ` → ${format.signed(fill.profit_loss)} USD`;
      this.legend.append(element("b", { class: "fill" }, `${fill.type === "buy" ? "Bought" : "Sold"} ${format.quantity(fill.quantity)} at ${format.price(fill.price)}${gain}`));
    }
  }
}

const MOST_BARS = 1500;
const FIRST_SEEN = 160;

/** Loads the bars of one symbol up to event time, and those that are published later. */
export class LiveCandles {
  constructor(container, legend, { datasets, intervalMs }) {
    Object.assign(this, { container, datasets, intervalMs });
    this.chart = new FillChart(container, legend, { intervalMs });
    this.symbol = null;
  }

  /** `until`: event time in ms. Answers whether there is anything to draw. */
  async show(symbol, until, fills) {
    this.symbol = symbol;
    this.loaded = null;
    const bars = await this.bars(until - MOST_BARS * this.intervalMs, until);
    if (symbol !== this.symbol) return true;
    this.loaded = until;
    this.chart.setBars(bars);
    this.chart.setFills(fills);
    if (bars.open_ms.length) {
      this.chart.chart.timeScale().setVisibleLogicalRange({ from: Math.max(-3, bars.open_ms.length - FIRST_SEEN), to: bars.open_ms.length + 3 });
    }
    return bars.open_ms.length > 0;
  }

  /** Brings what was published since the last time; at most one request at once. */
  async grow(until, fills) {
    if (this.loaded === null || this.isGrowing) return;
    if (until > this.loaded) {
      this.isGrowing = true;
      const symbol = this.symbol;
      try {
        const bars = await this.bars(this.loaded, until);
        if (symbol !== this.symbol) return;
        this.loaded = until;
        this.chart.append(bars);
      } catch { /* the next bar asks again from where this one began */ return; } finally { this.isGrowing = false; }
    }
    this.chart.setFills(fills);
  }

  async bars(start, end) {
    const { data } = await api.get(`/api/v1/datasets/${this.datasets[this.symbol]}/bars`, { start, end, max_points: 5000 });
    return data;
  }
}

/** Equity of a run: loaded whole, then one point a cycle; the distance from the peak comes with the next load. */
export class LiveEquity extends EquityChart {
  setCurve(curve) {
    const range = this.curve && this.chart.timeScale().getVisibleLogicalRange();
    super.setCurve(curve);
    if (range && range.from > 1) this.chart.timeScale().setVisibleLogicalRange(range);
  }

  grow(openMs, equity) {
    const { curve } = this;
    if (!curve || openMs < (curve.open_ms.at(-1) ?? -Infinity)) return;
    const at = curve.open_ms.at(-1) === openMs ? curve.open_ms.length - 1 : curve.open_ms.length;
    curve.open_ms[at] = openMs;
    curve.equity[at] = equity;
    curve.drawdown_percent[at] ??= null;
    this.equity.update({ time: seconds(openMs), value: Number(equity) });
    this.describe(null);
  }
}
