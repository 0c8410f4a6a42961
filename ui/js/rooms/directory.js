// The directory: its settings, a test of them, its entries, and what these are bound to.
import { ChangeDialog, Field, Head, html, Json, Note, Problem, Ref, Select, Table, Tabs, Time, useLoad, useNames, useState } from "ui/kit.js";
import { deleting, Listing } from "ui/listing.js";
import { get, job, me, query } from "ui/api.js";
import { t } from "ui/words.js";

const TABS = ["servers", "entries", "bindings"];
const SETTINGS = (row) => [{ name: "name", label: t("name"), value: row?.name, required: true }, { name: "url", label: "URL", value: row?.url, required: true, placeholder: "ldap://ldap.example.com" }, { name: "base", label: t("ldap.base"), value: row?.base, required: true, placeholder: "dc=example,dc=com" },
  { name: "username", label: t("ldap.bindDn"), value: row?.username }, { name: "password", label: t("password"), type: "password", autocomplete: "new-password" }, { name: "encryption", label: t("ldap.encryption"), value: row?.encryption, required: true, options: ["None", "TLS"].map((one) => [one, one]) }];

const SPECS = {
  servers: {
    path: "/ldap/servers", columns: [{ label: t("name"), show: (row) => row.name }, { label: "URL", show: (row) => html`<span class="mono">${row.url}</span>` }, { label: t("ldap.base"), show: (row) => row.base }, { label: t("ldap.encryption"), show: (row) => row.encryption }, { label: t("created"), show: (row) => html`<${Time} value=${row.createDate} />` }],
    facts: (row) => [["URL", row.url], [t("ldap.base"), row.base], [t("ldap.bindDn"), row.username], [t("ldap.encryption"), row.encryption]],
    More: TestLookup,
    creates: [{ title: t("ldap.add"), fields: SETTINGS(), run: (values) => job("AddLdapServer", "POST", "/ldap/servers", { params: { username: "", password: "", ...values } }) }],
    actions: [{ label: t("edit"), form: { fields: SETTINGS }, run: (row, values) => job("UpdateLdapServer", "PUT", `/ldap/servers/${row.uuid}`, { updateLdapServer: values }) }, deleting("DeleteLdapServer", (row) => `/ldap/servers/${row.uuid}`)],
  },
  bindings: {
    path: "/ldap/bindings", byName: false, names: (row) => [row.accountUuid],
    columns: [{ label: t("ldap.dn"), wide: true, show: (row) => row.ldapUid }, { label: t("account"), show: (row) => html`<${Ref} uuid=${row.accountUuid} />` }, { label: t("created"), show: (row) => html`<${Time} value=${row.createDate} />` }],
    facts: (row) => [[t("ldap.dn"), row.ldapUid], [t("account"), html`<${Ref} uuid=${row.accountUuid} />`]],
    creates: [{ title: t("ldap.bind"), fields: [{ name: "ldapUid", label: t("ldap.dn"), required: true }, { name: "accountUuid", label: t("account"), required: true, options: accounts }], run: (values) => job("CreateLdapBinding", "POST", "/ldap/bindings", { params: values }) },
      { title: t("ldap.clean"), fields: [], text: t("ldap.cleanText"), action: t("ldap.clean"), run: () => job("CleanInvalidLdapBinding", "PUT", "/ldap/bindings/actions", { cleanInvalidLdapBinding: {} }) }],
    actions: [deleting("DeleteLdapBinding", (row) => `/ldap/bindings/${row.uuid}`)],
  },
};

async function accounts() {
  return (await query("/accounts", ["type=Normal"], { limit: 1000, sort: "+name" })).map((row) => [row.uuid, row.name]);
}

/** Asks the directory as it is set, and tells what it says. */
function TestLookup() {
  const [told, setTold] = useState(null);
  const ask = () => {
    setTold({ busy: true });
    get("/ldap/entry?ldapFilter=(objectClass=*)&limit=1").then((found) => setTold({ found }), (error) => setTold({ error }));
  };
  return html`<section><h3>${t("ldap.test")}</h3><button onClick=${ask} disabled=${told?.busy}>${t("ldap.test")}</button>
    ${told?.found && html`<p><${Note} kind="good">${t("ldap.works")}<//></p>`}<${Problem} error=${told?.error} /></section>`;
}

function Entries() {
  const [filter, setFilter] = useState("");
  const [free, setFree] = useState(false);
  const found = useLoad(() => (filter ? get(`${free ? "/ldap/entries/candidates" : "/ldap/entry"}?${new URLSearchParams({ ldapFilter: filter, limit: 200 })}`) : Promise.resolve(null)), [filter, free]);
  const [binding, setBinding] = useState(null);
  const rows = found.value ? found.value.inventories || found.value.inventory || [] : filter ? null : [];
  const dnOf = (row) => row.dn || row.entryDN || row.distinguishedName || row.name || "";
  const columns = [{ label: t("ldap.dn"), wide: true, show: (row) => html`<span class="mono">${dnOf(row)}</span>` },
    { label: t("ldap.attributes"), wide: true, show: (row) => html`<details><summary class="dim">${Object.keys(row).length}</summary><${Json} value=${row} /></details>` },
    { label: "", show: (row) => html`<span class="acts"><button class="small" onClick=${() => setBinding(row)}>${t("ldap.bind")}</button></span>` }];
  const submit = (event) => { event.preventDefault(); setFilter(new FormData(event.target).get("filter")); };
  return html`<${Head} title=${t("room.directory")}><//><${Tabs} room="directory" tab="entries" tabs=${TABS} />
    <form class="bar" onSubmit=${submit}><input type="search" name="filter" class="mono" aria-label=${t("ldap.filter")} placeholder="(cn=ann*)" /><label class="check"><input type="checkbox" checked=${free} onChange=${(event) => setFree(event.target.checked)} />${t("ldap.free")}</label><button>${t("ldap.look")}</button></form>
    <${Problem} error=${found.error} /><${Table} label=${t("tab.entries")} rows=${rows} columns=${columns} keyOf=${dnOf} empty=${t("ldap.ask")} busy=${!found.error} />
    ${binding && html`<${Bind} dn=${dnOf(binding)} onClose=${() => setBinding(null)} />`}`;
}

function Bind({ dn, onClose }) {
  const found = useLoad(accounts, []);
  return html`<${ChangeDialog} title=${t("ldap.bind")} action=${t("ldap.bind")} change=${(values) => job("CreateLdapBinding", "POST", "/ldap/bindings", { params: { ldapUid: dn, accountUuid: values.account } })} onClose=${onClose}>
    <p class="mono">${dn}</p><${Field} label=${t("account")}><${Select} name="account" options=${found.value || []} required /><//><//>`;
}

export default function Directory({ tab, uuid }) {
  const shown = TABS.includes(tab) ? tab : "servers";
  if (!me.isAdmin) return html`<${Head} title=${t("room.directory")} /><${Note} kind="warn">${t("health.operator")}<//>`;
  return shown === "entries" ? html`<${Entries} />` : html`<${Listing} key=${shown} spec=${SPECS[shown]} room="directory" tab=${shown} tabs=${TABS} uuid=${uuid} />`;
}
