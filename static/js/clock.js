// The clock in the top bar: every time on these pages is UTC, so "now" is shown in UTC too.
const clock = document.querySelector("[data-utc-clock]");

function tick() {
  const now = new Date();
  clock.textContent = now.toISOString().slice(11, 19);
  clock.dateTime = now.toISOString();
  setTimeout(tick, 1000 - (Date.now() % 1000));
}

if (clock) tick();
