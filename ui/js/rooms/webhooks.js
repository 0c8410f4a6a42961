// Webhooks: receivers and their breakers, deliveries with every attempt, the signing secret, a test.
import { ChangeDialog, Detail, Facts, Field, Head, html, Note, Pager, Problem, Ref, Select, State, Table, Tabs, Time, useLoad, useNames, useState, useTick } from "ui/kit.js";
import { call, get, job, me, queryString } from "ui/api.js";
import { duration, t } from "ui/words.js";

const TABS = ["receivers", "deliveries", "secret"];
const SIZE = 50;
const deliveriesOf = (receiver) => `#/webhooks/deliveries/${encodeURIComponent(`@${receiver}`)}`;

function Test({ onClose, onDone }) {
  const change = (values) => job("SendTestWebhook", "POST", "/webhooks/tests", { params: {} }, { "X-Web-Hook": values.url });
  return html`<${ChangeDialog} title=${t("webhook.test")} action=${t("webhook.send")} change=${change} onDone=${onDone} onClose=${onClose}>
    <p class="dim">${t("webhook.testText")}</p><${Field} label="URL" name="url" type="url" required placeholder="https://example.com/hook" /><//>`;
}

function Since({ receiver, onClose, onDone }) {
  const [told, setTold] = useState(null);
  const hour = new Date(Date.now() - 86400000 - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  const change = async (values) => {
    let sum = 0;
    for (let more = true; more;) {
      const found = await call("POST", "/webhooks/redeliveries", { params: { since: new Date(values.since).toISOString(), receiver: receiver || undefined } });
      sum += found.redelivered;
      more = found.more;
    }
    setTold(sum);
    onDone();
    return new Promise(() => {});
  };
  if (told !== null) return html`<${ChangeDialog} title=${t("webhook.redeliverAll")} action=${t("close")} change=${async () => {}} onClose=${onClose}><${Note} kind="good">${t("webhook.redelivered", { count: told })}<//><//>`;
  return html`<${ChangeDialog} title=${t("webhook.redeliverAll")} action=${t("webhook.redeliver")} change=${change} onClose=${onClose}>
    <p class="dim">${receiver || t("webhook.every")}</p><${Field} label=${t("webhook.since")} name="since" type="datetime-local" value=${hour} required /><//>`;
}

function Receivers() {
  const list = useLoad(() => get("/webhooks/receivers"), []);
  const [asking, setAsking] = useState(null);
  useTick(3000, list.again);
  const rows = list.value?.inventories;
  useNames((rows || []).map((row) => row.accountUuid));
  const columns = [
    { label: t("webhook.url"), show: (row) => html`<a class="plain" href=${deliveriesOf(row.receiver)}>${row.receiver}</a>` },
    { label: t("webhook.breaker"), show: (row) => html`<${State} value=${row.breaker === "open" ? "open" : "ok"} label=${t(`webhook.${row.breaker}`)} />` },
    ...(me.isAdmin ? [{ label: t("account"), show: (row) => html`<${Ref} uuid=${row.accountUuid} />` }] : []),
    { label: t("webhook.failures"), num: true, show: (row) => row.failures }, { label: t("state.pending"), num: true, show: (row) => row.pending },
    { label: t("state.delivered"), num: true, show: (row) => row.delivered }, { label: t("webhook.failed"), num: true, show: (row) => row.failed },
    { label: t("webhook.probe"), show: (row) => html`<${Time} value=${row.probeDate} />` }, { label: t("webhook.last"), show: (row) => html`<${Time} value=${row.lastDate} />` },
    { label: "", show: (row) => html`<span class="acts"><button class="small" onClick=${() => setAsking({ receiver: row.receiver })}>${t("webhook.redeliver")}</button></span>` }];
  return html`<${Head} title=${t("room.webhooks")}><button onClick=${() => setAsking({ receiver: "" })}>${t("webhook.redeliverAll")}</button><button class="main-action" onClick=${() => setAsking({ test: true })}>${t("webhook.test")}</button><//>
    <${Tabs} room="webhooks" tab="receivers" tabs=${TABS} /><${Problem} error=${list.error} />
    <${Table} label=${t("tab.receivers")} rows=${rows} columns=${columns} keyOf=${(row) => row.accountUuid + row.receiver} empty=${t("webhook.none")} busy=${!list.error} />
    ${asking?.test && html`<${Test} onClose=${() => setAsking(null)} onDone=${list.again} />`}
    ${asking && !asking.test && html`<${Since} receiver=${asking.receiver} onClose=${() => setAsking(null)} onDone=${list.again} />`}`;
}

function Deliveries({ uuid }) {
  const receiver = uuid.startsWith("@") ? uuid.slice(1) : "";
  const chosen = receiver ? "" : uuid;
  const [state, setState] = useState("");
  const [cursors, setCursors] = useState([null]);
  const before = cursors[cursors.length - 1];
  const list = useLoad(() => get(`/webhooks/deliveries${queryString([], { state, receiver, before, limit: SIZE })}`), [state, receiver, before]);
  useTick(3000, list.again);
  const rows = list.value?.inventories;
  const redeliver = (row) => call("POST", `/api-jobs/${row.jobUuid}/deliveries/redeliver`, {}).then(list.again, list.again);
  const columns = [
    { label: "URL", show: (row) => html`<span class="clip">${row.url}</span>` }, { label: t("state"), show: (row) => html`<${State} value=${row.state} />` },
    { label: t("webhook.attempts"), num: true, show: (row) => row.attempts }, { label: t("webhook.answer"), show: (row) => row.lastStatus || row.lastError || "" },
    { label: t("webhook.next"), show: (row) => html`<${Time} value=${row.nextDate} />` }, { label: t("created"), show: (row) => html`<${Time} value=${row.createDate} />` },
    { label: "", show: (row) => html`<span class="acts"><button class="small" onClick=${() => redeliver(row)}>${t("webhook.redeliver")}</button></span>` }];
  return html`<${Head} title=${t("room.webhooks")}><//><${Tabs} room="webhooks" tab="deliveries" tabs=${TABS} />
    <div class="bar"><${Select} label=${t("state")} value=${state} onChange=${(value) => { setState(value); setCursors([null]); }} options=${[["", t("job.anyState")], ...["pending", "delivered", "dead", "gone"].map((one) => [one, t(`state.${one}`)])]} />
      ${receiver && html`<span class="tag">${receiver}</span><a href="#/webhooks/deliveries">${t("all")}</a>`}</div>
    <${Problem} error=${list.error} />
    <div class=${`split ${chosen ? "open" : ""}`}>
      <${Table} label=${t("tab.deliveries")} rows=${rows} columns=${columns} keyOf=${(row) => row.jobUuid} chosen=${chosen} onOpen=${(row) => { location.hash = `#/webhooks/deliveries/${row.jobUuid}`; }} busy=${!list.error}
        foot=${rows && (rows.length === SIZE || before) && html`<${Pager} busy=${list.busy} number=${cursors.length} more=${rows.length === SIZE} next=${() => setCursors([...cursors, rows[rows.length - 1].id])} back=${() => setCursors(cursors.slice(0, -1))} />`} />
      ${chosen && html`<${One} key=${chosen} uuid=${chosen} />`}
    </div>`;
}

function One({ uuid }) {
  const found = useLoad(() => get(`/api-jobs/${uuid}/deliveries`), [uuid]);
  useTick(3000, found.again);
  const close = () => { location.hash = "#/webhooks/deliveries"; };
  const row = found.value?.inventories?.[0];
  if (!row) return html`<${Detail} title=${t("webhook.delivery")} onClose=${close}><section><${Problem} error=${found.error} /></section><//>`;
  return html`<${Detail} title=${row.url} sub=${html`<${State} value=${row.state} />`} onClose=${close}>
    <section class="acts-row"><button onClick=${() => call("POST", `/api-jobs/${uuid}/deliveries/redeliver`, {}).then(found.again, found.again)}>${t("webhook.redeliver")}</button></section>
    <section><${Facts} rows=${[["webhook-id", html`<span class="mono">${row.id}</span>`], [t("job.one"), html`<a class="mono" href=${`#/jobs/all/${uuid}`}>${uuid.slice(0, 8)}</a>`], [t("webhook.next"), row.nextDate && html`<${Time} value=${row.nextDate} />`]]} /></section>
    <section><h3>${t("webhook.attempts")}</h3>${[...row.log].reverse().map((one) => html`<div class="stack">
      <div class="bar"><${State} value=${one.outcome} /><b>${one.status || one.error || ""}</b><span class="grow"></span><span class="dim">${duration(one.durationMs)}</span><${Time} value=${one.startDate} /></div>
      ${one.reply && html`<pre tabindex="0">${one.reply}</pre>`}</div>`)}</section><//>`;
}

function Secret() {
  const found = useLoad(() => get("/webhooks/secret"), []);
  const [asking, setAsking] = useState(false);
  const [shown, setShown] = useState("");
  const now = found.value?.inventory;
  const rotate = async (values) => {
    const made = await call("POST", "/webhooks/secret/rotations", { params: { overlapSeconds: Number(values.overlap) * 3600 } });
    setShown(made.inventory.secret);
    found.again();
  };
  return html`<${Head} title=${t("room.webhooks")}><button class="main-action" onClick=${() => setAsking(true)}>${t("webhook.rotate")}</button><//><${Tabs} room="webhooks" tab="secret" tabs=${TABS} />
    <${Problem} error=${found.error} />
    <div class="stack">${shown && html`<${Note} kind="warn"><p>${t("shownOnce")}</p><code data-secret>${shown}</code><//>`}
    <div class="panel pad">${now ? html`<${Facts} rows=${[["UUID", html`<span class="mono">${now.uuid}</span>`], [t("created"), html`<${Time} value=${now.createDate} />`], [t("webhook.read"), now.readDate ? html`<${Time} value=${now.readDate} />` : t("none")],
      ...now.older.map((old) => [t("webhook.older"), html`<span class="mono">${old.uuid.slice(0, 8)}</span> → <${Time} value=${old.endDate} />`])]} />` : html`<span class="dim">${t("webhook.noSecret")}</span>`}</div></div>
    ${asking && html`<${ChangeDialog} title=${t("webhook.rotate")} action=${t("webhook.rotate")} change=${rotate} onClose=${() => setAsking(false)}>
      <p class="dim">${t("webhook.rotateText")}</p><${Field} label=${t("webhook.overlap")} name="overlap" type="number" min="0" max="168" value="24" /><//>`}`;
}

export default function Webhooks({ tab, uuid }) {
  if (tab === "deliveries") return html`<${Deliveries} key=${uuid.startsWith("@") ? uuid : ""} uuid=${uuid} />`;
  return tab === "secret" ? html`<${Secret} />` : html`<${Receivers} />`;
}
