// Runs before the first paint (a classic script in <head>): applies the reader's choice of theme, if any.
(() => {
  const KEY = "tradingsite.theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const announce = () => document.dispatchEvent(new CustomEvent("themechange"));

  if (["light", "dark"].includes(stored())) root.dataset.theme = stored();
  system.addEventListener("change", announce);

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const next = isDark() ? "light" : "dark";
    root.dataset.theme = next;
    try { localStorage.setItem(KEY, next); } catch { /* private window: the choice lasts for this page */ }
    announce();
  });
})();
