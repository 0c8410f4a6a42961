// The scheduler: when things are due next, what is done, and what came of it.
import { ChangeDialog, Detail, Facts, Field, Head, html, Problem, Ref, Select, State, Table, Tabs, Time, useEffect, useLoad, useNames, useState, useTick } from "ui/kit.js";
import { deleting, Listing, naming, renaming } from "ui/listing.js";
import { get, job, moment, query, queryString } from "ui/api.js";
import { fullTime, language, t } from "ui/words.js";

const TABS = ["calendar", "jobs", "triggers"];
const TYPES = ["startVm", "stopVm", "rebootVm", "volumeSnapshot"];
const DAYS = 21;
const timing = (row) => (row.schedulerType === "cron" ? row.cron : `${t("scheduler.every", { seconds: row.schedulerInterval || 0 })}${row.repeatCount ? ` × ${row.repeatCount}` : ""}`);

/** The next due times of a timing, in the service's own reckoning. */
const preview = async (parameters) => ((await get(`/scheduler/triggers/preview${queryString([], parameters)}`)).dates || []).map(moment);

/** A cron expression, with its next ten times while one types. */
function Cron({ value }) {
  const [text, setText] = useState(value || "0 0 3 * * ?");
  const [found, setFound] = useState({});
  useEffect(() => {
    let alive = true;
    const timer = setTimeout(() => preview({ cron: text, count: 10 }).then((dates) => alive && setFound({ dates }), (error) => alive && setFound({ error })), 200);
    return () => { alive = false; clearTimeout(timer); };
  }, [text]);
  return html`<label class="field"><span>Cron</span><input name="cron" class="mono" value=${text} onInput=${(event) => setText(event.target.value)} aria-describedby="cron-next" />
      <span class="hint">${t("scheduler.cronHint")}</span></label>
    <div id="cron-next" aria-live="polite">${found.error ? html`<${Problem} error=${found.error} />` : html`<ol class="dim" data-next>${(found.dates || []).map((date) => html`<li>${fullTime(date)}</li>`)}</ol>`}</div>`;
}

function NewTrigger({ onClose, onDone }) {
  const [kind, setKind] = useState("cron");
  const change = (values) => job("CreateSchedulerTrigger", "POST", "/scheduler/triggers", { params: kind === "cron"
    ? { name: values.name, schedulerType: "cron", cron: values.cron }
    : { name: values.name, schedulerType: "simple", schedulerInterval: Number(values.interval), repeatCount: Number(values.count) || undefined, startTime: values.start ? Math.floor(new Date(values.start) / 1000) : 0 } });
  return html`<${ChangeDialog} title=${t("scheduler.newTrigger")} action=${t("create")} change=${change} onDone=${onDone} onClose=${onClose}>
    <${Field} label=${t("name")} name="name" required />
    <div class="segments" role="group" aria-label=${t("type")}>${["cron", "simple"].map((one) => html`<button type="button" aria-pressed=${one === kind ? "true" : "false"} onClick=${() => setKind(one)}>${t(`scheduler.${one}`)}</button>`)}</div>
    ${kind === "cron" ? html`<${Cron} />` : html`<${Field} label=${t("scheduler.interval")} name="interval" type="number" min="1" value="3600" required /><${Field} label=${t("scheduler.count")} name="count" type="number" min="0" value="0" hint=${t("scheduler.countHint")} /><${Field} label=${t("scheduler.start")} name="start" type="datetime-local" step="1" hint=${t("scheduler.startHint")} />`}
  <//>`;
}

