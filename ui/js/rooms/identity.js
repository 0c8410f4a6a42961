// Identity: accounts, users, groups, policies, sessions, access keys, and who did what.
import { ChangeDialog, Facts, Field, Head, html, Note, Problem, Ref, Select, State, Table, Tabs, Time, useEffect, useLoad, useState } from "ui/kit.js";
import { deleting, Listing, naming } from "ui/listing.js";
import { call, get, job, me, query } from "ui/api.js";
import { t } from "ui/words.js";

const TABS = me.isAdmin ? ["accounts", "users", "groups", "policies", "sessions", "keys", "audit"] : ["users", "groups", "policies", "sessions", "keys"];
const created = { label: t("created"), show: (row) => html`<${Time} value=${row.createDate} />` };
const name = { label: t("name"), show: (row) => row.name };
const described = { label: t("description"), wide: true, show: (row) => row.description };
const secret = { name: "password", label: t("password"), type: "password", required: true, autocomplete: "new-password", maxlength: 255 };
const options = (path) => async () => (await query(path, [], { limit: 1000, sort: "+name" })).map((row) => [row.uuid, row.name]);

const SPECS = {
  accounts: {
    path: "/accounts", columns: [name, { label: t("type"), show: (row) => row.type }, described, created],
    facts: (row) => [[t("type"), row.type], [t("room.quotas"), html`<a href=${`#/quotas/${row.uuid}`}>${t("quota.show")}</a>`], [t("room.bills"), html`<a href=${`#/bills/${row.uuid}`}>${t("bill.show")}</a>`]],
    creates: [{ title: t("account.create"), fields: [...naming, secret], run: (values) => job("CreateAccount", "POST", "/accounts", { params: values }) }],
    actions: [
      { label: t("edit"), form: { fields: (row) => [{ name: "name", label: t("name"), value: row.name, required: true }, { name: "description", label: t("description"), value: row.description }, { ...secret, label: t("newPassword"), required: false }] },
        run: (row, values) => job("UpdateAccount", "PUT", `/accounts/${row.uuid}`, { updateAccount: values }) },
      { ...deleting("DeleteAccount", (row) => `/accounts/${row.uuid}`), confirm: (row) => t("account.deleteText", { name: row.name }), when: (row) => row.type !== "SystemAdmin" }],
  },
  users: {
    path: "/accounts/users", names: (row) => [row.accountUuid], columns: [name, ...(me.isAdmin ? [{ label: t("account"), show: (row) => html`<${Ref} uuid=${row.accountUuid} />` }] : []), described, created],
    facts: (row) => [[t("account"), html`<${Ref} uuid=${row.accountUuid} />`]],
    creates: [{ title: t("user.create"), fields: [...naming, secret], run: (values) => job("CreateUser", "POST", "/accounts/users", { params: values }) }],
    actions: [
      { label: t("edit"), form: { fields: (row) => [{ name: "name", label: t("name"), value: row.name, required: true }, { name: "description", label: t("description"), value: row.description }, { ...secret, label: t("newPassword"), required: false }] },
        run: (row, values) => job("UpdateUser", "PUT", "/accounts/users/actions", { updateUser: { uuid: row.uuid, ...values } }) },
      { label: t("policy.attach"), form: { fields: [{ name: "policy", label: t("policy"), required: true, options: options("/accounts/policies") }] }, run: (row, values) => job("AttachPolicyToUser", "POST", `/accounts/users/${row.uuid}/policies`, { params: { policyUuid: values.policy } }) },
      { label: t("group.join"), form: { fields: [{ name: "group", label: t("group"), required: true, options: options("/accounts/groups") }] }, run: (row, values) => job("AddUserToGroup", "POST", `/accounts/groups/${values.group}/users`, { params: { userUuid: row.uuid } }) },
      deleting("DeleteUser", (row) => `/accounts/users/${row.uuid}`)],
    More: ({ row }) => html`<${Bound} title=${t("tab.policies")} path="/accounts/policies" condition=${`user.uuid=${row.uuid}`} api="DetachPolicyFromUser" off=${(policy) => `/accounts/users/${row.uuid}/policies/${policy.uuid}`} />
      <${Bound} title=${t("tab.groups")} path="/accounts/groups" condition=${`user.uuid=${row.uuid}`} api="RemoveUserFromGroup" off=${(group) => `/accounts/groups/${group.uuid}/users/${row.uuid}`} />
      <section><h3>${t("policy.allows")}</h3><${Allowed} user=${row.uuid} /></section>`,
  },
  groups: {
    path: "/accounts/groups", names: (row) => [row.accountUuid], columns: [name, ...(me.isAdmin ? [{ label: t("account"), show: (row) => html`<${Ref} uuid=${row.accountUuid} />` }] : []), described, created],
    creates: [{ title: t("group.create"), fields: naming, run: (values) => job("CreateUserGroup", "POST", "/accounts/groups", { params: values }) }],
    actions: [
      { label: t("policy.attach"), form: { fields: [{ name: "policy", label: t("policy"), required: true, options: options("/accounts/policies") }] }, run: (row, values) => job("AttachPolicyToUserGroup", "POST", `/accounts/groups/${row.uuid}/policies`, { params: { policyUuid: values.policy } }) },
      deleting("DeleteUserGroup", (row) => `/accounts/groups/${row.uuid}`)],
    More: ({ row }) => html`<${Bound} title=${t("tab.users")} path="/accounts/users" condition=${`group.uuid=${row.uuid}`} api="RemoveUserFromGroup" off=${(user) => `/accounts/groups/${row.uuid}/users/${user.uuid}`} />
      <${Bound} title=${t("tab.policies")} path="/accounts/policies" condition=${`group.uuid=${row.uuid}`} api="DetachPolicyFromUserGroup" off=${(policy) => `/accounts/groups/${row.uuid}/policies/${policy.uuid}`} />`,
  },
  policies: {
    path: "/accounts/policies", order: { sort: "uuid" }, names: (row) => [row.accountUuid],
    columns: [name, ...(me.isAdmin ? [{ label: t("account"), show: (row) => html`<${Ref} uuid=${row.accountUuid} />` }] : []),
      { label: t("policy.statements"), wide: true, show: (row) => row.statements.map((one) => html`<div><span class=${`tag ${one.effect === "Deny" ? "bad" : "good"}`}>${one.effect}</span> <code>${one.actions.slice(0, 3).join(", ")}${one.actions.length > 3 ? " …" : ""}</code></div>`) }],
    facts: (row) => row.statements.map((one) => [one.effect, html`<code>${one.actions.join(", ")}</code>`]),
    actions: [deleting("DeletePolicy", (row) => `/accounts/policies/${row.uuid}`)],
  },
  keys: {
    path: "/accesskeys", byName: false, names: (row) => [row.accountUuid, row.userUuid],
    columns: [{ label: t("key.id"), show: (row) => html`<span class="mono">${row.AccessKeyID || row.accessKeyId}</span>` }, { label: t("state"), show: (row) => html`<${State} value=${row.state} />` }, { label: t("key.for"), show: (row) => html`<${Ref} uuid=${row.userUuid} />` }, described, created],
    creates: [{ title: t("key.create"), fields: [{ name: "description", label: t("description") }], once: (made) => html`<${Facts} rows=${[[t("key.id"), html`<code>${made.inventory.AccessKeyID}</code>`], [t("key.secret"), html`<code data-secret>${made.inventory.AccessKeySecret}</code>`]]} />`,
      run: (values) => job("CreateAccessKey", "POST", "/accesskeys", { params: values }) }],
    actions: [
      { label: t("host.disable"), when: (row) => row.state === "Enabled", run: (row) => job("ChangeAccessKeyState", "PUT", `/accesskeys/${row.uuid}/actions`, { changeAccessKeyState: { stateEvent: "disable" } }) },
      { label: t("host.enable"), when: (row) => row.state !== "Enabled", run: (row) => job("ChangeAccessKeyState", "PUT", `/accesskeys/${row.uuid}/actions`, { changeAccessKeyState: { stateEvent: "enable" } }) },
      deleting("DeleteAccessKey", (row) => `/accesskeys/${row.uuid}`)],
  },
  audit: {
    path: "/audits", key: "id", order: { sort: "id" }, byName: false, names: (row) => [row.accountUuid, row.userUuid, row.target],
    columns: [{ label: "API", show: (row) => row.api }, { label: t("audit.outcome"), show: (row) => html`<${State} value=${row.outcome} />` }, { label: t("job.who"), show: (row) => html`<${Ref} uuid=${row.userUuid || row.accountUuid} />` },
      { label: t("job.resource"), show: (row) => row.target && html`<${Ref} uuid=${row.target} />` }, { label: t("job.remote"), show: (row) => row.remote }, { label: t("audit.at"), show: (row) => html`<${Time} value=${row.createDate} />` }],
    facts: (row) => [[t("audit.outcome"), html`<${State} value=${row.outcome} />`], [t("audit.error"), row.errorCode], [t("account"), html`<${Ref} uuid=${row.accountUuid} />`], [t("job.one"), row.jobUuid && html`<a class="mono" href=${`#/jobs/all/${row.jobUuid}`}>${row.jobUuid.slice(0, 8)}</a>`],
      [t("job.requestId"), row.requestId], [t("job.remote"), row.remote], ...Object.entries(row.changes || {}).map(([what, value]) => [what, `${value.old} → ${value.new}`])],
  },
};

/** What is bound to a row, with a button that takes it off. */
function Bound({ title, path, condition, api, off }) {
  const found = useLoad(() => query(path, [condition], { limit: 200 }), [condition]);
  return html`<section><h3>${title}</h3>${(found.value || []).map((row) => html`<div class="bar"><span>${row.name}</span><span class="grow"></span>
    <button class="quiet small" onClick=${() => job(api, "DELETE", off(row)).then(found.again, () => {})}>${t("remove")}</button></div>`)}
    ${found.value && !found.value.length && html`<span class="dim">${t("none")}</span>`}<${Problem} error=${found.error} /></section>`;
}

let known;
/** The APIs that a policy can name, from the service's own document. */
const allApis = () => (known ??= get("/openapi.json").then(({ paths }) => [...new Set(Object.values(paths)
  .flatMap((methods) => Object.values(methods).flatMap((operation) => operation["x-apis"] || [])))].sort()));

/** What a user may call, by asking CheckApiPermission. */
function Allowed({ user, filter = "" }) {
  const found = useLoad(async () => {
    const asked = { userUuid: user, apiNames: await allApis() };
    return (await call("PUT", "/accounts/permissions/actions", { checkApiPermission: asked })).inventory;
  }, [user]);
  if (found.error) return html`<${Problem} error=${found.error} />`;
  if (!found.value) return html`<span class="dim">${t("loading")}</span>`;
  const shown = Object.entries(found.value).filter(([api]) => api.toLowerCase().includes(filter.toLowerCase()));
  const allowed = shown.filter(([, says]) => says === "Allow");
  return html`<p class="dim">${t("policy.count", { allowed: allowed.length, all: shown.length })}</p>
    <details><summary>${t("policy.list")}</summary><div class="acts-row">${shown.map(([api, says]) => html`<span class=${`tag ${says === "Allow" ? "good" : "bad"}`}>${api}</span>`)}</div></details>`;
}

/** What statements would allow, by asking ExplainPolicy while one writes them. */
function Explained({ statements, numbers, onTold }) {
  const [found, setFound] = useState({});
  const asked = JSON.stringify(statements);
  useEffect(() => {
    let alive = true;
    const explain = async () => (statements.length ? (await call("PUT", "/accounts/permissions/explanations", { explainPolicy: { statements } })).inventories : []);
    const timer = setTimeout(() => explain().then((apis) => { if (alive) { setFound({ apis }); onTold(apis); } }, (error) => { if (alive) { setFound({ error }); onTold([]); } }), 300);
    return () => { alive = false; clearTimeout(timer); };
  }, [asked]);
  if (found.error) return html`<${Problem} error=${found.error} />`;
  const apis = found.apis || [];
  const why = (one) => (one.decidedBy === "statement" ? t("policy.by", { number: numbers[one.statement], action: one.action }) : t(`policy.by.${one.decidedBy}`));
  return apis.length > 0 && html`<p class="dim">${t("policy.count", { allowed: apis.filter((one) => one.decision === "Allow").length, all: apis.length })}</p>
    <details><summary>${t("policy.list")}</summary><table><thead><tr><th>API</th><th>${t("policy.effect")}</th><th>${t("policy.why")}</th></tr></thead>
      <tbody>${apis.map((one) => html`<tr data-api=${one.apiName}><td>${one.apiName}</td><td><span class=${`tag ${one.decision === "Allow" ? "good" : "bad"}`}>${one.decision}</span></td><td class="dim">${why(one)}</td></tr>`)}</tbody></table></details>`;
}

/** A policy, written as statements, with what it would allow. */
function PolicyEditor({ onClose, onDone }) {
  const [rows, setRows] = useState([{ effect: "Allow", actions: "" }]);
  const [filter, setFilter] = useState("");
  const [told, setTold] = useState([]);
  const apis = useLoad(allApis, []);
  const set = (at, key, value) => setRows(rows.map((row, i) => (i === at ? { ...row, [key]: value } : row)));
  const written = rows.filter((row) => row.actions.trim());
  const statements = written.map((row, i) => ({ name: `statement-${i + 1}`, effect: row.effect, actions: row.actions.split(/[\s,]+/).filter(Boolean) }));
  const decided = (row) => told.filter((one) => one.statement === written.indexOf(row)).length;
  const change = (values) => job("CreatePolicy", "POST", "/accounts/policies", { params: { name: values.name, description: values.description || undefined, statements } });
  return html`<${ChangeDialog} large title=${t("policy.create")} action=${t("create")} change=${change} onDone=${onDone} onClose=${onClose}>
    <div class="form two"><${Field} label=${t("name")} name="name" required /><${Field} label=${t("description")} name="description" /></div>
    ${rows.map((row, at) => html`<div class="bar" key=${at}>
      <${Select} label=${t("policy.effect")} value=${row.effect} options=${["Allow", "Deny"]} onChange=${(value) => set(at, "effect", value)} />
      <input class="grow mono" style="flex:1" aria-label=${t("policy.actions")} placeholder="instance:APIQueryVmInstanceMsg, instance:.*" value=${row.actions} onInput=${(event) => set(at, "actions", event.target.value)} />
      <span class="dim" data-decides>${written.includes(row) && t("policy.decides", { count: decided(row) })}</span>
      <button type="button" class="quiet small" aria-label=${t("remove")} onClick=${() => setRows(rows.filter((_, i) => i !== at))}>✕</button></div>`)}
    <div class="bar"><button type="button" class="small" onClick=${() => setRows([...rows, { effect: "Allow", actions: "" }])}>${t("policy.add")}</button></div>
    <p class="hint">${t("policy.hint")}</p>
    <section data-explained aria-live="polite"><h3>${t("policy.allows")}</h3><${Explained} statements=${statements} numbers=${written.map((row) => rows.indexOf(row) + 1)} onTold=${setTold} /></section>
    <details><summary class="dim">${t("policy.names")}</summary><div class="bar"><input type="search" aria-label=${t("search")} onInput=${(event) => setFilter(event.target.value)} /></div>
      <pre tabindex="0">${(apis.value || []).filter((api) => api.toLowerCase().includes(filter.toLowerCase())).map((api) => `API${api}Msg`).join("\n")}</pre></details>
  <//>`;
}

function Sessions() {
  const list = useLoad(() => get("/accounts/sessions"), []);
  const [error, setError] = useState(null);
  const end = (row) => call("DELETE", `/accounts/sessions/by-id/${row.id}`).then(list.again, setError);
  const columns = [
    { label: t("job.who"), show: (row) => html`<${Ref} uuid=${row.userUuid} name=${row.name} />${row.current && html` <span class="tag good">${t("session.this")}</span>`}` },
    { label: t("session.door"), show: (row) => row.origin }, created,
    { label: t("session.ends"), show: (row) => html`<${Time} value=${row.expiredDate} />` },
    { label: "", show: (row) => html`<span class="acts"><button class="small" onClick=${() => end(row)}>${t("session.end")}</button></span>` }];
  return html`<${Head} title=${t("room.identity")}><button onClick=${list.again}>${t("refresh")}</button><//><${Tabs} room="identity" tab="sessions" tabs=${TABS} />
    <${Problem} error=${list.error || error} /><${Table} label=${t("tab.sessions")} rows=${list.value?.inventories} columns=${columns} keyOf=${(row) => row.id} busy=${list.busy} />`;
}

export default function Identity({ tab, uuid }) {
  const shown = TABS.includes(tab) ? tab : TABS[0];
  const [writing, setWriting] = useState(false);
  const [turn, setTurn] = useState(0);
  if (shown === "sessions") return html`<${Sessions} />`;
  const spec = shown === "policies" ? { ...SPECS.policies, creates: [{ title: t("policy.create"), open: () => setWriting(true) }] } : SPECS[shown];
  return html`<${Listing} key=${`${shown}${turn}`} spec=${spec} room="identity" tab=${shown} tabs=${TABS} uuid=${uuid} />
    ${writing && html`<${PolicyEditor} onClose=${() => setWriting(false)} onDone=${() => setTurn(turn + 1)} />`}`;
}
