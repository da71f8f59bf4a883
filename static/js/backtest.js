// The result page: equity, candles with trades, and the tables, each pointing at the others.
import * as api from "./api.js";
import { CandleChart, tripKey } from "./candles.js";
import { clearState, element, showState } from "./dom.js";
import { EquityChart } from "./equity.js";
import * as format from "./format.js";
import { followRun } from "./live-run.js";
import { PagedTable } from "./paged-table.js";
import { StudyBar } from "./studies.js";

const MOST_CANDLES = 5000;
const WHOLE_RUN = { start: null, end: null };
const MOST_TRIPS = 10_000;

const panel = document.querySelector("[data-live-run]");
if (panel) followRun(panel);

const page = document.getElementById("page-data") ? api.embedded("page-data") : null;

function start() {
  drawEquity();
  const candles = new CandlePanel(document.getElementById("candles"));
  const trips = tripTable((trip) => candles.showTrip(trip));
  candles.onTrip = (trip) => trips.find(trip);
  decisionTable();
  candles.show(page.symbols[0]);
}

async function drawEquity() {
  const container = document.getElementById("equity-chart");
  showState(container, "Loading the equity curve", { busy: true });
  try {
    const { data } = await api.get(page.curve);
    clearState(container);
    if (!data.open_ms.length) { showState(container, "Nothing was computed yet."); return; }
    const chart = new EquityChart(container, document.getElementById("equity-legend"), { intervalMs: page.interval_ms });
    chart.setCurve(data);
    bindEquityChoices(chart);
  } catch (error) {
    showState(container, api.explain(error), { retry: drawEquity });
  }
}

/** Scale and benchmark, as the reader left them the last time. */
function bindEquityChoices(chart) {
  const scales = [...document.querySelectorAll("[data-scale]")];
  const benchmark = document.querySelector("[data-benchmark]");
  const scale = (kind) => { scales.forEach((one) => one.setAttribute("aria-pressed", one.dataset.scale === kind)); chart.setScale(kind); remember("scale", kind); };
  const hold = (visible) => { benchmark.setAttribute("aria-pressed", visible); chart.showBenchmark(visible); remember("benchmark", visible); };
  scales.forEach((button) => button.addEventListener("click", () => scale(button.dataset.scale)));
  benchmark.addEventListener("click", () => hold(benchmark.getAttribute("aria-pressed") !== "true"));
  scale(remembered("scale") ?? "log");
  hold((remembered("benchmark") ?? "true") === "true");
}

const KEY = "tradingsite.backtest.";
function remember(name, value) { try { localStorage.setItem(KEY + name, value); } catch { /* a private window forgets */ } }
function remembered(name) { try { return localStorage.getItem(KEY + name); } catch { return null; } }

/** The candles of one symbol at a time; remembers bars and trips that were loaded once. */
class CandlePanel {
  constructor(root) {
    this.container = root.querySelector(".chart");
    this.buttons = [...root.querySelectorAll("[data-symbol]")];
    this.buttons.forEach((button) => button.addEventListener("click", () => this.show(button.dataset.symbol)));
    this.loaded = new Map();
    this.onTrip = () => {};
    this.candles = new CandleChart(this.container, root.querySelector(".legend"), {
      intervalMs: page.interval_ms,
      onTrip: (trip) => { this.chosen = trip; this.candles.select(trip); this.onTrip(trip); },
    });
    this.chosen = null;
    this.note = root.querySelector("[data-merged]");
    this.candles.chart.timeScale().subscribeVisibleLogicalRangeChange(() => {
      clearTimeout(this.settling);
      this.settling = setTimeout(() => this.refine(this.candles.chart.timeScale().getVisibleLogicalRange()), 250);
    });
    this.studies = new StudyBar(root.querySelector("[data-study-bar]"), {
      datasetId: () => this.dataset,
      draw: (id, study) => this.candles.addStudy(id, study),
      window: () => this.window,
      erase: (id) => this.candles.removeStudy(id),
    });
    this.studies.start();
  }