function NewJob({ onClose, onDone }) {
  const [type, setType] = useState("stopVm");
  const targets = useLoad(async () => (await query(type === "volumeSnapshot" ? "/volumes" : "/vm-instances", [], { limit: 1000, sort: "+name" })).map((row) => [row.uuid, row.name]), [type]);
  const triggers = useLoad(async () => (await query("/scheduler/triggers", [], { limit: 1000 })).map((row) => [row.uuid, `${row.name} (${timing(row)})`]), []);
  const change = async (values) => {
    const made = (await job("CreateSchedulerJob", "POST", "/scheduler/jobs", { params: { name: values.name, type, targetResourceUuid: values.target } })).inventory;
    if (values.trigger) await job("AddSchedulerJobToSchedulerTrigger", "POST", `/scheduler/jobs/${made.uuid}/scheduler/triggers/${values.trigger}`, { params: {} });
  };
  return html`<${ChangeDialog} title=${t("scheduler.newJob")} action=${t("create")} change=${change} onDone=${onDone} onClose=${onClose}>
    <${Field} label=${t("name")} name="name" required />
    <${Field} label=${t("type")}><${Select} value=${type} onChange=${setType} options=${TYPES.map((one) => [one, t(`scheduler.${one}`)])} /><//>
    <${Field} label=${t("scheduler.target")}><${Select} name="target" options=${targets.value || []} required /><//>
    <${Field} label=${t("scheduler.trigger")}><${Select} name="trigger" options=${[["", "–"], ...(triggers.value || [])]} /><//><//>`;
}

