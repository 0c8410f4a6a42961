// The parts that every room is made of.
import { h, render } from "preact";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import htm from "htm";
import { conditionValue, moment, nameOf, namesOf, query } from "ui/api.js";
import { fullTime, shortTime, t } from "ui/words.js";

export { render, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState };
export const html = htm.bind(h);

const GOOD = new Set(["succeeded", "Succeeded", "delivered", "Running", "Enabled", "Ready", "Connected", "Bound", "success", "ok"]);
const BAD = new Set(["failed", "Failed", "dead", "gone", "Error", "Disconnected", "Destroyed", "refused", "open"]);
const BUSY = new Set(["running", "accepted", "pending", "Starting", "Stopping", "Rebooting", "Waiting", "Connecting", "Creating", "Destroying", "Pausing", "Resuming", "Expunging"]);
const WARN = new Set(["queued", "canceled", "Canceled", "Disabled", "Unknown", "Paused", "Missed", "Skipped", "expired"]);

export function State({ value, label }) {
  const kind = GOOD.has(value) ? "good" : BAD.has(value) ? "bad" : BUSY.has(value) ? "busy" : WARN.has(value) ? "warn" : "";
  return html`<span class=${`state ${kind}`} data-state=${value}>${label || (t(`state.${value}`) === `state.${value}` ? value : t(`state.${value}`))}</span>`;
}

export function Time({ value }) {
  const date = moment(value);
  return date ? html`<time datetime=${date.toISOString()} title=${fullTime(date)}>${shortTime(date)}</time>` : null;
}

/** A uuid, short, with the name when it is known. */
export function Ref({ uuid, name, href }) {
  if (!uuid) return html`<span class="dim">–</span>`;
  const text = name || nameOf(uuid);
  const shown = text || html`<span class="mono">${uuid.slice(0, 8)}</span>`;
  return href ? html`<a class="plain" href=${href} title=${uuid}>${shown}</a>` : html`<span title=${uuid}>${shown}</span>`;
}

export function Uuid({ value }) {
  const [copied, setCopied] = useState(false);
  if (!value) return null;
  const copy = () => {
    navigator.clipboard?.writeText(value);
    setCopied(true);
    setTimeout(() => setCopied(false), 1200);
  };
  return html`<span class="mono">${value}</span> <button class="quiet small" onClick=${copy} aria-label=${`${t("copy")} ${value}`}>${copied ? t("copied") : t("copy")}</button>`;
}

export const Note = ({ kind = "bad", children }) => html`<div class=${`note ${kind}`} role=${kind === "bad" ? "alert" : "status"}>${children}</div>`;
export const Problem = ({ error }) => error ? html`<${Note}><b>${error.code}</b> ${error.message}<//>` : null;

/** What an asynchronous function gives, and again when `again()` is called or something it depends on changes. */
export function useLoad(load, depends = []) {
  const [state, setState] = useState({ value: undefined, error: null, busy: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let alive = true;
    setState((before) => ({ ...before, busy: true }));
    load().then(
      (value) => alive && setState({ value, error: null, busy: false }),
      (error) => alive && setState((before) => ({ ...before, error, busy: false })),
    );
    return () => { alive = false; };
  }, [...depends, turn]);
  return { ...state, again: useCallback(() => setTurn((n) => n + 1), []) };
}

/** Calls back every so often while the page is looked at. */
export function useTick(ms, callback) {
  const latest = useRef(callback);
  latest.current = callback;
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden) latest.current(); }, ms);
    return () => clearInterval(timer);
  }, [ms]);
}

export function useNames(uuids) {
  const [, setKnown] = useState(0);
  const key = uuids.filter(Boolean).join();
  useEffect(() => {
    let alive = true;
    namesOf(uuids).then(() => alive && setKnown((n) => n + 1));
    return () => { alive = false; };
  }, [key]);
}

/**
 * A table. Columns: {key, label, num, wide, show(row)}. With `onOpen`, the first column's text opens the row.
 */
