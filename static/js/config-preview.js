// The preview of a change, live: what is asked for is sent as it stands, and the server answers the pane it would draw.
// Only what was previewed can be applied: the answer carries the hash of its plan.

const PAUSE_MS = 300;

/** Keeps the pane of `form` in step with it. `shown(pane)` is called after each answer. */
export function livePreview(form, { shown = () => {} } = {}) {
  const pane = form.querySelector("[data-pane]");
  const apply = form.querySelector("[data-apply]");
  const reason = form.querySelector("[data-reason]");
  const reasonHelp = form.querySelector("[data-reason-help]");
  const busy = form.querySelector("[data-busy]");
  const review = form.querySelector("[data-review]");
  let timer = 0;
  let asking = null;
  let isCurrent = true;

  const isReady = () => isCurrent && pane.querySelector("[data-ready]") !== null;
  function judge() {
    const hasReason = reason.value.trim() !== "";
    apply.disabled = !(isReady() && hasReason);
    const changes = Number(pane.querySelector("[data-changes]")?.dataset.changes ?? 0);
    const isRefused = pane.querySelector(".note-box.bad") !== null;
    review.hidden = changes === 0 && !isRefused;
    review.textContent = `${isRefused ? "✕ " : ""}Review ${changes} ${changes === 1 ? "change" : "changes"}`;
    reasonHelp.textContent = hasReason ? "" : isReady() ? "Say why, then it can be applied." : "Required. One sentence is enough.";
  }

  function soon() {
    isCurrent = false;
    judge();
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE_MS);
  }

  async function ask() {
    clearTimeout(timer);
    asking?.abort();
    const mine = (asking = new AbortController());
    const sent = new FormData(form);
    sent.set("intent", "preview");
    busy.textContent = "Working it out";
    try {
      const answer = await fetch(form.action, { method: "POST", body: sent, headers: { "X-Fragment": "preview" }, credentials: "same-origin", signal: mine.signal });
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      pane.replaceChildren(...page.body.children);
      isCurrent = true;
      busy.textContent = "";
    } catch (failure) {
      if (failure.name === "AbortError") return;
      busy.textContent = "No preview: the server did not answer. Change something, or press Preview, to try again.";
    }
    if (asking !== mine) return;
    judge();
    shown(pane);
  }

  form.addEventListener("input", (event) => (event.target === reason ? judge() : soon()));
  form.addEventListener("submit", (event) => {
    const intent = event.submitter?.value ?? "preview";
    if (intent === "merge") return;
    if (intent === "apply" && !apply.disabled) return;
    event.preventDefault(); // Enter in a field looks, it never applies
    ask();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (!apply.disabled) form.requestSubmit(apply);
    else if (isReady()) reason.focus();
  });
  // A wheel over a focused number would change it while the reader only scrolls.
  form.addEventListener("wheel", (event) => { if (event.target.type === "number") event.target.blur(); }, { passive: true });

  // Where the pane is below the rows, a button leads to it; in its sight the button would be in the way.
  new IntersectionObserver(([seen]) => review.classList.toggle("is-there", seen.isIntersecting)).observe(pane);

  for (const node of form.querySelectorAll("[data-with-script]")) node.hidden = false;
  judge();
  shown(pane);
  return { soon, ask, judge };
}

/** Asks before a page with unapplied changes is left. */
export function guardLeaving(form, isChanged) {
  let isLeaving = false;
  form.addEventListener("submit", () => { isLeaving = true; });
  window.addEventListener("pageshow", () => { isLeaving = false; });
  window.addEventListener("beforeunload", (event) => {
    if (!isLeaving && isChanged()) event.preventDefault();
  });
}
