// A run that is not finished: its progress every second, and the truth about how fresh that is.
import * as api from "./api.js";
import * as format from "./format.js";

const EVERY_MS = 1000;
const STALE_AFTER_MS = 5000;

export function followRun(panel) {
  const part = (name) => panel.querySelector(`[data-${name}]`);
  let heard = Date.now();

  const showLink = () => {
    const silent = Date.now() - heard;
    const link = part("link");
    const [kind, text] = !navigator.onLine ? ["bad", "Disconnected"]
      : silent > STALE_AFTER_MS ? ["warn", `Stale since ${Math.round(silent / 1000)} s`] : ["run", "Live"];
    link.className = `chip ${kind} push`;
    link.textContent = text;
  };

  const show = (run) => {
    part("state").textContent = run.cancel_requested_at ? "Cancelling" : format.words(run.status);
    part("bar").value = run.progress;
    part("rows").textContent = run.rows_total
      ? `${format.number(run.rows_done, 0)} of ${format.number(run.rows_total, 0)} bars` : "waiting for a worker";
  };

  const ask = async () => {
    const asking = new AbortController();
    const limit = setTimeout(() => asking.abort(), STALE_AFTER_MS);
    try {
      const { data } = await api.get(panel.dataset.liveRun, {}, asking.signal);
      heard = Date.now();
      if (!["queued", "running"].includes(data.status)) { location.reload(); return; }
      show(data);
    } catch { /* showLink says since when nothing was heard */ } finally { clearTimeout(limit); }
    setTimeout(ask, EVERY_MS);
  };

  setInterval(showLink, EVERY_MS);
  ask();
}
