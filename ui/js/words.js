// What the page says, in the language of the moment.
import en from "ui/en.js";
import zh from "ui/zh.js";

export const language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
const words = language === "zh" ? zh : en;

/** The text of a key, with `{name}` replaced. A key without a text shows itself. */
export function t(key, values = {}) {
  const text = words[key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

const zone = language === "zh" ? "zh-CN" : "en-GB";
const short = new Intl.DateTimeFormat(zone, { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const full = new Intl.DateTimeFormat(zone, { dateStyle: "medium", timeStyle: "long", hourCycle: "h23" });
export const shortTime = (date) => (date ? short.format(date) : "");
export const fullTime = (date) => (date ? full.format(date) : "");

export function setLanguage(name) {
  localStorage.setItem("language", name);
  location.reload();
}

export function setTheme(name) {
  const root = document.documentElement;
  if (name) { localStorage.setItem("theme", name); root.dataset.theme = name; }
  else { localStorage.removeItem("theme"); delete root.dataset.theme; }
}

export const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
/** 1073741824 → "1 GiB". */
export function bytes(value) {
  if (value === undefined || value === null) return "";
  let number = Number(value);
  let unit = 0;
  while (Math.abs(number) >= 1024 && unit < UNITS.length - 1) { number /= 1024; unit += 1; }
  return `${Number(number.toFixed(number < 10 && unit ? 1 : 0))} ${UNITS[unit]}`;
}

/** Milliseconds → "850 ms", "12 s", "3 min 5 s", "2 h 4 min". */
export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "";
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return ms < 10000 ? `${(ms / 1000).toFixed(1)} s` : `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
