// The frame: who is logged in, which room is shown, and the jobs that this page has started.
import { html, render, State, useEffect, useLoad, useState, Field, Note, Problem } from "ui/kit.js";
import { ApiError, me, nameOf, namesOf, session, watchJobs, whenSessionEnds } from "ui/api.js";
import { isDark, language, setLanguage, setTheme, t } from "ui/words.js";

const ICONS = {
  jobs: "M3 4h10M3 8h10M3 12h6",
  compute: "M2.5 3.5h11v4h-11zM2.5 8.5h11v4h-11zM5 5.5h.01M5 10.5h.01",
  identity: "M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM3 13.5c.4-2.6 2.4-4 5-4s4.6 1.4 5 4",
  webhooks: "M6 6.5 4 10.5M8 4.5l3 5M5.5 11.5h5M8 4.5a1.5 1.5 0 1 0-.01 0M4 13a1.5 1.5 0 1 0-.01 0M12 13a1.5 1.5 0 1 0-.01 0",
  quotas: "M3 13V8M8 13V3M13 13V6",
  scheduler: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 5v3l2 1.5",
  bills: "M4 2.5h8v11l-2-1.2-2 1.2-2-1.2-2 1.2zM6 6h4M6 9h4",
  directory: "M8 2.5v3M4 10v-2h8v2M8 5.5V10M3 10.5h2v2.5H3zM7 10.5h2v2.5H7zM11 10.5h2v2.5h-2z",
  health: "M2 8.5h3l1.5-4 3 7.5 1.5-3.5h3",
};
const ROOMS = Object.keys(ICONS);
const OPERATORS = ["directory", "health"];

const place = () => {
  const [room, tab, uuid] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  return { room: ROOMS.includes(room) ? room : "jobs", tab: tab || "", uuid: uuid || "" };
};

function Switches({ small }) {
  const [dark, setDark] = useState(isDark());
  const turn = () => { setTheme(dark ? "light" : "dark"); setDark(!dark); };
  return html`<div class=${small ? "row" : "bottom"}>
    <button class="quiet small" type="button" lang=${language === "zh" ? "en" : "zh-CN"} onClick=${() => setLanguage(language === "zh" ? "en" : "zh")}>${language === "zh" ? "English" : "中文"}</button>
    <button class="quiet small" type="button" onClick=${turn}>${dark ? t("light") : t("dark")}</button>
  </div>`;
}

