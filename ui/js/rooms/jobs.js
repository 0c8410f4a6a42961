// Jobs: what was asked, how it stands, and what came of it, live.
import { ChangeDialog, Confirm, Detail, Facts, Field, Head, html, Json, Pager, Problem, Ref, Select, State, Table, Time, useEffect, useLoad, useNames, useRef, useState, useTick, Uuid } from "ui/kit.js";
import { call, followJobs, get, job as runJob, me, moment, queryString } from "ui/api.js";
import { duration, t } from "ui/words.js";

const STATES = ["queued", "running", "succeeded", "failed", "canceled", "expired"];
const FINAL = new Set(["succeeded", "failed", "canceled", "expired"]);
const SIZE = 50;

function Lasts({ row }) {
  const [, tick] = useState(0);
  const open = !FINAL.has(row.state);
  useTick(1000, () => open && tick((n) => n + 1));
  const begun = moment(row.startedAt || row.acceptedAt);
  const end = moment(row.finishedAt) || (open ? new Date() : null);
  return html`<span>${end ? duration(end - begun) : ""}</span>`;
}

export default function Jobs({ uuid }) {
  const [filter, setFilter] = useState({ state: "", api: "", resource: "", account: "" });
  const [cursors, setCursors] = useState([null]);
  const [rows, setRows] = useState(null);
  const [live, setLive] = useState(false);
  const first = cursors.length === 1;
  const before = cursors[cursors.length - 1];
  const page = useLoad(async () => {
    const found = await get(`/api-jobs${queryString([], { ...filter, before, limit: SIZE })}`);
    setRows(found.inventories);
    return found;
  }, [JSON.stringify(filter), before]);
  const latest = useRef();
  latest.current = { filter, first };
  useEffect(() => followJobs((changed) => {
    const { filter: now, first: top } = latest.current;
    const fits = (!now.state || changed.state === now.state) && (!now.api || changed.api === now.api)
      && (!now.resource || changed.targetUuid === now.resource) && (!now.account || changed.accountUuid === now.account);
    setRows((old) => {
      if (!old) return old;
      const at = old.findIndex((row) => row.uuid === changed.uuid);
      if (at >= 0) return fits ? old.with(at, changed) : old.toSpliced(at, 1);
      return top && fits ? [changed, ...old].slice(0, SIZE) : old;
    });
  }, setLive), []);
  useNames((rows || []).flatMap((row) => [row.targetUuid, row.accountUuid, row.userUuid]));
  const choose = (name) => (value) => { setFilter({ ...filter, [name]: value.trim() }); setCursors([null]); };
  const next = page.value?.next && new URLSearchParams(page.value.next.split("?")[1]).get("before");
  const open = (row) => { location.hash = `#/jobs/all/${row.uuid}`; };
  const columns = [
    { label: t("job.api"), show: (row) => row.api },
    { label: t("state"), show: (row) => html`<${State} value=${row.state} />` },
    { label: t("job.resource"), show: (row) => row.targetUuid && html`<${Ref} uuid=${row.targetUuid} />` },
    { label: t("job.who"), show: (row) => html`<${Ref} uuid=${row.accountUuid} />${row.userUuid !== row.accountUuid && html` / <${Ref} uuid=${row.userUuid} />`}` },
    { label: t("job.accepted"), show: (row) => html`<${Time} value=${row.acceptedAt} />` },
    { label: t("job.lasts"), num: true, show: (row) => html`<${Lasts} row=${row} />` },
  ];
  return html`
    <${Head} title=${t("room.jobs")}><span class=${`live ${live ? "on" : ""}`} data-live=${live ? "on" : "off"}>${live ? t("live") : t("notLive")}</span><//>
    <div class="bar">
      <${Select} label=${t("state")} value=${filter.state} onChange=${choose("state")} options=${[["", t("job.anyState")], ...STATES.map((name) => [name, t(`state.${name}`)])]} />
      <input type="search" placeholder=${t("job.apiHint")} aria-label=${t("job.api")} onChange=${(event) => choose("api")(event.target.value)} />
      <input type="search" placeholder=${t("job.resourceHint")} aria-label=${t("job.resource")} onChange=${(event) => choose("resource")(event.target.value)} />
      ${me.isAdmin && html`<input type="search" placeholder=${t("job.accountHint")} aria-label=${t("account")} onChange=${(event) => choose("account")(event.target.value)} />`}
    </div>
    <${Problem} error=${page.error} />
    <div class=${`split ${uuid ? "open" : ""}`}>
      <${Table} label=${t("room.jobs")} columns=${uuid ? columns.toSpliced(3, 2) : columns} rows=${rows} chosen=${uuid} onOpen=${open} empty=${t("job.none")}
        foot=${(next || !first) && html`<${Pager} busy=${page.busy} number=${cursors.length} more=${next} next=${() => setCursors([...cursors, next])} back=${() => setCursors(cursors.slice(0, -1))} />`} />
      ${uuid && html`<${One} key=${uuid} uuid=${uuid} row=${(rows || []).find((row) => row.uuid === uuid)} />`}
    </div>`;
}