export function Table({ columns, rows, chosen, onOpen, keyOf = (row) => row.uuid, empty, label, foot, busy }) {
  return html`<div class="panel">
    <div class="scroll" tabindex="0" role="region" aria-label=${label}>
      <table class="stacks">
        <caption class="sr">${label}</caption>
        <thead><tr>${columns.map((column) => html`<th scope="col" class=${column.num ? "num" : ""}>${column.label || html`<span class="sr">${t("actions")}</span>`}</th>`)}</tr></thead>
        <tbody>${(rows || []).map((row) => html`<tr key=${keyOf(row)} class=${chosen === keyOf(row) ? "chosen" : ""} data-row=${keyOf(row)}>
          ${columns.map((column, at) => {
            const value = column.show ? column.show(row) : row[column.key];
            const shown = at === 0 && onOpen
              ? html`<a class="plain" href="#" onClick=${(event) => { event.preventDefault(); onOpen(row); }}>${value || "–"}</a>`
              : value;
            return html`<td class=${[column.num && "num", column.wide && "wide"].filter(Boolean).join(" ")} data-label=${column.label}>${shown}</td>`;
          })}</tr>`)}</tbody>
      </table>
    </div>
    ${rows && !rows.length && html`<div class="empty">${empty || t("nothing")}</div>`}
    ${!rows && html`<div class="empty">${busy === false ? "" : t("loading")}</div>`}
    ${foot}
  </div>`;
}

const SIZE = 50;
/**
 * The rows of a query API, a page at a time by keyset: the next page begins at the last row's moment, after as many
 * rows as were shown of that moment, so a page costs the same wherever it is.
 */
export function usePages(path, conditions = [], { sort = "createDate", size = SIZE } = {}) {
  const [cursors, setCursors] = useState([null]);
  const key = JSON.stringify([path, conditions]);
  const known = useRef(key);
  let at = cursors;
  if (known.current !== key) { known.current = key; at = [null]; }
  const cursor = at[at.length - 1];
  const place = key + JSON.stringify(cursor);
  const page = useLoad(async () => {
    const bound = cursor ? [`${sort}<=${conditionValue(cursor.value)}`] : [];
    const rows = await query(path, [...conditions, ...bound], { sort: `-${sort}`, limit: size + 1, start: cursor?.skip || undefined });
    return { rows: rows.slice(0, size), more: rows.length > size, place };
  }, [place]);
  const rows = page.value?.rows;
  const next = () => {
    const last = rows[rows.length - 1][sort];
    const same = rows.filter((row) => row[sort] === last).length;
    const skip = same + (cursor && cursor.value === last ? cursor.skip : 0);
    setCursors([...at, { value: last, skip }]);
  };
  const back = () => setCursors(at.slice(0, -1));
  const number = at.length;
  const foot = rows && (page.value.more || number > 1) && html`<${Pager} number=${number} more=${page.value.more} next=${next} back=${back} busy=${page.busy || page.value.place !== place} />`;
  return { rows, error: page.error, again: page.again, foot };
}

export const Pager = ({ number, more, next, back, busy }) => html`<div class="pager" data-page=${number} aria-busy=${busy ? "true" : "false"}>
  <span>${t("page", { number })}</span><span class="grow"></span>
  <button class="small" disabled=${busy || number < 2} onClick=${back}>${t("newer")}</button>
  <button class="small" disabled=${busy || !more} onClick=${next}>${t("older")}</button></div>`;

export function Dialog({ title, large, onClose, onSubmit, action, children, danger, error, busy }) {
  const box = useRef();
  useLayoutEffect(() => { box.current.showModal(); }, []);
  const submit = (event) => { event.preventDefault(); onSubmit?.(Object.fromEntries(new FormData(event.target)), event.target); };
  return html`<dialog ref=${box} class=${large ? "large" : ""} aria-label=${title} onClose=${onClose} onCancel=${onClose}>
    <form onSubmit=${submit}>
      <header><h2>${title}</h2></header>
      <div class="body">${children}<${Problem} error=${error} /></div>
      <footer><button type="button" onClick=${() => box.current.close()}>${onSubmit ? t("cancel") : t("close")}</button>
      ${onSubmit && html`<button class=${danger ? "danger" : "main-action"} disabled=${busy}>${action || t("save")}</button>`}</footer>
    </form></dialog>`;
}