function Login({ onOpen, ended }) {
  const [kind, setKind] = useState("account");
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.target));
    const body = kind === "account" ? { accountName: given.account, password: given.password }
      : kind === "user" ? { accountName: given.account, userName: given.user, password: given.password }
      : { uid: given.user, password: given.password };
    setBusy(true);
    try {
      onOpen(await session.open({ as: kind, ...body }));
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return html`<main class="login"><form class="panel card-login" onSubmit=${submit}>
    <h1 class="brand"><span class="mark" aria-hidden="true"></span>zstack-mgmt</h1>
    ${ended && !error && html`<${Note} kind="warn">${t("login.ended")}<//>`}
    <div class="segments" role="group" aria-label=${t("login.as")}>${["account", "user", "ldap"].map((name) => html`
      <button type="button" aria-pressed=${name === kind ? "true" : "false"} onClick=${() => setKind(name)}>${t(`login.${name}`)}</button>`)}</div>
    ${kind !== "ldap" && html`<${Field} key="account" label=${t("account")} name="account" required autocomplete="organization" />`}
    ${kind !== "account" && html`<${Field} key="user" label=${t("user")} name="user" required autocomplete="username" />`}
    <${Field} label=${t("password")} name="password" type="password" required autocomplete="current-password" />
    <${Problem} error=${error} />
    <button class="main-action" disabled=${busy}>${t("login.go")}</button>
    <${Switches} />
  </form></main>`;
}

function Toasts() {
  const [jobs, setJobs] = useState([]);
  useEffect(() => watchJobs((job) => {
    setJobs((before) => [...before.filter((one) => one.uuid !== job.uuid), job].slice(-4));
    if (job.state === "succeeded") setTimeout(() => setJobs((before) => before.filter((one) => one.uuid !== job.uuid)), 4000);
  }), []);
  const close = (uuid) => setJobs((before) => before.filter((one) => one.uuid !== uuid));
  return html`<div class="toasts" role="status" aria-live="polite">${jobs.map((job) => html`
    <div class="panel toast" key=${job.uuid}><${State} value=${job.state} />
      <div class="grow"><a href=${`#/jobs/all/${job.uuid}`}>${job.title}</a>${job.error && html`<div class="dim">${job.error}</div>`}</div>
      <button class="quiet small" onClick=${() => close(job.uuid)} aria-label=${t("close")}>✕</button></div>`)}</div>`;
}

/** Renews the session now and then while somebody uses the page; one that is left alone ends in its time. */
function useRenewal() {
  useEffect(() => {
    let last = Date.now();
    const used = () => {
      if (Date.now() - last < me.renewAfterS * 1000) return;
      last = Date.now();
      session.renew().catch(() => {}); // one that may not be renewed ends in its time
    };
    const signs = ["keydown", "pointerdown", "hashchange"];
    signs.forEach((name) => addEventListener(name, used));
    return () => signs.forEach((name) => removeEventListener(name, used));
  }, []);
}

const rooms = new Map();
function Room({ at }) {
  const loaded = useLoad(async () => {
    if (!rooms.has(at.room)) rooms.set(at.room, (await import(`ui/rooms/${at.room}.js`)).default);
    return at.room;
  }, [at.room]);
  const View = rooms.get(at.room);
  if (loaded.error) return html`<${Problem} error=${loaded.error} />`;
  if (!View) return html`<div class="empty">${t("loading")}</div>`;
  return html`<${View} key=${at.room} tab=${at.tab} uuid=${at.uuid} />`;
}

function Frame({ onClose }) {
  const [at, setAt] = useState(place());
  const [open, setOpen] = useState(false);
  useRenewal();
  useEffect(() => {
    const moved = () => { setAt(place()); setOpen(false); };
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  useEffect(() => { document.title = `${t(`room.${at.room}`)} · zstack-mgmt`; }, [at.room]);
  const who = useLoad(() => namesOf([me.accountUuid, me.userUuid]), []);
  const account = nameOf(me.accountUuid) || me.accountUuid.slice(0, 8);
  const user = me.userUuid !== me.accountUuid && (nameOf(me.userUuid) || me.userUuid.slice(0, 8));
  return html`<div class="frame">
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>${t("skip")}</a>
    <div class=${`side ${open ? "open" : ""}`}>
      <a class="brand" href="#/jobs"><span class="mark" aria-hidden="true"></span>zstack-mgmt</a>
      <nav aria-label=${t("rooms")}>${ROOMS.filter((room) => me.isAdmin || !OPERATORS.includes(room)).map((room) => html`
        <a href=${`#/${room}`} aria-current=${room === at.room ? "page" : null}>
          <svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d=${ICONS[room]} /></svg>${t(`room.${room}`)}</a>`)}</nav>
      <div class="foot">
        <a href="/docs">${t("docs")}</a>
        <div><div class="who" data-who>${user ? `${account} / ${user}` : account}</div>${me.isAdmin && html`<span class="dim">${t("operator")}</span>`}</div>
        <div class="row"><button class="small" onClick=${onClose}>${t("logout")}</button></div>
        <${Switches} small />
      </div>
    </div>
    <main class="main" id="main" tabindex="-1" onClick=${() => open && setOpen(false)}>
      <button class="menu-button" aria-expanded=${open ? "true" : "false"} onClick=${(event) => { event.stopPropagation(); setOpen(!open); }}>☰ ${t("rooms")}</button>
      <${Room} at=${at} />
    </main>
    <${Toasts} />
  </div>`;
}

function Page({ found }) {
  const [who, setWho] = useState(found);
  const [ended, setEnded] = useState(Boolean(found.ended));
  const enter = (value) => { Object.assign(me, value); setWho(value); };
  const leave = async (byHand) => {
    if (byHand) await session.close().catch(() => {});
    Object.keys(me).forEach((name) => delete me[name]);
    setEnded(!byHand);
    setWho({});
  };
  whenSessionEnds(() => leave(false));
  return who.csrf ? html`<${Frame} onClose=${() => leave(true)} />` : html`<${Login} onOpen=${enter} ended=${ended} />`;
}

const root = document.getElementById("app");
let found = {};
try {
  found = await session.show();
} catch (error) {
  if (!(error instanceof ApiError)) throw error;
}
Object.assign(me, found.csrf ? found : {});
root.replaceChildren();
render(html`<${Page} found=${found} />`, root);
