// What the overview and a bot's page share: the strip with connection and replay clocks, cells of their tables.
import * as api from "./api.js";
import { element } from "./dom.js";
import * as format from "./format.js";
import { show } from "./rows.js";

export const LINKS = {
  connecting: ["wait", "Connecting"],
  live: ["ok", "Live"],
  stale: ["warn", "Stale"],
  disconnected: ["bad", "Disconnected"],
  "signed-out": ["bad", "Signed out"],
};
const SAID = {
  connecting: "",
  live: "Live: numbers follow the bots.",
  stale: "Nothing was heard from the server for a while. Numbers may be old.",
  disconnected: "The connection is lost. Numbers stand still; it is tried again.",
  "signed-out": "You are signed out.",
};

const ago = (ms) => (ms < 60_000 ? `${Math.floor(ms / 1000)} s` : `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`);

/** Draws the state of the connection. Only a change of kind is read out, never the seconds. */
export function showLink({ kind, silence }) {
  const strip = document.querySelector("[data-strip]");
  const [chip, word] = LINKS[kind];
  const node = strip.querySelector("[data-link]");
  show(node, kind === "stale" ? `Stale since ${ago(silence)}` : word, { classes: `chip ${chip}`, moves: false });
  const age = kind === "live" ? (silence < 1000 ? "updated now" : `updated ${ago(silence)} ago`)
    : kind === "disconnected" ? `last word ${ago(silence)} ago, trying again` : "";
  show(strip.querySelector("[data-age]"), age, { classes: "muted", moves: false });
  strip.dataset.kind = kind;
  document.documentElement.dataset.link = kind;
  document.querySelector("[data-sign-in]").hidden = kind !== "signed-out";
  const said = document.querySelector("[data-link-said]");
  if (said.dataset.kind !== kind) { said.dataset.kind = kind; said.textContent = SAID[kind]; }
}

/** Where the replay stands, one line for each timeframe that is followed. */
export function showClocks(state, durations) {
  const place = document.querySelector("[data-clocks]");
  const nodes = [...state.clocks.values()].map((clock) => {
    const pace = clock.is_running ? `${format.quantity(clock.bars_per_second)} bars/s` : "halted";
    return element("span", { class: "clock" },
      element("span", { class: "muted" }, `Replay ${clock.timeframe} `), element("b", {}, moment(clock.now, durations[clock.timeframe])),
      element("span", { class: "muted" }, ` · epoch ${clock.epoch} · ${pace}`));
  });
  const print = nodes.map((node) => node.textContent).join("|");
  if (place.dataset.print === print) return;
  place.dataset.print = print;
  place.replaceChildren(...nodes);
}

/** The bar that has just closed: event time is its close, a reader knows it by its date or its opening. */
export const moment = (now, durationMs) => (now ? format.barTime(Date.parse(now) - durationMs, durationMs) : "before the first bar");

/** The opening (ms) of the last bar a bot has recorded; event time is its close. */
export const lastBar = (bot, durationMs) => (bot.recorded_at ? Date.parse(bot.recorded_at) - durationMs : null);

export function showFault(error) {
  const box = document.querySelector("[data-fault-box]");
  box.hidden = !error;
  if (!error) return;
  box.querySelector("[data-fault-code]").textContent = error.code ?? "UNREACHABLE";
  box.querySelector("[data-fault-text]").textContent = api.explain(error);
}

// --- cells

const SIGNS = { buy: ["▲", "votes buy"], sell: ["▼", "votes sell"], hold: ["–", "holds"] };

export function votes(given) {
  return Object.entries(given ?? {}).map(([name, vote]) => {
    const [sign, said] = SIGNS[vote] ?? ["?", vote];
    return element("span", { class: `vote ${vote}`, title: `${name} ${said}` },
      element("span", { "aria-hidden": "true" }, `${name} ${sign}`), element("span", { class: "visually-hidden" }, `${name} ${said}.`));
  });
}

const STATUS = { running: ["run", "Running"], paused: ["warn", "Paused"], error: ["bad", "Error"], stopped: ["off", "Stopped"] };
export function statusChip(status) {
  const [kind, word] = STATUS[status] ?? ["off", format.words(status)];
  return element("span", { class: `chip ${kind}` }, word);
}

