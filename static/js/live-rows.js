// Lists of backtests: while one is unfinished, ask once a second and reload when it has ended.
import * as api from "./api.js";

const EVERY_MS = 1000;

async function follow(line) {
  try {
    const { data } = await api.get(line.dataset.live);
    if (!["queued", "running"].includes(data.status)) return location.reload();
    line.querySelector("progress").value = data.progress;
  } catch { /* the next second may do better */ }
  return setTimeout(() => follow(line), EVERY_MS);
}

document.querySelectorAll("[data-live]").forEach(follow);
