// The overview, following every bot the reader may see.
import * as api from "./api.js";
import { element } from "./dom.js";
import * as format from "./format.js";
import { botButtons, closeButton, offered } from "./live-actions.js";
import {
  badge, decisionCells, gain, lead, number, positionCells, showClocks, showFault, showLink, statusChip, tradeCells,
} from "./live-page.js";
import { Live } from "./live.js";
import { drawRows, show } from "./rows.js";

const SHOWN = 10;
const page = api.embedded("live-data");
const body = (name) => document.querySelector(`[data-${name}] tbody`);
let now = null;

function draw(state) {
  now = state;
  showFault(null);
  showClocks(state, page.durations);
  drawLead(state.totals);
  if (!page.has_bots) { if (state.bots.size) location.reload(); return; }
  drawRows(body("bots"), [...state.bots.values()], { key: (bot) => bot.id, cells: botCells, empty: "No bot is in service." });
  const context = (item) => {
    const bot = state.bots.get(item.bot_id);
    return { durations: page.durations, timeframe: bot?.timeframe, bot };
  };
  drawRows(body("positions"), [...state.positions.values()], {
    key: (position) => position.id,
    cells: (position) => positionCells(position, { ...context(position), buttons: page.may_act ? () => closing(position) : null }),
    empty: "Nothing is held. A position appears here with the fill that opens it.",
  });
  drawRows(body("decisions"), state.decisions.slice(0, SHOWN), {
    key: (decision) => decision.id, cells: (decision) => decisionCells(decision, context(decision)),
    empty: "Nothing was decided yet. A started bot decides on every bar of its replay.",
  });
  drawRows(body("trades"), state.trades.slice(0, SHOWN), {
    key: (trade) => trade.id, cells: (trade) => tradeCells(trade, context(trade)),
    empty: "No order was filled yet.",
  });
}

function drawLead(totals) {
  lead("equity", totals.equity, format.money);
  lead("today_pnl", totals.today_pnl, format.signed, { signed: true });
  lead("total_pnl", totals.total_pnl, format.signed, { signed: true });
  show(document.querySelector("[data-lead-unrealized]"), `${format.signed(totals.unrealized_pnl)} unrealised`, { classes: "note", moves: false });
  lead("open_positions", totals.open_positions, format.quantity);
  lead("trades_today", totals.trades_today, format.quantity);
  lead("running", totals.bots.running, format.quantity);
  const { paused, stopped, error } = totals.bots;
  show(document.querySelector("[data-lead-states]"), `${paused} paused, ${stopped} stopped, ${error} in error`, { classes: "note", moves: false });
}

function botCells(bot) {
  const why = bot.error_code ? `${bot.error_code}: ${bot.error_message}` : "";
  const last = bot.last_decision;
  const cells = [
    { head: true, class: "wide", print: bot.name, nodes: () => [
      element("a", { class: "cover", href: `/bots/${bot.id}` }, bot.name),
      element("span", { class: "what" }, `${format.words(bot.strategy)} · ${bot.timeframe} · ${bot.symbols.join(", ")}`)] },
    { label: "State", class: why ? "wide" : "", print: bot.status + why, nodes: () => [statusChip(bot.status), why ? element("span", { class: "what why" }, why) : ""] },
    number("Equity, USD", bot.equity, format.money),
    gain("Today, USD", bot.today_pnl),
    gain("Total, USD", bot.total_pnl),
    number("Open", bot.open_positions, format.quantity),
    { label: "Last decision", print: last ? last.id : "", nodes: () => (last ? [
      element("a", { class: "cover nowrap", href: `/decisions/${last.id}` }, badge(last.signal), ` ${last.symbol}`),
      element("span", { class: "what" }, last.orders ? `${last.orders} order${last.orders > 1 ? "s" : ""} asked` : format.words(last.reason === "none" ? "nothing asked" : last.reason))]
      : [element("span", { class: "muted" }, "none yet")]) },
  ];
  if (page.may_act) {
    cells.push({ label: "", class: "actions-cell wide", print: offered(bot).join(), nodes: () => botButtons(bot, { current: () => now.bots.get(bot.id) ?? bot }) });
  }
  return cells;
}

const closing = (position) => [closeButton(position, { current: () => now.positions.get(position.id), bot: () => now.bots.get(position.bot_id) })];

new Live({ snapshot: "/api/v1/live", onState: draw, onLink: showLink, onFault: showFault }).start();