/** A dialog whose submission is a change; it closes when that has succeeded. */
export function ChangeDialog({ change, onDone, onClose, ...rest }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (values, form) => {
    setBusy(true);
    setError(null);
    try {
      const result = await change(values, form);
      onDone?.(result);
      onClose();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return html`<${Dialog} ...${rest} onSubmit=${submit} onClose=${onClose} error=${error} busy=${busy} />`;
}

/** Asks before something that cannot be undone. */
export const Confirm = ({ text, ...rest }) => html`<${ChangeDialog} danger ...${rest}><p>${text}</p><//>`;

export function Field({ label, name, hint, type = "text", value, children, required, ...rest }) {
  const input = children || (type === "textarea"
    ? html`<textarea name=${name} required=${required} ...${rest}>${value || ""}</textarea>`
    : html`<input name=${name} type=${type} defaultValue=${value ?? ""} required=${required} autocomplete="off" ...${rest} />`);
  return html`<label class="field"><span>${label}</span>${input}${hint && html`<span class="hint">${hint}</span>`}</label>`;
}

export function Select({ name, options, value, label, onChange, ...rest }) {
  return html`<select name=${name} aria-label=${label} onChange=${onChange && ((event) => onChange(event.target.value))} ...${rest}>
    ${options.map((option) => {
      const [key, text] = Array.isArray(option) ? option : [option, option];
      return html`<option value=${key} selected=${key === value}>${text}</option>`;
    })}</select>`;
}

export function Tabs({ room, tab, tabs }) {
  return html`<nav class="tabs" aria-label=${t(`room.${room}`)}>${tabs.map((name) => html`
    <a href=${`#/${room}/${name}`} aria-current=${name === tab ? "page" : null}>${t(`tab.${name}`)}</a>`)}</nav>`;
}

export function Head({ title, children }) {
  return html`<div class="head"><h1>${title}</h1><span class="grow"></span>${children}</div>`;
}

/** The pane beside a list. */
export function Detail({ title, sub, onClose, children }) {
  const box = useRef();
  useEffect(() => { box.current?.focus({ preventScroll: true }); }, [title]);
  const keys = (event) => { if (event.key === "Escape") onClose(); };
  return html`<aside class="panel detail" aria-label=${title} tabindex="-1" ref=${box} onKeyDown=${keys}>
    <header><div class="grow"><h2>${title}</h2>${sub && html`<div class="dim">${sub}</div>`}</div>
      <button class="quiet small" onClick=${onClose} aria-label=${t("close")}>✕</button></header>${children}</aside>`;
}

export const Facts = ({ rows }) => html`<dl>${rows.filter((row) => row && row[1] !== undefined && row[1] !== null && row[1] !== "")
  .map(([label, value]) => html`<dt>${label}</dt><dd>${value}</dd>`)}</dl>`;

export const Json = ({ value }) => html`<pre tabindex="0">${JSON.stringify(value, null, 2)}</pre>`;

export const Search = ({ value, onInput, label }) => {
  const timer = useRef();
  const later = (event) => {
    const text = event.target.value;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onInput(text.trim()), 250);
  };
  return html`<input type="search" placeholder=${label} aria-label=${label} defaultValue=${value} onInput=${later} />`;
};

/** The condition that finds names with this text in them. */
export const nameLike = (text) => (text ? `name~=%${text}%` : "");

/** Text for a spreadsheet: a cell that would be read as a formula is held back. */
export function saveCsv(name, rows) {
  const cell = (value) => {
    const text = String(value ?? "");
    const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const text = `\ufeff${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