function Executions({ row }) {
  const found = useLoad(() => get(`/scheduler/jobs/${row.uuid}/executions?limit=20`), [row.uuid]);
  useTick(2000, found.again);
  return html`<section><h3>${t("scheduler.executions")}</h3>${(found.value?.inventories || []).map((one) => html`<div class="bar" data-execution=${one.state}>
    <${State} value=${one.state} /><${Time} value=${one.dueDate} /><span class="grow"></span>${one.apiJobUuid && html`<a class="mono" href=${`#/jobs/all/${one.apiJobUuid}`}>${one.apiJobUuid.slice(0, 8)}</a>`}
    ${one.details && html`<span class="dim">${one.details}</span>`}</div>`)}
    ${found.value && !found.value.inventories.length && html`<span class="dim">${t("none")}</span>`}<${Problem} error=${found.error} /></section>`;
}

const switching = (event, when) => ({ label: t(`host.${event}`), when: (row) => row.state === when, run: (row) => job("ChangeSchedulerState", "PUT", `/schedulers/${row.uuid}`, { changeSchedulerState: { stateEvent: event } }) });
const SPECS = {
  jobs: {
    path: "/scheduler/jobs", names: (row) => [row.targetResourceUuid, ...row.triggersUuid],
    columns: [{ label: t("name"), show: (row) => row.name }, { label: t("state"), show: (row) => html`<${State} value=${row.state} />` }, { label: t("type"), show: (row) => t(`scheduler.${row.type}`) }, { label: t("scheduler.target"), show: (row) => html`<${Ref} uuid=${row.targetResourceUuid} />` },
      { label: t("scheduler.trigger"), show: (row) => row.triggersUuid.map((uuid) => html`<${Ref} uuid=${uuid} /> `) }],
    facts: (row) => [[t("scheduler.target"), html`<${Ref} uuid=${row.targetResourceUuid} />`]], More: Executions,
    actions: [switching("enable", "Disabled"), switching("disable", "Enabled"),
      { label: t("scheduler.attach"), form: { fields: [{ name: "trigger", label: t("scheduler.trigger"), required: true, options: async () => (await query("/scheduler/triggers", [], { limit: 1000 })).map((row) => [row.uuid, row.name]) }] }, run: (row, values) => job("AddSchedulerJobToSchedulerTrigger", "POST", `/scheduler/jobs/${row.uuid}/scheduler/triggers/${values.trigger}`, { params: {} }) },
      renaming("SchedulerJob", (row) => `/scheduler/jobs/${row.uuid}/actions`), deleting("DeleteSchedulerJob", (row) => `/scheduler/jobs/${row.uuid}`)],
  },
  triggers: {
    path: "/scheduler/triggers", columns: [{ label: t("name"), show: (row) => row.name }, { label: t("type"), show: (row) => t(`scheduler.${row.schedulerType}`) }, { label: t("scheduler.when"), show: (row) => html`<span class="mono">${timing(row)}</span>` }, { label: t("tab.jobs"), num: true, show: (row) => row.jobsUuid.length }, { label: t("created"), show: (row) => html`<${Time} value=${row.createDate} />` }],
    facts: (row) => [[t("scheduler.when"), html`<code>${timing(row)}</code>`], [t("scheduler.start"), row.startTime && html`<${Time} value=${row.startTime} />`]],
    actions: [renaming("SchedulerTrigger", (row) => `/scheduler/triggers/${row.uuid}/actions`), deleting("DeleteSchedulerTrigger", (row) => `/scheduler/triggers/${row.uuid}`)],
  },
};

/** The due times of a trigger from now on, until the end of the calendar. */
async function firesOf(trigger, until) {
  if (trigger.schedulerType === "cron") return (await preview({ cron: trigger.cron, count: 100 })).filter((date) => date <= until);
  const start = moment(trigger.startTime);
  if (!start || !trigger.schedulerInterval) return start && start > new Date() ? [start] : [];
  const step = trigger.schedulerInterval * 1000;
  const stop = Math.min(until, moment(trigger.stopTime) ?? until);
  const first = start > Date.now() ? Number(start) : Number(start) + Math.ceil((Date.now() - start) / step) * step;
  const found = [];
  for (let at = first; at <= stop && found.length < 100; at += step) found.push(new Date(at));
  return found;
}

function Calendar() {
  const today = new Date();
  const first = new Date(today.getFullYear(), today.getMonth(), today.getDate() - ((today.getDay() + 6) % 7));
  const until = new Date(first.getFullYear(), first.getMonth(), first.getDate() + DAYS);
  const found = useLoad(async () => {
    const [triggers, jobs] = await Promise.all([query("/scheduler/triggers", [], { limit: 100 }), query("/scheduler/jobs", ["state=Enabled"], { limit: 1000 })]);
    const used = triggers.filter((trigger) => jobs.some((one) => one.triggersUuid.includes(trigger.uuid)));
    const lists = await Promise.all(used.map(async (trigger) => (await firesOf(trigger, until)).map((at) => ({ at, jobs: jobs.filter((one) => one.triggersUuid.includes(trigger.uuid)) }))));
    return lists.flat().sort((a, b) => a.at - b.at);
  }, []);
  const days = Array.from({ length: DAYS }, (_, i) => new Date(first.getFullYear(), first.getMonth(), first.getDate() + i));
  const locale = language === "zh" ? "zh-CN" : "en-GB";
  const on = (day) => (found.value || []).filter((fire) => fire.at.toDateString() === day.toDateString());
  return html`<${Problem} error=${found.error} /><div class="panel days">
    ${days.slice(0, 7).map((day) => html`<div class="name">${day.toLocaleDateString(locale, { weekday: "short" })}</div>`)}
    ${days.map((day) => { const fires = on(day); return html`<div class=${day.toDateString() === today.toDateString() ? "today" : ""}>
      <div class="dim">${day.toLocaleDateString(locale, { day: "numeric", month: "short" })}</div>
      ${fires.slice(0, 4).map((fire) => fire.jobs.map((one) => html`<a class="fire" href=${`#/scheduler/jobs/${one.uuid}`} title=${`${one.name}, ${t(`scheduler.${one.type}`)}`}><span class="dim">${fire.at.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" })}</span>${one.name}</a>`))}
      ${fires.length > 4 && html`<span class="dim">+${fires.length - 4}</span>`}</div>`; })}</div>`;
}

export default function Scheduler({ tab, uuid }) {
  const shown = TABS.includes(tab) ? tab : "calendar";
  const [asking, setAsking] = useState("");
  const [turn, setTurn] = useState(0);
  const done = () => setTurn((n) => n + 1);
  const creates = [{ title: t("scheduler.newTrigger"), open: () => setAsking("trigger") }, { title: t("scheduler.newJob"), open: () => setAsking("job") }];
  return html`${shown === "calendar"
    ? html`<${Head} title=${t("room.scheduler")}>${creates.map((one) => html`<button class="main-action" onClick=${one.open}>${one.title}</button>`)}<//><${Tabs} room="scheduler" tab="calendar" tabs=${TABS} /><${Calendar} key=${turn} />`
    : html`<${Listing} key=${shown + turn} spec=${{ ...SPECS[shown], creates }} room="scheduler" tab=${shown} tabs=${TABS} uuid=${uuid} />`}
    ${asking === "trigger" && html`<${NewTrigger} onClose=${() => setAsking("")} onDone=${done} />`}
    ${asking === "job" && html`<${NewJob} onClose=${() => setAsking("")} onDone=${done} />`}`;
}