  async show(symbol) {
    if (symbol === this.symbol) return;
    this.symbol = symbol;
    const button = this.buttons.find((one) => one.dataset.symbol === symbol);
    this.buttons.forEach((one) => one.setAttribute("aria-pressed", one === button));
    this.dataset = button.dataset.dataset;
    this.window = WHOLE_RUN;
    showState(this.container, `Loading ${symbol}`, { busy: true });
    try {
      if (!this.loaded.has(symbol)) this.loaded.set(symbol, await this.load(symbol));
      if (symbol !== this.symbol) return;
      const { columns, trips } = this.loaded.get(symbol);
      this.candles.setBars(columns);
      this.candles.setTrips(trips);
      clearState(this.container);
      this.candles.chart.timeScale().setVisibleLogicalRange({ from: columns.open_ms.length - 260, to: columns.open_ms.length + 3 });
      this.tellMerged();
      this.studies.redraw();
    } catch (error) {
      showState(this.container, api.explain(error), { retry: () => { this.symbol = null; this.show(symbol); } });
    }
  }

  async load(symbol) {
    const [columns, trips] = await Promise.all([this.bars(symbol, WHOLE_RUN), everyTrip(symbol)]);
    return { columns, trips };
  }

  async bars(symbol, { start, end }) {
    return (await api.get(page.candles, { symbol, start_ms: start, end_ms: end, max_points: MOST_CANDLES })).data;
  }

  /** A closer look at merged candles, or a look past those loaded, brings the bars of that stretch. */
  async refine(range) {
    const { open_ms, bars_per_candle } = this.candles.bars ?? {};
    if (!range || !open_ms?.length || this.isRefining) return;
    const [count, first, last] = [open_ms.length, open_ms[0], open_ms.at(-1)];
    const isCloser = bars_per_candle > 1 && range.to - range.from < count / 4;
    const isPast = (range.from < -5 && first > this.reach.first) || (range.to > count + 5 && last < this.reach.last);
    if (!isCloser && !isPast) return;
    const step = (last - first) / Math.max(1, count - 1);
    const [from, to] = [first + range.from * step, first + range.to * step];
    await this.look(from, to);
  }

  /** Loads from..to (ms) with as much again on either side, and keeps from..to in sight. */
  async look(from, to) {
    const window = {
      start: Math.max(page.start_ms, Math.floor(2 * from - to)), end: Math.min(page.end_ms, Math.ceil(2 * to - from)),
    };
    const symbol = this.symbol;
    this.isRefining = true;
    try {
      const columns = await this.bars(symbol, window);
      if (symbol !== this.symbol || !columns.open_ms.length) return;
      this.window = window;
      this.candles.setBars(columns);
      this.candles.drawMarkers();
      this.candles.select(this.chosen);
      this.candles.chart.timeScale().setVisibleRange({
        from: Math.max(from, columns.open_ms[0]) / 1000, to: Math.min(to, columns.open_ms.at(-1)) / 1000,
      });
      this.tellMerged();
      this.studies.redraw();
    } catch { /* what is drawn stays; the next move tries again */ } finally {
      this.isRefining = false;
    }
  }

  /** The first and last bar there is, as the whole run was loaded. */
  get reach() {
    const { open_ms } = this.loaded.get(this.symbol).columns;
    return { first: open_ms[0], last: open_ms.at(-1) };
  }

  tellMerged() {
    const merged = this.candles.bars.bars_per_candle;
    this.note.textContent = merged > 1 ? `${format.number(merged, 0)} bars in one candle; zoom in for the bars themselves. ` : "";
  }

  async showTrip(trip) {
    await this.show(trip.symbol);
    this.chosen = trip;
    if (this.loaded.get(trip.symbol).columns.bars_per_candle > 1) {
      const [entry, exit] = [Date.parse(trip.entry_at), Date.parse(trip.exit_at)];
      const room = Math.max(exit - entry, 60 * page.interval_ms);
      await this.look(entry - room, exit + room);
    }
    this.candles.select(trip, { show: this.candles.bars.bars_per_candle === 1 && this.window === WHOLE_RUN });
    this.container.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }
}

async function everyTrip(symbol) {
  const found = [];
  for (let number = 1; ; number += 1) {
    const { data, metadata } = await api.get(page.trades, { symbol, page: number, page_size: 500 });
    found.push(...data);
    if (!metadata.pagination.has_next || found.length >= MOST_TRIPS) return found;
  }
}

