// Catalogues (i18n/<language>.json, same keys) and everything that Intl can say.
import { batch, html, signal } from "./html.js";

export const LANGUAGES = ["ja", "en"];
export const language = signal("en");
const catalogue = signal({});

/** Loads and shows a language. Raises when the catalogue cannot be loaded. */
export async function setLanguage(code) {
  const answer = await fetch(new URL(`./i18n/${code}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`catalogue ${code}: ${answer.status}`);
  const texts = await answer.json();
  batch(() => {
    catalogue.value = texts;
    language.value = code;
  });
  document.documentElement.lang = code;
}

/** The agent's last choice, else what is preferred, else the browser's language. */
export function preferredLanguage(preferred) {
  const wanted = [localStorage.getItem("gateway.language"), preferred, ...navigator.languages];
  return wanted.map((w) => w?.slice(0, 2)).find((w) => LANGUAGES.includes(w)) ?? "en";
}

export function rememberLanguage(code) {
  localStorage.setItem("gateway.language", code);
  return setLanguage(code);
}

export const has = (key) => key in catalogue.value;

function template(key, params) {
  const texts = catalogue.value;
  if (params && "count" in params && `${key}.other` in texts) {
    const form = formatter("PluralRules", {}).select(params.count);
    return texts[`${key}.${form}`] ?? texts[`${key}.other`];
  }
  return texts[key] ?? key;
}

const CONTROLS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A name inside a sentence of ours: its writing direction stays its own. */
const isolate = (value) => (typeof value === "number" ? number(value) : `\u2068${String(value).replace(CONTROLS, "")}\u2069`);

/** Text of the catalogue, for attributes. `{name}` is replaced; with `count` the plural form is chosen. */
export function t(key, params) {
  const text = template(key, params);
  return params ? text.replace(/\{(\w+)\}/g, (all, name) => (name in params ? isolate(params[name]) : all)) : text;
}

/** The same for the page: parameters become isolated elements. */
export function tx(key, params = {}) {
  return template(key, params)
    .split(/\{(\w+)\}/)
    .map((part, n) => (n % 2 ? html`<bdi>${typeof params[part] === "number" ? number(params[part]) : params[part]}</bdi>` : part));
}

const made = new Map();

function formatter(kind, options) {
  const key = `${language.value}${kind}${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new Intl[kind](language.value, options));
  return made.get(key);
}

const date = (at, options) => formatter("DateTimeFormat", options).format(at);

export const number = (value) => formatter("NumberFormat", {}).format(value);
export const clock = (at) => date(at, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
export const dayKey = (at) => date(at, { year: "numeric", month: "numeric", day: "numeric" });
export const longDay = (at) => date(at, { weekday: "short", year: "numeric", month: "long", day: "numeric" });
export const exact = (at) => date(at, { dateStyle: "medium", timeStyle: "medium" });
export const dateTime = (at) => date(at, { dateStyle: "medium", timeStyle: "short" });
export const isoTime = (at) => new Date(at).toISOString();

/** Today: the time; yesterday: that word; else the date. */
export function when(at, now) {
  if (dayKey(at) === dayKey(now)) return clock(at);
  if (dayKey(at) === dayKey(now - 86_400_000)) {
    return formatter("RelativeTimeFormat", { numeric: "auto" }).format(-1, "day");
  }
  return date(at, { month: "numeric", day: "numeric" });
}

const unit = (value, name, display) =>
  formatter("NumberFormat", { style: "unit", unit: name, unitDisplay: display }).format(value);

/** A span of time in its two largest units: "12 min", "3 hr 5 min", "2 days 4 hr". */
export function span(ms, display = "short") {
  const minutes = Math.max(0, Math.floor(ms / 60_000));
  const parts = [[Math.floor(minutes / 1440), "day"], [Math.floor(minutes / 60) % 24, "hour"], [minutes % 60, "minute"]];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return t("span.under", { time: unit(1, "minute", display) }).replace(/[\u2068\u2069]/g, "");
  return parts.slice(first, first + 2).filter(([value]) => value > 0).map(([value, name]) => unit(value, name, display)).join(" ");
}

/** A countdown: 23:41 above an hour (hours, minutes), 9:05 below (minutes, seconds). */
export function countdown(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [big, small] = seconds >= 3600 ? [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60] : [Math.floor(seconds / 60), seconds % 60];
  return `${big}:${String(small).padStart(2, "0")}`;
}

export function fileSize(bytes) {
  if (bytes >= 1_000_000) return unit(Math.round(bytes / 100_000) / 10, "megabyte", "short");
  return unit(Math.max(1, Math.round(bytes / 1000)), "kilobyte", "short");
}

export const list = (words) => formatter("ListFormat", { type: "unit", style: "short" }).format(words);
