// One bot's page, following it.
import * as api from "./api.js";
import { clearState, element, showState } from "./dom.js";
import * as format from "./format.js";
import { botButtons, closeButton, offered } from "./live-actions.js";
import { LiveCandles, LiveEquity } from "./live-charts.js";
import {
  badge, decisionCells, lastBar, lead, number, positionCells, showClocks, showFault, showLink, statusChip, text, tradeCells,
} from "./live-page.js";
import { plus } from "./live-state.js";
import { Live } from "./live.js";
import { drawRows, show } from "./rows.js";

const CURVE_EVERY_MS = 10_000;
const page = api.embedded("live-data");
const durationMs = page.durations[page.timeframe];
const find = (name) => document.querySelector(`[data-${name}]`);
const body = (name) => find(name).querySelector("tbody");
const drawing = { durations: page.durations, timeframe: page.timeframe };
let now = null;

function draw(state) {
  now = state;
  const bot = state.bots.get(page.bot);
  showFault(null);
  showClocks(state, page.durations);
  drawHead(bot);
  drawLead(bot);
  drawRows(body("positions"), [...state.positions.values()], {
    key: (position) => position.id,
    cells: (position) => positionCells(position, { ...drawing, buttons: page.may_act ? () => [closeButton(position, { current: () => now.positions.get(position.id), bot: () => now.bots.get(page.bot) })] : null }),
    empty: "Nothing is held.",
  });
  drawRows(body("decisions"), state.decisions, {
    key: (decision) => decision.id, cells: (decision) => decisionCells(decision, drawing),
    empty: bot.status === "running" ? "Nothing was decided yet; the first bars only fill the indicators." : "Nothing was decided yet. Start the bot, and it decides on every bar of its replay.",
  });
  drawRows(body("orders"), [...state.orders.values()].sort((a, b) => b.id - a.id), { key: (order) => order.id, cells: orderCells, empty: "No order was asked for yet." });
  drawRows(body("trades"), state.trades, { key: (trade) => trade.id, cells: (trade) => tradeCells(trade, drawing), empty: "No order was filled yet." });
  candles.follow(state);
  equity.follow(bot);
}

function drawHead(bot) {
  const status = find("status");
  if (status.dataset.print !== bot.status) { status.dataset.print = bot.status; status.replaceChildren(statusChip(bot.status)); }
  const controls = find("controls");
  if (controls && controls.dataset.print !== offered(bot).join()) {
    controls.dataset.print = offered(bot).join();
    controls.replaceChildren(...botButtons(bot, { small: false, current: () => now.bots.get(page.bot) }));
  }
  const box = find("state-box");
  const [kind, words, more] = STATES[bot.status]?.(bot) ?? [];
  box.hidden = !kind;
  if (!kind) return;
  box.className = `note-box ${kind}`;
  find("state-text").textContent = words;
  find("state-more").textContent = more;
}

const STATES = {
  error: (bot) => ["bad", `Stopped by an error: ${bot.error_message || bot.error_code}`,
    `${bot.error_code}${bot.error_count ? `, after ${bot.error_count} failed cycle${bot.error_count === 1 ? "" : "s"} in a row` : ""}. Positions keep their stops and targets; start it again when the cause is gone.`],
  paused: () => ["warn", "Paused: nothing new is decided.", "Stops and targets keep resting at the broker. Resume it to go on with the next bar."],
  stopped: (bot) => (bot.run ? null : ["info", "This bot has not run yet.", "Start it: it begins with all its capital in cash and trades the replay's next bar."]),
  running: (bot) => (bot.error_count ? ["warn", `The last ${bot.error_count} cycle${bot.error_count === 1 ? "" : "s"} failed: ${bot.error_message}`, bot.error_code] : null),
};

function drawLead(bot) {
  lead("equity", bot.equity, format.money);
  lead("today_pnl", bot.today_pnl, format.signed, { signed: true });
  lead("total_pnl", bot.total_pnl, format.signed, { signed: true });
  const open = [...now.positions.values()].reduce((sum, position) => plus(sum, position.unrealized_pnl), "0");
  show(find("lead-unrealized"), `${format.signed(open)} unrealised`, { classes: "note", moves: false });
  lead("open_positions", bot.open_positions, format.quantity);
  lead("run", bot.run, format.quantity);
  const note = { classes: "note", moves: false };
  show(find("lead-cash"), bot.cash ? `${format.money(bot.cash)} in cash` : "", note);
  show(find("lead-run"), bot.run ? `epoch ${bot.epoch}, ${format.quantity(bot.rows)} bars seen` : "never started", note);
  show(find("lead-bar"), lastBar(bot, durationMs) === null ? "none" : format.barTime(lastBar(bot, durationMs), durationMs));
  const newest = bot.last_decision?.snapshot;
  const place = find("newest-snapshot");
  if (newest && !place.querySelector(`a[href$="${newest}"]`)) {
    place.replaceChildren(element("a", { class: "hash", href: `/snapshots/${newest}` }, `Configuration snapshot ${newest.slice(0, 12)}`));
  }
}

