// Quotas: what an account has used of what it may have.
import { ChangeDialog, Field, Head, html, Problem, Select, Table, useLoad, useState } from "ui/kit.js";
import { get, job, me, query } from "ui/api.js";
import { bytes, t } from "ui/words.js";

export function AccountChoice({ value, room }) {
  const accounts = useLoad(async () => (me.isAdmin ? query("/accounts", [], { limit: 1000, sort: "+name" }) : []), []);
  if (!me.isAdmin) return null;
  return html`<${Select} label=${t("account")} value=${value} options=${(accounts.value || []).map((row) => [row.uuid, row.name])} onChange=${(uuid) => { location.hash = `#/${room}/${uuid}`; }} />`;
}

const inBytes = (name) => /size|capacity|memory/i.test(name) && !/num|count/i.test(name);
const shown = (name, value) => (inBytes(name) ? bytes(value) : Number(value).toLocaleString());

export default function Quotas({ tab }) {
  const account = /^[0-9a-f]{32}$/.test(tab) ? tab : me.accountUuid;
  const found = useLoad(() => get(`/accounts/quota/${account}/usages`), [account]);
  const [editing, setEditing] = useState(null);
  const rows = found.value?.usages;
  const columns = [
    { label: t("quota.what"), show: (row) => html`<b>${t(`quota.${row.name}`) === `quota.${row.name}` ? row.name : t(`quota.${row.name}`)}</b> <span class="dim mono">${row.name}</span>` },
    { label: t("quota.use"), wide: true, show: (row) => {
      const part = row.total ? Math.min(100, (100 * row.used) / row.total) : row.used ? 100 : 0;
      return html`<div class=${`meter ${part > 95 ? "bad" : part > 80 ? "warn" : ""}`} role="img" aria-label=${`${Math.round(part)} %`}><i style=${`width:${part}%`}></i></div>`;
    } },
    { label: t("quota.used"), num: true, show: (row) => shown(row.name, row.used) }, { label: t("quota.total"), num: true, show: (row) => shown(row.name, row.total) },
    ...(me.isAdmin ? [{ label: "", show: (row) => html`<span class="acts"><button class="small" onClick=${() => setEditing(row)}>${t("edit")}</button></span>` }] : [])];
  return html`<${Head} title=${t("room.quotas")}><${AccountChoice} value=${account} room="quotas" /><button onClick=${found.again}>${t("refresh")}</button><//>
    <${Problem} error=${found.error} /><${Table} label=${t("room.quotas")} rows=${rows} columns=${columns} keyOf=${(row) => row.name} busy=${!found.error} />
    ${editing && html`<${ChangeDialog} title=${`${t("edit")} ${editing.name}`} change=${(values) => job("UpdateQuota", "PUT", "/accounts/quotas/actions", { updateQuota: { identityUuid: account, name: editing.name, value: Number(values.value) } })} onDone=${found.again} onClose=${() => setEditing(null)}>
      <${Field} label=${t("quota.total")} name="value" type="number" min=${editing.used} value=${editing.total} required hint=${`${t("quota.used")} ${shown(editing.name, editing.used)}`} /><//>`}`;
}
