// What is known of bots right now, as plain values: a snapshot, and events applied to it by version.
// Nothing here touches the page, the network or the clock. Money stays text; sums are exact.

const NEWEST = 50;

/** `snapshot`: as GET /api/v1/live or /api/v1/live/bots/<id> answers it. */
export function fromSnapshot(snapshot) {
  const keyed = (items = []) => new Map(items.map((item) => [String(item.id), item]));
  return {
    at: snapshot.at ?? null,
    versions: new Map(Object.entries(snapshot.versions ?? {})),
    totals: snapshot.totals ?? null,
    clocks: new Map((snapshot.clocks ?? []).map((clock) => [clock.timeframe, clock])),
    bots: keyed(snapshot.bots),
    positions: keyed(snapshot.positions),
    orders: keyed(snapshot.orders),
    decisions: snapshot.decisions ?? [],
    trades: snapshot.trades ?? [],
    feeds: new Map((snapshot.feeds ?? []).map((feed) => [feed.symbol, feed])),
    prices: new Map(),
  };
}

/**
 * One event: {bot, version, event, payload}. Answers {state, outcome}:
 * "applied"; "known" (the state holds it already); "gap" (something before it is missing);
 * "renewed" (applied, but only a new snapshot tells the rest: another run, another epoch).
 */
export function apply(state, message) {
  const last = state.versions.get(message.bot);
  if (last === undefined) return { state, outcome: "gap" };
  if (message.version <= last) return { state, outcome: "known" };
  if (message.version !== last + 1) return { state, outcome: "gap" };
  const change = CHANGES[message.event];
  const versions = new Map(state.versions).set(message.bot, message.version);
  const next = { ...(change ? change(state, message.payload, message.bot) : state), versions };
  return { state: next, outcome: message.event === "cycle" && isAnotherRun(state, message) ? "renewed" : "applied" };
}

/** The bots of which `versions` (of a beat) knows more than the state. */
export const behind = (state, versions) => Object.entries(versions)
  .filter(([bot, version]) => version > (state.versions.get(bot) ?? -1)).map(([bot]) => bot);

const CHANGES = {
  cycle: onCycle,
  bot_status_changed: onStatus,
  position_updated: onPosition,
  trade_executed: onTrade,
  decision: onDecision,
  order_updated: (state, order) => ({ ...state, orders: with_(state.orders, order) }),
  price_update: onPrice,
};

function onCycle(state, cycle, id) {
  const bot = state.bots.get(id);
  if (!bot) return state;
  const delta = { equity: minus(cycle.equity, bot.equity), today_pnl: minus(cycle.today_pnl, bot.today_pnl) };
  const changed = {
    ...bot, equity: cycle.equity, today_pnl: cycle.today_pnl, realised: cycle.realised, cash: cycle.cash,
    open_positions: cycle.open_positions, run: cycle.run, epoch: cycle.epoch, rows: cycle.rows, recorded_at: cycle.at,
  };
  const totals = state.totals && {
    ...state.totals,
    equity: plus(state.totals.equity, delta.equity),
    today_pnl: plus(state.totals.today_pnl, delta.today_pnl),
    open_positions: state.totals.open_positions + cycle.open_positions - (bot.open_positions ?? 0),
  };
  const next = { ...state, totals, bots: new Map(state.bots).set(id, changed), clocks: atLeast(state.clocks, bot.timeframe, cycle) };
  // A daily bar closes when the next day begins, and belongs to the one before.
  return onDay(next, bot.timeframe, dayOf(Date.parse(cycle.at) - 1), 0);
}

const dayOf = (moment) => new Date(moment).toISOString().slice(0, 10);

/** `made` trades more on that day; the first news of a later day begin the count again. */
function onDay(state, timeframe, day, made) {
  if (!state.totals) return state;
  const now = state.clocks.get(timeframe)?.now;
  const counted = state.countedDay ?? (now ? dayOf(Date.parse(now) - 1) : day);
  const sofar = day > counted ? 0 : state.totals.trades_today;
  const countedDay = day > counted ? day : counted;
  return { ...state, countedDay, totals: { ...state.totals, trades_today: sofar + made } };
}