const CHIPS = {
  working: "run", held: "wait", pending: "wait", submitting: "wait", unknown: "warn", filled: "ok", adopted: "run",
  rejected: "bad", abandoned: "bad", unsent: "off", canceled: "off", expired: "off",
};

function orderCells(order) {
  const price = order.stop_price ? `stop ${format.price(order.stop_price)}` : order.limit_price ? `limit ${format.price(order.limit_price)}` : "market";
  const why = order.reason && order.reason !== "none" ? format.words(order.reason) : "";
  const part = Number(order.filled_qty) && order.filled_qty !== order.qty ? `${format.quantity(order.filled_qty)} of ` : "";
  return [
    { head: true, class: "nowrap", text: format.barTime(Date.parse(order.at), durationMs) },
    { label: "Order", print: order.action + order.symbol + order.side, nodes: () => [badge(order.action), ` ${order.symbol} ${order.side}`] },
    text("Leg", format.words(order.leg)),
    number("Quantity", part + order.qty, () => part + format.quantity(order.qty)),
    { label: "Price", text: price, class: "num" },
    { label: "State", print: order.state + why, moves: true, nodes: () => [
      element("span", { class: `chip ${CHIPS[order.state] ?? "off"}` }, format.words(order.state)), why ? element("span", { class: "what" }, why) : ""] },
  ];
}

/** The candles: of one symbol at a time, growing with its replay. */
const candles = {
  container: document.getElementById("candles-chart"),
  buttons: [...document.querySelectorAll("[data-candles] [data-symbol]")],
  symbol: null,

  start() {
    this.buttons.forEach((button) => button.addEventListener("click", () => this.choose(button.dataset.symbol)));
    showState(this.container, "Loading bars", { busy: true });
  },

  until(state) { const at = state.clocks.get(page.timeframe)?.now; return at ? Date.parse(at) : null; },
  fills(state) { return state.trades.filter((trade) => trade.symbol === this.symbol); },

  follow(state) {
    const until = this.until(state);
    // The run's own series, where the bot has begun one since the page was drawn.
    for (const { symbol, dataset } of state.feeds.values()) if (dataset) page.datasets[symbol] = dataset;
    if (!page.datasets[this.symbol ?? this.buttons[0].dataset.symbol]) { showState(this.container, "There are no bars of this symbol and timeframe. Import some, and the replay can begin."); return; }
    if (until === null) { showState(this.container, "The replay stands before its first bar."); this.symbol = null; return; }
    // A new epoch begins at the first bar again.
    if (this.symbol === null || until < this.drawn) { this.choose(this.symbol ?? this.buttons[0].dataset.symbol, { again: true }); return; }
    this.drawn = until;
    this.charts?.grow(until, this.fills(state));
  },

  async choose(symbol, { again = false } = {}) {
    if (symbol === this.symbol && !again) return;
    this.symbol = symbol;
    this.buttons.forEach((button) => button.setAttribute("aria-pressed", button.dataset.symbol === symbol));
    const until = now && this.until(now);
    if (!until) return;
    this.drawn = until;
    showState(this.container, `Loading ${symbol}`, { busy: true });
    try {
      this.charts ??= new LiveCandles(this.container, document.getElementById("candles-legend"), { datasets: page.datasets, intervalMs: durationMs });
      const hasBars = await this.charts.show(symbol, until, this.fills(now));
      if (symbol !== this.symbol) return;
      if (hasBars) clearState(this.container); else showState(this.container, `No bar of ${symbol} was published yet in this epoch.`);
    } catch (error) {
      showState(this.container, api.explain(error), { retry: () => this.choose(symbol, { again: true }) });
    }
  },
};

/** The equity curve: loaded whole now and then, and a point more with each cycle. */
const equity = {
  container: document.getElementById("equity-chart"),
  loadedAt: -Infinity,
  run: null,

  follow(bot) {
    if (!bot.run) { showState(this.container, "The curve begins with the first start."); return; }
    const bar = lastBar(bot, durationMs);
    const isDue = performance.now() - this.loadedAt > CURVE_EVERY_MS && bar !== this.bar;
    if (isDue || bot.run !== this.run) this.load(bot);
    else if (bar !== null) this.chart?.grow(bar, bot.equity);
  },

  async load(bot) {
    this.loadedAt = performance.now();
    this.run = bot.run;
    this.bar = lastBar(bot, durationMs);
    try {
      const { data } = await api.get(page.curve);
      if (!data.open_ms.length) { showState(this.container, "Nothing was recorded in this run yet."); return; }
      clearState(this.container);
      this.chart ??= new LiveEquity(this.container, document.getElementById("equity-legend"), { intervalMs: durationMs });
      this.chart.setCurve(data);
    } catch (error) {
      showState(this.container, api.explain(error), { retry: () => this.load(now.bots.get(page.bot)) });
    }
  },
};

showState(equity.container, "Loading the equity curve", { busy: true });
candles.start();
new Live({ snapshot: `/api/v1/live/bots/${page.bot}`, only: page.bot, onState: draw, onLink: showLink, onFault: showFault }).start();
