// Before the first paint: the colours and the language that were chosen here, else what the browser says.
(() => {
  const root = document.documentElement;
  const theme = localStorage.getItem("theme");
  if (theme) root.dataset.theme = theme;
  const chosen = localStorage.getItem("language");
  const language = chosen || ((navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en");
  root.lang = language === "zh" ? "zh-CN" : "en";
})();