/** A bot that has recorded a moment proves that its clock has come so far. */
function atLeast(clocks, timeframe, cycle) {
  const clock = clocks.get(timeframe);
  if (!clock || clock.epoch !== cycle.epoch || (clock.now && Date.parse(clock.now) >= Date.parse(cycle.at))) return clocks;
  return new Map(clocks).set(timeframe, { ...clock, now: cycle.at });
}

function isAnotherRun(state, { bot, payload }) {
  const before = state.bots.get(bot);
  return Boolean(before) && (before.run !== payload.run || before.epoch !== payload.epoch);
}

function onStatus(state, payload, id) {
  const bot = state.bots.get(id);
  if (!bot) return state;
  const { id: _, ...status } = payload;
  const bots = new Map(state.bots).set(id, { ...bot, ...status });
  const count = (wanted) => [...bots.values()].filter((one) => one.status === wanted).length;
  const states = { running: count("running"), paused: count("paused"), stopped: count("stopped"), error: count("error") };
  return { ...state, bots, totals: state.totals && { ...state.totals, bots: states } };
}

function onPosition(state, position) {
  const positions = new Map(state.positions);
  const before = positions.get(String(position.id));
  const after = position.is_open ? { ...before, ...position } : null;
  if (after) positions.set(String(position.id), after);
  else positions.delete(String(position.id));
  const delta = minus(after?.unrealized_pnl, before?.unrealized_pnl);
  const totals = state.totals && { ...state.totals, unrealized_pnl: plus(state.totals.unrealized_pnl, delta) };
  return { ...state, positions, totals };
}

function onTrade(state, trade, id) {
  const before = state.trades.find((one) => one.id === trade.id);
  // An order that fills in parts is told again with all it has got so far.
  const gained = minus(trade.profit_loss, before?.profit_loss);
  const bot = state.bots.get(id);
  const bots = bot ? new Map(state.bots).set(id, { ...bot, total_pnl: plus(bot.total_pnl, gained) }) : state.bots;
  const totals = state.totals && { ...state.totals, total_pnl: plus(state.totals.total_pnl, gained) };
  const next = { ...state, bots, totals, trades: newest(state.trades, trade) };
  return onDay(next, bot?.timeframe, dayOf(Date.parse(trade.timestamp)), before ? 0 : 1);
}

function onDecision(state, decision, id) {
  const bot = state.bots.get(id);
  const bots = bot ? new Map(state.bots).set(id, { ...bot, last_decision: decision }) : state.bots;
  return { ...state, bots, decisions: newest(state.decisions, decision) };
}

function onPrice(state, price) {
  return { ...state, prices: new Map(state.prices).set(price.symbol, price) };
}

const with_ = (items, item) => new Map(items).set(String(item.id), { ...items.get(String(item.id)), ...item });

function newest(items, item) {
  const at = items.findIndex((one) => one.id === item.id);
  if (at >= 0) return items.with(at, { ...items[at], ...item });
  return [item, ...items].slice(0, NEWEST);
}

// Exact sums of decimal texts: scaled whole numbers, never floats.

const PLACES = 9;

function scaled(text) {
  const [, sign, whole, part = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(text ?? "0")) ?? [null, "", "0", ""];
  const value = BigInt(whole + part.slice(0, PLACES).padEnd(PLACES, "0"));
  return sign ? -value : value;
}

function written(value) {
  const text = (value < 0n ? -value : value).toString().padStart(PLACES + 1, "0");
  const part = text.slice(-PLACES).replace(/0+$/, "");
  return `${value < 0n ? "-" : ""}${text.slice(0, -PLACES)}${part ? `.${part}` : ""}`;
}

export const plus = (a, b) => written(scaled(a) + scaled(b));
export const minus = (a, b) => written(scaled(a) - scaled(b));
