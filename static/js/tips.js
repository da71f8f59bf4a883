// Definitions open by style alone; this keeps them inside the window, and closes them with Escape.
const MARGIN = 10;

function keepInside(tip) {
  const text = tip.querySelector('[role="tooltip"]');
  text.style.translate = "0";
  const { left, right } = text.getBoundingClientRect();
  const over = right - (document.documentElement.clientWidth - MARGIN);
  text.style.translate = over > 0 ? `${-Math.min(over, left - MARGIN)}px` : left < MARGIN ? `${MARGIN - left}px` : "0";
}

for (const kind of ["pointerover", "focusin"]) {
  document.addEventListener(kind, (event) => {
    const tip = event.target.closest?.(".tip");
    if (tip) keepInside(tip);
  });
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.activeElement?.closest(".tip")) document.activeElement.blur();
});
