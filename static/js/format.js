// How numbers and times are written. Values arrive from the API; nothing is computed here.

const cache = new Map();
function formatter(digits, minimum = digits) {
  const key = `${minimum}-${digits}`;
  if (!cache.has(key)) cache.set(key, new Intl.NumberFormat("en-US", { minimumFractionDigits: minimum, maximumFractionDigits: digits }));
  return cache.get(key);
}

export const NOTHING = "–";
const missing = (value) => value === null || value === undefined || value === "" || Number.isNaN(Number(value));
const minus = (text) => text.replace("-", "−");

export const number = (value, digits = 2) => (missing(value) ? NOTHING : minus(formatter(digits).format(value)));
export const quantity = (value) => (missing(value) ? NOTHING : minus(formatter(8, 0).format(value)));
export const price = (value) => (missing(value) ? NOTHING : minus(formatter(Math.abs(value) < 1 ? 6 : 2, 2).format(value)));
export const money = (value) => (missing(value) ? NOTHING : minus(formatter(2).format(value)));

export function signed(value, digits = 2, unit = "") {
  if (missing(value)) return NOTHING;
  const text = formatter(digits).format(Math.abs(value));
  return (Number(value) > 0 ? "+" : Number(value) < 0 ? "−" : "") + text + unit;
}

/** The class that repeats a sign in colour. */
export const direction = (value) => (missing(value) || Number(value) === 0 ? "" : Number(value) > 0 ? "up" : "down");

const iso = (ms) => new Date(Number(ms)).toISOString();
export const day = (ms) => (missing(ms) ? NOTHING : iso(ms).slice(0, 10));
export const minute = (ms) => (missing(ms) ? NOTHING : iso(ms).slice(0, 16).replace("T", " "));
/** A bar's time: the session date for daily bars and longer, else to the minute. */
export const barTime = (ms, intervalMs) => (intervalMs >= 86_400_000 ? day(ms) : minute(ms));

export function words(code) {
  const text = String(code ?? "").replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
