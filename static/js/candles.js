// Candles of one symbol with the trades made on them and the studies drawn over them.
import {
  HistogramSeries, LineSeries, LineStyle, addCandles, addVolume, candleLook, centre, createSeriesMarkers, newChart, seconds, token,
} from "./charts.js";
import * as format from "./format.js";
import { element } from "./dom.js";

const STUDY_COLOURS = ["series-1", "series-2", "series-3", "series-4", "series-5"];
// With more bars than this in sight, the words beside the markers would only hide the candles.
const WORDS_UP_TO = 170;

export const tripKey = (trip) => `${trip.symbol}-${trip.side}-${trip.entry_row}-${trip.exit_row}`;

export class CandleChart {
  constructor(container, legend, { intervalMs, onTrip = () => {} }) {
    Object.assign(this, { container, legend, intervalMs, onTrip });
    this.chart = newChart(container, { intervalMs, repaint: () => this.repaint() });
    this.candles = addCandles(this.chart);
    this.volume = addVolume(this.chart);
    this.markers = createSeriesMarkers(this.candles, []);
    this.tripLine = this.chart.addSeries(LineSeries, {
      lineWidth: 2, lineStyle: LineStyle.Dashed, lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false,
    });
    this.studies = new Map();
    this.trips = [];
    this.showsWords = false;
    this.chart.subscribeCrosshairMove((event) => this.describe(event.time === undefined ? null : event));
    this.chart.subscribeClick((event) => {
      const key = typeof event.hoveredObjectId === "string" ? event.hoveredObjectId.slice(event.hoveredObjectId.indexOf(":") + 1) : null;
      const trip = key && this.trips.find((one) => tripKey(one) === key);
      if (trip) this.onTrip(trip);
    });
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      const shows = Boolean(range) && range.to - range.from <= WORDS_UP_TO;
      if (shows !== this.showsWords) { this.showsWords = shows; this.drawMarkers(); }
    });
  }

  /** `bars`: equally long arrays open_ms, open, high, low, close, volume. */
  setBars(bars) {
    this.bars = bars;
    this.times = bars.open_ms.map(seconds);
    const decimals = Math.max(...bars.close.slice(-50).map((value) => (String(value).split(".")[1] ?? "").length), 2);
    this.candles.applyOptions({ priceFormat: { type: "price", precision: Math.min(decimals, 8), minMove: 10 ** -Math.min(decimals, 8) } });
    this.candles.setData(this.times.map((time, i) => ({ time, open: bars.open[i], high: bars.high[i], low: bars.low[i], close: bars.close[i] })));
    this.volume.setData(this.times.map((time, i) => ({ time, value: bars.volume[i] })));
    this.describe(null);
  }

  setTrips(trips) {
    this.trips = trips;
    this.select(null);
    this.drawMarkers();
  }

  drawMarkers() {
    const up = token("up");
    const down = token("down");
    // Merged candles stand close together and carry many trades: small marks leave the prices in sight.
    const size = this.bars?.bars_per_candle > 1 ? 0.3 : 1;
    const marks = this.trips.flatMap((trip) => {
      const isLong = trip.side === "long";
      const won = Number(trip.pnl) >= 0;
      return [
        {
          id: `entry:${tripKey(trip)}`, time: this.candleAt(trip.entry_at), position: isLong ? "belowBar" : "aboveBar",
          shape: isLong ? "arrowUp" : "arrowDown", color: token("accent"), size: 1.1 * size, text: this.showsWords ? (isLong ? "Long" : "Short") : "",
        },
        {
          id: `exit:${tripKey(trip)}`, time: this.candleAt(trip.exit_at), position: isLong ? "aboveBar" : "belowBar",
          shape: won ? "circle" : "square", color: won ? up : down, size: 0.9 * size,
          text: this.showsWords ? `${format.words(trip.cause)} ${won ? "▲" : "▼"}` : "",
        },
      ];
    });
    this.markers.setMarkers(marks.sort((a, b) => a.time - b.time));
  }

  /** Draws the way from entry to exit; `show` also brings it to the middle. */
  select(trip, { show = false } = {}) {
    if (!trip) { this.tripLine.setData([]); return; }
    const entry = { time: this.candleAt(trip.entry_at), value: Number(trip.entry_price) };
    const exit = { time: this.candleAt(trip.exit_at), value: Number(trip.exit_price) };
    this.tripLine.applyOptions({ color: token(Number(trip.pnl) >= 0 ? "up" : "down") });
    this.tripLine.setData(entry.time < exit.time ? [entry, exit] : [entry]);
    if (show) this.showTime((entry.time + exit.time) / 2);
  }

  showTime(time) { centre(this.chart, this.times, time); }

  /** `study`: open_ms and values by column. Columns near the prices go over the candles, others into a pane below. */
  addStudy(id, study) {
    const rows = new Map(study.open_ms.map((ms, row) => [ms, row]));
    const columns = Object.entries(study.values).map(([name, values]) => ({ name, values: this.bars.open_ms.map((ms) => values[rows.get(ms)] ?? null) }));
    const below = columns.some(({ values }) => !this.isNearPrices(values)) ? this.chart.panes().length : 0;
    const series = columns.map(({ name, values }, index) => {
      const colour = STUDY_COLOURS[(this.studies.size + index) % STUDY_COLOURS.length];
      const pane = this.isNearPrices(values) ? 0 : below;
      const kind = pane && /^MACDh|hist/i.test(name) ? HistogramSeries : LineSeries;
      const line = this.chart.addSeries(kind, { color: token(colour), lineWidth: 1.5, lastValueVisible: pane > 0, priceLineVisible: false, crosshairMarkerVisible: false }, pane);
      line.setData(this.times.map((time, i) => (values[i] === null ? { time } : { time, value: values[i] })));
      return { line, name, colour, values };
    });
    if (below) this.chart.panes()[below]?.setStretchFactor(0.32);
    this.studies.set(id, series);
    this.describe(null);
  }

  isNearPrices(values) {
    const distances = values.map((value, i) => (value === null ? null : Math.abs(value / this.bars.close[i] - 1))).filter((one) => one !== null).sort((a, b) => a - b);
    return distances.length > 0 && distances[distances.length >> 1] < 0.3;
  }

  removeStudy(id) {
    this.studies.get(id)?.forEach(({ line }) => this.chart.removeSeries(line));
    this.studies.delete(id);
    this.describe(null);
  }

  clearStudies() { [...this.studies.keys()].forEach((id) => this.removeStudy(id)); }

  repaint() {
    this.candles.applyOptions(candleLook());
    this.volume.applyOptions({ color: token("text-3", 0.28) });
    for (const series of this.studies.values()) series.forEach(({ line, colour }) => line.applyOptions({ color: token(colour) }));
    this.drawMarkers();
  }

  /** The line above the chart: the bar under the cursor, else the last one. */
  describe(event) {
    if (!this.bars?.open_ms.length) return;
    const index = event ? this.indexAt(event.time) : this.times.length - 1;
    const { open_ms, open, high, low, close, volume } = this.bars;
    const part = (name, text) => element("span", {}, `${name} `, element("b", {}, text));
    const studies = [...this.studies.values()].flatMap((series) => series.map(({ name, values, colour }) => {
      const key = element("span", { class: "key" }, `${name} ${format.price(values[index])}`);
      key.style.setProperty("--key", `var(--${colour})`);
      return key;
    }));
    this.legend.replaceChildren(
      element("b", {}, format.barTime(open_ms[index], this.intervalMs)),
      part("O", format.price(open[index])), part("H", format.price(high[index])), part("L", format.price(low[index])),
      part("C", format.price(close[index])), part("Vol", format.quantity(volume[index])), ...studies,
    );
  }

  /** The row of the candle that holds a time: the last that opens at or before it. */
  indexAt(time) {
    let low = 0;
    let high = this.times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] <= time) low = middle + 1; else high = middle;
    }
    return Math.max(0, low - 1);
  }

  candleAt(iso) { return this.times[this.indexAt(seconds(Date.parse(iso)))]; }
}
