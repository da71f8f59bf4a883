// Keeps the cockpit up to date while it is looked at. What cannot be asked is said to be old, never shown as if it were new.
const EVERY_MS = 10_000;

async function refresh() {
  const main = document.getElementById("main");
  // Nobody's selection, and no link somebody has reached with the keyboard, is taken from under them.
  const at = document.activeElement;
  if (document.hidden || (at !== main && main.contains(at)) || !getSelection().isCollapsed) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    main.querySelector("[data-cockpit]").replaceWith(page.querySelector("[data-cockpit]"));
  } catch {
    const asOf = main.querySelector("[data-as-of]");
    asOf.classList.replace("wait", "bad");
    asOf.querySelector("[data-old]").hidden = false;
  }
}

setInterval(refresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);