function One({ uuid, row }) {
  const loaded = useLoad(() => get(`/api-jobs/${uuid}/details`), [uuid, row?.state]);
  const deliveries = useLoad(() => get(`/api-jobs/${uuid}/deliveries`).catch(() => ({})), [uuid, row?.state]);
  const [asking, setAsking] = useState("");
  const close = () => { location.hash = "#/jobs"; };
  const found = loaded.value?.inventory;
  useNames(found ? [found.targetUuid, found.accountUuid, found.userUuid] : []);
  if (loaded.error) return html`<${Detail} title=${t("job.one")} onClose=${close}><section><${Problem} error=${loaded.error} /></section><//>`;
  if (!found) return html`<${Detail} title=${t("job.one")} onClose=${close}><section class="dim">${t("loading")}</section><//>`;
  const error = found.result?.error;
  const open = !FINAL.has(found.state);
  const steps = [["job.accepted", found.acceptedAt], ["job.started", found.startedAt], [`state.${found.state}`, found.finishedAt]];
  const sent = deliveries.value?.inventories || [];
  return html`<${Detail} title=${found.api} sub=${html`<${State} value=${found.state} />`} onClose=${close}>
    <section class="acts-row">
      ${open && html`<button onClick=${() => setAsking("cancel")}>${t("job.cancel")}</button>`}
      ${found.request && html`<button onClick=${() => setAsking("again")}>${t("job.again")}</button>`}
      ${sent.length > 0 && html`<button onClick=${() => call("POST", `/api-jobs/${uuid}/deliveries/redeliver`, {}).then(deliveries.again, () => {})}>${t("webhook.redeliver")}</button>`}
    </section>
    ${error && html`<section><${Problem} error=${{ code: error.code, message: error.details || error.description }} /></section>`}
    <section><h3>${t("job.timeline")}</h3><ol class="timeline">${steps.filter(([, at]) => at).map(([key, at]) => html`
      <li><span>${t(key)}</span><${Time} value=${at} /></li>`)}</ol></section>
    <section><${Facts} rows=${[
      ["UUID", html`<${Uuid} value=${uuid} />`],
      [t("job.who"), html`<${Ref} uuid=${found.accountUuid} />${found.userUuid !== found.accountUuid && html` / <${Ref} uuid=${found.userUuid} />`}`],
      [t("job.resource"), found.targetUuid && html`<${Ref} uuid=${found.targetUuid} />`],
      [t("job.lasts"), html`<${Lasts} row=${found} />`],
      [t("job.claims"), found.claims > 1 ? found.claims : null],
      [t("job.waitsFor"), found.waitsFor && html`<a href=${`#/jobs/all/${found.waitsFor}`} class="mono">${found.waitsFor.slice(0, 8)}</a>`],
      [t("job.remote"), found.remote],
      [t("job.requestId"), found.requestId],
      [t("webhook.url"), found.webHook],
    ]} /></section>
    ${sent.length > 0 && html`<section><h3>${t("webhook.attempts")}</h3>${sent.flatMap((delivery) => delivery.log).map((attempt) => html`
      <div class="bar"><${State} value=${attempt.outcome} /><${Time} value=${attempt.startDate} /><span class="dim">${attempt.status || attempt.error || ""}</span></div>`)}</section>`}
    ${found.request && html`<section><h3>${t("job.request")}</h3><${Json} value=${found.request} /></section>`}
    ${found.result && !error && html`<section><h3>${t("job.result")}</h3><${Json} value=${found.result} /></section>`}
    ${asking === "cancel" && html`<${Confirm} title=${t("job.cancel")} text=${t("job.cancelText", { api: found.api })} action=${t("job.cancel")}
      change=${() => call("DELETE", `/api-jobs/${uuid}`)} onDone=${loaded.again} onClose=${() => setAsking("")} />`}
    ${asking === "again" && html`<${Again} found=${found} onClose=${() => setAsking("")} />`}
  <//>`;
}

/** The same request under a new uuid. Where it goes is looked up in the API's own document. */
function Again({ found, onClose }) {
  const [text] = useState(JSON.stringify(found.request, null, 2));
  const change = async (values) => {
    const request = JSON.parse(values.request);
    const route = await routeOf(found.api);
    if (route.method === "POST") delete request.resourceUuid; // chosen for what the first call has made
    const path = route.path.replace(/\{(\w+)\}/g, (_, name) => {
      const value = request[name];
      delete request[name];
      return encodeURIComponent(value ?? "");
    });
    const body = route.method === "DELETE" ? undefined : { [route.key]: request };
    runJob(found.api, route.method, path, body).catch(() => {});
  };
  return html`<${ChangeDialog} large title=${t("job.again")} action=${t("job.again")} change=${change} onClose=${onClose}>
    <p class="dim">${t("job.againText", { api: found.api })}</p>
    <${Field} label=${t("job.request")}><textarea class="mono" name="request" rows="12">${text}</textarea><//><//>`;
}

let document_;
async function routeOf(api) {
  document_ ??= get("/openapi.json");
  const { paths } = await document_;
  const key = api[0].toLowerCase() + api.slice(1);
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      if ((operation["x-apis"] || []).includes(api)) {
        return { path, method: method.toUpperCase(), key: method === "put" ? key : "params" };
      }
    }
  }
  throw new Error(t("job.noRoute", { api }));
}