export const badge = (word) => element("span", { class: `badge ${word}` }, format.words(word));
export const text = (label, value, classes = "") => ({ label, text: value, class: classes });
export const number = (label, value, write, classes = "") => ({ label, text: write(value), class: `num ${classes}`.trim(), moves: true });
export const gain = (label, value) => ({ label, text: format.signed(value), class: `num ${directed(value)}`.trim(), moves: true });
export const directed = (value) => { const way = format.direction(value); return way && `${way} arrow`; };

/** Sets a lead number: its text, its direction where it has one, and the exact value in the markup. */
export function lead(name, value, write, { signed = false } = {}) {
  const node = document.querySelector(`[data-lead="${name}"]`);
  if (!node) return;
  show(node, write(value), { classes: signed ? directed(value) : "" });
  node.value = value ?? "";
}

/** Votes, then why: the reason's sentence, or what was asked. */
export function decisionCells(decision, { durations, timeframe, bot = null }) {
  const outcome = decision.orders ? `${decision.orders} order${decision.orders > 1 ? "s" : ""} asked`
    : decision.reason === "none" ? "Nothing asked" : format.words(decision.reason);
  const sentence = decision.reason === "none" ? "" : decision.sentence;
  const wanted = (decision.target ?? []).map(format.words).join(", ");
  return [
    { head: true, class: "nowrap", print: decision.at, nodes: () => [
      element("a", { class: "cover", href: `/decisions/${decision.id}` }, format.barTime(Date.parse(decision.at), durations[timeframe])),
      bot ? element("span", { class: "what" }, bot.name) : null].filter(Boolean) },
    text("Symbol", decision.symbol),
    { label: "Signal", print: `${decision.signal}${wanted}`, nodes: () => [badge(decision.signal), wanted ? element("span", { class: "what" }, wanted) : ""] },
    { label: "Votes", class: "wide", print: JSON.stringify(decision.votes), nodes: () => [element("span", { class: "vote-row" }, ...votes(decision.votes))] },
    { label: "Outcome", class: "wide", print: outcome + sentence, nodes: () => [outcome, sentence ? element("span", { class: "what" }, sentence) : ""] },
    number("Close", decision.price, format.price, "desk"),
  ];
}

export function tradeCells(trade, { durations, timeframe, bot = null }) {
  return [
    { head: true, class: "nowrap", print: trade.timestamp, nodes: () => [format.barTime(Date.parse(trade.timestamp), durations[timeframe]),
      bot ? element("span", { class: "what" }, element("a", { href: `/bots/${bot.id}` }, bot.name)) : ""] },
    text("Symbol", trade.symbol),
    { label: "Type", print: trade.type, nodes: () => [badge(trade.type)] },
    number("Quantity", trade.quantity, format.quantity),
    number("Price", trade.price, format.price),
    trade.profit_loss === null || trade.profit_loss === undefined
      ? { label: "P/L, USD", print: "opens", class: "num", nodes: () => [element("span", { class: "muted" }, "opens")] }
      : gain("P/L, USD", trade.profit_loss),
  ];
}

export function positionCells(position, { durations, timeframe, bot = null, buttons = null }) {
  const cells = [
    { head: true, print: position.symbol, nodes: () => [position.symbol,
      bot ? element("span", { class: "what" }, element("a", { href: `/bots/${bot.id}` }, bot.name)) : ""] },
    { label: "Side", print: position.side, nodes: () => [badge(position.side)] },
    number("Quantity", position.quantity, format.quantity),
    number("Entry", position.entry_price, format.price),
    number("Last", position.current_price, format.price),
    number("Stop", position.stop_loss_price, format.price),
    number("Target", position.take_profit_price, format.price),
    gain("Unrealised, USD", position.unrealized_pnl),
    text("Opened", format.barTime(Date.parse(position.opened_at), durations[timeframe]), "nowrap"),
  ];
  if (buttons) cells.push({ label: "", class: "actions-cell", print: `close ${position.id}`, nodes: buttons });
  return cells;
}
