// Health: who is there, how much waits and for how long, and the servers below.
import { Facts, Head, html, Note, Problem, State, Table, Time, useLoad, useTick } from "ui/kit.js";
import { get, me } from "ui/api.js";
import { bytes, duration, t } from "ui/words.js";

export default function Health() {
  const found = useLoad(() => (me.isAdmin ? get("/service/health") : Promise.resolve(null)), []);
  useTick(2000, found.again);
  if (!me.isAdmin) return html`<${Head} title=${t("room.health")} /><${Note} kind="warn">${t("health.operator")}<//>`;
  const now = found.value?.inventory;
  if (!now) return html`<${Head} title=${t("room.health")} /><${Problem} error=${found.error} />`;
  const card = (label, value, kind) => html`<div class="panel card"><span>${label}</span><b class=${kind ? `state ${kind}` : ""}>${value}</b></div>`;
  const columns = [{ label: t("health.worker"), show: (row) => html`<span class="mono">${row.process}</span>` }, { label: t("room.jobs"), num: true, show: (row) => row.jobs }, { label: t("health.lease"), show: (row) => html`<${Time} value=${row.leaseUntil} />` }];
  return html`<${Head} title=${t("room.health")}><span class="live on">${t("live")}</span><//><${Problem} error=${found.error} />
    <div class="cards">
      ${card(t("health.queued"), now.queued)}${card(t("health.oldest"), duration(now.oldestSeconds * 1000))}${card(t("state.running"), now.running)}${card(t("health.held"), now.heldBack)}
      ${card(t("health.accepted"), now.acceptedPerMinute)}${card(t("health.finished"), now.finishedPerMinute)}${card(t("health.failed"), now.failedPerMinute)}
      ${card(t("health.webhooks"), now.webhooksPending)}${card(t("health.paused"), now.webhooksPaused)}${card(t("health.sessions"), now.sessions)}</div>
    <div class="stack">
      <div class="panel pad"><${Facts} rows=${[[t("health.version"), now.version],
        ["PostgreSQL", html`<${State} value="ok" label=${now.database.serverVersion} /> <span class="dim">${bytes(now.database.bytes)}, ${t("health.connections", { count: now.database.connections })}</span>`],
        ["Redis", now.redis.serverVersion ? html`<${State} value="ok" label=${now.redis.serverVersion} /> <span class="dim">${t("health.connections", { count: now.redis.clients })}</span>` : html`<${State} value="failed" label=${t("health.away")} />`]]} /></div>
      <${Table} label=${t("health.workers")} rows=${now.workers} columns=${columns} keyOf=${(row) => row.process} empty=${t("health.noWorkers")} /></div>`;
}
