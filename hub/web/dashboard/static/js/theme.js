// Loaded before the page is drawn, so that a chosen theme does not flash the other one first.
(() => {
  const root = document.documentElement;
  const stored = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage can be forbidden; the theme then lasts as long as the page
    }
  };
  const chosen = stored();
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
})();
