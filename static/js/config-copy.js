// Copies the text another element shows. Without script, or where the clipboard is closed to us, it can be selected.
const SAID_MS = 1600;

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  const words = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const copied = await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent).then(() => true, () => false);
    button.textContent = copied ? "Copied" : "Select and copy it";
    setTimeout(() => { button.textContent = words; }, SAID_MS);
  });
}