function tripTable(onSelect) {
  const root = document.getElementById("trades");
  const cell = (label, text, classes = "") => element("td", { "data-label": label, class: classes }, text);
  const gain = (label, value, digits) => cell(label, format.signed(value, digits), `num ${format.direction(value)}`);
  const row = (trip) => [
    element("th", { scope: "row" }, element("button", { type: "button", "data-choose": true, class: "plain-button", title: "Show on the chart" }, trip.symbol)),
    element("td", { "data-label": "Side" }, element("span", { class: `badge ${trip.side}` }, format.words(trip.side))),
    cell("Entered", when(trip.entry_at), "nowrap"), cell("Entry price", format.price(trip.entry_price), "num"),
    cell("Left", when(trip.exit_at), "nowrap"), cell("Exit price", format.price(trip.exit_price), "num"),
    cell("Because of", format.words(trip.cause)), cell("Quantity", format.quantity(trip.qty), "num"),
    cell("Fees", format.money(trip.fees), "num"), gain("Gain, USD", trip.pnl, 2), gain("%", trip.pnl_percent, 2),
  ];
  const table = new PagedTable(root, {
    url: root.dataset.url, row, identify: tripKey, onSelect, pageSize: 20, empty: "No round trip was closed in this run.",
  });
  bindFilters(root, table);
  table.load();
  // A marker was clicked: its row, wherever it is in the list as it is sorted and filtered now.
  table.find = async (trip) => {
    if (table.mark(tripKey(trip), { scroll: true })) return;
    const place = await placeOf(trip, table);
    if (place === null) return;
    await table.load(Math.floor(place / table.pageSize) + 1);
    table.mark(tripKey(trip), { scroll: true });
  };
  return table;
}

async function placeOf(trip, table) {
  for (let number = 1, more = true; more; number += 1) {
    const { data, metadata } = await api.get(page.trades, { ...table.query, ordering: table.ordering, page: number, page_size: 500 });
    const place = data.findIndex((one) => tripKey(one) === tripKey(trip));
    if (place >= 0) return (number - 1) * 500 + place;
    more = metadata.pagination.has_next;
  }
  return null;
}

function decisionTable() {
  const root = document.getElementById("decisions");
  // The address ends with the row; an id may well hold a "/0" of its own.
  const link = (row) => page.decision.replace(/0$/, row);
  const held = (decision) => (Number(decision.short_qty) ? `−${format.quantity(decision.short_qty)}` : format.quantity(decision.long_qty));
  const outcome = (decision) => element("td", { "data-label": "Outcome", class: "wide" },
    decision.orders ? `${decision.orders} order${decision.orders > 1 ? "s" : ""} asked` : format.words(decision.reason === "none" ? "nothing asked" : decision.reason),
    decision.reason === "none" ? null : element("span", { class: "what" }, decision.sentence));
  const row = (decision) => [
    element("th", { scope: "row" }, element("a", { class: "cover nowrap", href: link(decision.row) }, when(decision.at))),
    element("td", { "data-label": "Symbol" }, decision.symbol),
    element("td", { "data-label": "Signal" }, element("span", { class: `badge ${decision.signal}` }, format.words(decision.signal))),
    element("td", { "data-label": "Target" }, decision.target.map(format.words).join(", ") || format.NOTHING),
    outcome(decision),
    element("td", { "data-label": "Close", class: "num" }, format.price(decision.price)),
    element("td", { "data-label": "Held", class: "num" }, held(decision)),
    element("td", { "data-label": "Equity, USD", class: "num" }, format.money(decision.equity)),
  ];
  const table = new PagedTable(root, { url: root.dataset.url, row, identify: (decision) => decision.row, pageSize: 20, empty: "No decision matches." });
  bindFilters(root, table);
  table.load();
}

function bindFilters(root, table) {
  root.querySelectorAll("[data-filter]").forEach((select) => {
    select.value = "";
    select.addEventListener("change", () => table.filter({ [select.dataset.filter]: select.value }));
  });
}

function when(at) { return format.barTime(Date.parse(at), page.interval_ms); }

if (page) start();
