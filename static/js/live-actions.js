// What a person can do to a bot or a position: a dialog says what will happen, then the API is asked.
import * as api from "./api.js";
import * as format from "./format.js";

const plural = (count, word) => `${count} open ${word}${count === 1 ? "" : "s"}`;
const held = (bot) => (bot.open_positions
  ? `${plural(bot.open_positions, "position")} ${bot.open_positions === 1 ? "stays" : "stay"} open; stops and targets keep resting at the broker.`
  : "It holds no open position.");

const BOT_ACTIONS = {
  start: {
    word: "Start", kind: "primary",
    says: (bot) => [`${bot.name} starts to trade ${bot.symbols.join(", ")} on ${bot.timeframe} bars, from the next bar of the replay on.`,
      "Orders go to the simulated broker. No real money moves."],
  },
  pause: {
    word: "Pause", kind: "",
    says: (bot) => [`${bot.name} decides nothing more until it is resumed.`, held(bot)],
  },
  resume: {
    word: "Resume", kind: "primary",
    says: (bot) => [`${bot.name} decides again, from the next bar on.`, held(bot)],
  },
  stop: {
    word: "Stop", kind: "danger",
    says: (bot) => [`${bot.name} stops deciding. Orders that were not sent yet are dropped.`, held(bot)],
  },
};

const OFFERED = { stopped: ["start"], error: ["start", "stop"], running: ["pause", "stop"], paused: ["resume", "stop"] };

/** The names of what can be done to a bot in this state. */
export const offered = (bot) => OFFERED[bot.status] ?? [];

export function botButtons(bot, { small = true, current = () => bot } = {}) {
  return offered(bot).map((name) => {
    const { word, kind } = BOT_ACTIONS[name];
    return button(`${word}`, `${word} ${bot.name}`, kind, small, () => {
      const now = current();
      ask({
        title: `${word} ${now.name}?`, says: BOT_ACTIONS[name].says(now), word, kind,
        act: () => api.post(`/api/v1/bots/${now.id}/${name}`),
      });
    });
  });
}

/** `bot`: whose position it is; the API pauses a running one with it, and the dialog says so. */
export function closeButton(position, { bot = () => null, current = () => position } = {}) {
  return button("Close", `Close ${position.symbol} ${position.side}`, "danger", true, () => {
    const now = current() ?? position;
    const owner = bot();
    const verb = now.side === "short" ? "bought back" : "sold";
    ask({
      title: `Close ${now.symbol} ${now.side}?`,
      says: [`${format.quantity(now.quantity)} ${now.symbol} are ${verb} at the market, on the next bar.`,
        `At the last price the result would be ${format.signed(now.unrealized_pnl)} USD before fees. Its stop and target end with it.`,
        ...(owner?.status === "running" ? [`${owner.name} is paused with it, or it might enter again on the next bar.`] : [])],
      word: "Close position", kind: "danger",
      act: () => api.post(`/api/v1/positions/${now.id}/close`),
    });
  });
}

function button(word, label, kind, small, press) {
  const node = document.createElement("button");
  node.type = "button";
  node.className = `button ${small ? "small" : ""} ${kind === "danger" ? "danger" : small ? "" : kind}`.trim();
  node.textContent = word;
  node.setAttribute("aria-label", label);
  node.addEventListener("click", press);
  return node;
}

/** Opens the page's one dialog. It closes when the API agreed; else it shows the coded answer and stays. */
export function ask({ title, says, word, kind, act }) {
  const dialog = document.getElementById("confirm");
  const part = (name) => dialog.querySelector(`[data-${name}]`);
  const opener = document.activeElement;
  part("title").textContent = title;
  part("says").replaceChildren(...says.map((sentence) => Object.assign(document.createElement("p"), { textContent: sentence })));
  part("fault").hidden = true;
  const yes = part("yes");
  Object.assign(yes, { textContent: word, disabled: false, className: `button ${kind || "primary"}` });
  yes.onclick = async () => {
    yes.disabled = true;
    part("fault").hidden = true;
    try {
      await act();
      dialog.close();
    } catch (error) {
      part("fault-code").textContent = error.code ?? "UNREACHABLE";
      part("fault-text").textContent = api.explain(error);
      part("fault").hidden = false;
      yes.disabled = false;
    }
  };
  part("no").onclick = () => dialog.close();
  // The row may have been drawn anew meanwhile; the browser gives the focus back by itself where it was not.
  dialog.onclose = () => { if (!opener?.isConnected) document.getElementById("main").focus(); };
  dialog.showModal();
}
