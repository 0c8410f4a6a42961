// The public API, as any client of it: calls, jobs, queries and streams of events.
const BASE = "/zstack/v1";

/** Who is logged in: {accountUuid, userUuid, isAdmin, csrf, timeZone}; empty before. */
export const me = {};

/** A call that was refused, or a job that failed. */
export class ApiError extends Error {
  constructor(status, error = {}) {
    super(error.details || error.description || `HTTP ${status}`);
    this.status = status;
    this.code = error.code || "";
    this.description = error.description || "";
  }
}

let onEnded = () => {};
export const whenSessionEnds = (callback) => { onEnded = callback; };

async function exchange(path, options = {}) {
  const headers = { ...(options.headers || {}) };
  if (options.method && options.method !== "GET") headers["X-CSRF-Token"] = me.csrf || "";
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let reply;
  try {
    reply = await fetch(path, { method: options.method, body, headers, credentials: "same-origin", signal: options.signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { details: "the service cannot be reached" });
  }
  const text = await reply.text();
  const value = text ? JSON.parse(text) : {};
  if (!reply.ok) {
    const error = new ApiError(reply.status, value.error);
    if (error.code === "ID.1001" && me.csrf) onEnded();
    throw error;
  }
  return value;
}

export const session = {
  show: () => exchange("/ui/session"),
  open: (body) => exchange("/ui/session", { method: "POST", body }),
  renew: () => exchange("/ui/session", { method: "PUT" }),
  close: () => exchange("/ui/session", { method: "DELETE" }),
};

/** One call of an API that answers at once. */
export const call = (method, path, body, options = {}) => exchange(BASE + path, { method, body, ...options });
export const get = (path, options) => call("GET", path, undefined, options);

export const newUuid = () => crypto.randomUUID
  ? crypto.randomUUID().replaceAll("-", "")
  : [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte, i) => (i === 6 ? (byte & 15) | 64 : i === 8 ? (byte & 63) | 128 : byte).toString(16).padStart(2, "0")).join("");

const watchers = new Set();
/** Be told of every job that this page starts: {uuid, title, state, error}. */
export const watchJobs = (callback) => { watchers.add(callback); return () => watchers.delete(callback); };
const tell = (job) => watchers.forEach((callback) => callback({ ...job }));

/** A change: the job is stored, followed to its end, and its result returned. Throws ApiError. */
export async function job(title, method, path, body, headers = {}) {
  const uuid = newUuid();
  await call(method, path, body, { headers: { "X-Job-UUID": uuid, ...headers } });
  const told = { uuid, title, state: "accepted" };
  tell(told);
  try {
    const result = await ended(uuid, (state) => tell(Object.assign(told, { state })));
    tell(Object.assign(told, { state: "succeeded" }));
    return result;
  } catch (error) {
    tell(Object.assign(told, { state: "failed", error: error.message }));
    throw error;
  }
}

/** The result of a job when it has ended. */
export function ended(uuid, onState = () => {}) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(`${BASE}/api-jobs/${uuid}/events`);
    source.addEventListener("running", () => onState("running"));
    const end = (name) => source.addEventListener(name, (event) => {
      source.close();
      const body = JSON.parse(event.data || "{}");
      if (name === "succeeded") resolve(body);
      else reject(new ApiError(503, body.error || { details: name }));
    });
    ["succeeded", "failed", "canceled"].forEach(end);
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) reject(new ApiError(0, { details: "the job cannot be followed" }));
    };
  });
}

/** The account's jobs as they come and change, while the page is looked at. Returns what ends it. */
export function followJobs(onJob, onOpen = () => {}) {
  let source = null;
  let last = "";
  const close = () => { source?.close(); source = null; };
  const open = () => {
    if (source || document.hidden) return;
    source = new EventSource(`${BASE}/api-jobs/events${last && `?lastEventId=${last}`}`);
    source.addEventListener("job", (event) => { last = event.lastEventId; onJob(JSON.parse(event.data)); });
    source.onopen = () => onOpen(true);
    source.onerror = () => onOpen(false);
  };
  // A browser has few connections for a host: pages that nobody looks at hold none.
  const turn = () => (document.hidden ? close() : open());
  document.addEventListener("visibilitychange", turn);
  open();
  return () => { document.removeEventListener("visibilitychange", turn); close(); };
}

/** The query string of a query API: conditions as ["name=x"], and other parameters. */
export function queryString(conditions = [], parameters = {}) {
  const search = new URLSearchParams();
  conditions.filter(Boolean).forEach((condition) => search.append("q", condition));
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") search.set(name, value);
  }
  const text = search.toString();
  return text ? `?${text}` : "";
}

/** The rows of a query API. */
export const query = async (path, conditions, parameters, options) =>
  (await get(path + queryString(conditions, parameters), options)).inventories || [];

const names = new Map();
/** Names of resources by uuid, as far as one may see them; kept for as long as the page is open. */
export async function namesOf(uuids) {
  const wanted = [...new Set(uuids.filter((uuid) => /^[0-9a-f]{32}$/.test(uuid || "") && !names.has(uuid)))];
  for (let at = 0; at < wanted.length; at += 40) {
    const part = wanted.slice(at, at + 40);
    const text = part.map((uuid) => `uuids=${uuid}`).join("&");
    try {
      const found = (await get(`/resources/names?${text}`)).inventories || [];
      found.forEach((entry) => names.set(entry.uuid, entry.resourceName || entry.name));
    } catch { /* a user without the right sees uuids */ }
    part.forEach((uuid) => { if (!names.has(uuid)) names.set(uuid, ""); });
  }
  return names;
}
export const nameOf = (uuid) => names.get(uuid) || "";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const ZSTACK = /^(\w{3}) (\d+), (\d{4}),? (\d+):(\d+):(\d+)\s([AP]M)$/;
/** The moment that a date of the API names: ISO 8601, or ZStack's form in the server's zone. */
export function moment(text) {
  if (text === undefined || text === null || text === "") return null;
  if (typeof text === "number") return new Date(text);
  const found = ZSTACK.exec(text);
  if (!found) return new Date(text);
  const [, month, day, year, hour, minute, second, half] = found;
  const hours = (Number(hour) % 12) + (half === "PM" ? 12 : 0);
  const utc = Date.UTC(Number(year), MONTHS.indexOf(month), Number(day), hours, Number(minute), Number(second));
  return new Date(utc - offsetOf(me.timeZone || "UTC", utc));
}

/** A value as conditions of queries take it: a date in another form, in the same zone. */
export function conditionValue(value) {
  const found = ZSTACK.exec(value);
  if (!found) return value;
  const [, month, day, year, hour, minute, second, half] = found;
  const two = (number) => String(number).padStart(2, "0");
  const hours = (Number(hour) % 12) + (half === "PM" ? 12 : 0);
  return `${year}-${two(MONTHS.indexOf(month) + 1)}-${two(day)} ${two(hours)}:${minute}:${second}`;
}

function offsetOf(zone, utc) {
  if (zone === "UTC") return 0;
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric",
    hour: "numeric", minute: "numeric", second: "numeric",
  }).formatToParts(new Date(utc));
  const at = Object.fromEntries(parts.map((part) => [part.type, Number(part.value)]));
  return Date.UTC(at.year, at.month - 1, at.day, at.hour, at.minute, at.second) - utc;
}
