// A list of one type of resource, from a description of it: columns, a form to create one, actions and details.
import { ChangeDialog, Confirm, Detail, Facts, Field, Head, html, Json, nameLike, Note, Problem, Search, Select, State, Table, Tabs, Time, useLoad, useNames, usePages, useState, Uuid } from "ui/kit.js";
import { job } from "ui/api.js";
import { t } from "ui/words.js";

/** The inputs of a form: {name, label, type, value, hint, required, options: [[key, text]] or a function that gives them}. */
export function Inputs({ fields }) {
  return fields.map((field) => field.options
    ? html`<${Choice} key=${field.name} field=${field} />`
    : field.type === "checkbox"
      ? html`<label class="check" key=${field.name}><input type="checkbox" name=${field.name} defaultChecked=${field.value} />${field.label}</label>`
      : html`<${Field} key=${field.name} ...${field} />`);
}

function Choice({ field }) {
  const loaded = useLoad(async () => (typeof field.options === "function" ? field.options() : field.options), []);
  const options = loaded.value || [];
  return html`<label class="field"><span>${field.label}</span>
    <${Select} name=${field.name} value=${field.value} required=${field.required} multiple=${field.multiple}
      options=${field.required || field.multiple ? options : [["", "–"], ...options]} />
    ${field.hint && html`<span class="hint">${field.hint}</span>`}
    ${loaded.value && !options.length && html`<span class="hint">${t("noChoice")}</span>`}</label>`;
}

/** What a form says, without what was left empty. */
export function given(values, form, fields) {
  const found = {};
  for (const field of fields) {
    if (field.type === "checkbox") { if (values[field.name]) found[field.name] = true; continue; }
    if (field.multiple) { found[field.name] = new FormData(form).getAll(field.name); continue; }
    const text = values[field.name];
    if (text === undefined || text === "") continue;
    found[field.name] = field.number ? Number(text) * (field.times || 1) : text;
  }
  return found;
}

export function Listing({ spec, room, tab, tabs, uuid, title }) {
  const [text, setText] = useState("");
  const [asking, setAsking] = useState(null);
  const list = usePages(spec.path, [...(spec.conditions || []), spec.byName === false ? "" : nameLike(text)], spec.order);
  const [turn, setTurn] = useState(0);
  const again = () => { list.again(); setTurn((n) => n + 1); };
  const here = `#/${room}/${tab}`;
  useNames((list.rows || []).flatMap((row) => (spec.names ? spec.names(row) : [])));
  const chosen = uuid && (list.rows || []).find((row) => String(row[spec.key || "uuid"]) === uuid);
  const keyOf = (row) => String(row[spec.key || "uuid"]);
  return html`
    <${Head} title=${title || t(`room.${room}`)}>
      <button onClick=${list.again}>${t("refresh")}</button>
      ${(spec.creates || []).map((form) => html`<button class="main-action" onClick=${() => (form.open ? form.open() : setAsking({ form }))}>${form.title}</button>`)}
    <//>
    ${tabs && html`<${Tabs} room=${room} tab=${tab} tabs=${tabs} />`}
    ${spec.byName !== false && html`<div class="bar"><${Search} label=${t("search")} value=${text} onInput=${setText} /></div>`}
    <${Problem} error=${list.error} />
    <div class=${`split ${uuid ? "open" : ""}`}>
      <${Table} label=${t(`tab.${tab}`)} rows=${list.rows} columns=${spec.columns} keyOf=${keyOf} chosen=${uuid} busy=${!list.error}
        onOpen=${(row) => { location.hash = `${here}/${keyOf(row)}`; }} foot=${list.foot} />
      ${uuid && html`<${One} key=${uuid} spec=${spec} uuid=${uuid} row=${chosen} ask=${setAsking} turn=${turn} again=${again} close=${() => { location.hash = here; }} />`}
    </div>
    ${asking && html`<${Ask} asking=${asking} onDone=${again} onClose=${() => setAsking(null)} />`}`;
}

function One({ spec, row, uuid, ask, turn, again, close }) {
  if (!row) return html`<${Detail} title=${t("details")} onClose=${close}><section class="dim">${t("loading")}</section><//>`;
  const acts = (spec.actions || []).filter((action) => !action.when || action.when(row));
  const run = (action) => {
    if (action.form || action.confirm) ask({ action, row });
    else Promise.resolve(action.run(row)).then(again, () => again());
  };
  return html`<${Detail} title=${row.name || row.api || uuid.slice(0, 8)} sub=${row.state && html`<${State} value=${row.state} />`} onClose=${close}>
    ${acts.length > 0 && html`<section class="acts-row">${acts.map((action) => html`<button class=${action.danger ? "danger" : ""} onClick=${() => run(action)}>${action.label}</button>`)}</section>`}
    <section><${Facts} rows=${[["UUID", row.uuid && html`<${Uuid} value=${row.uuid} />`], [t("description"), row.description],
      ...(spec.facts ? spec.facts(row) : []),
      [t("created"), row.createDate && html`<${Time} value=${row.createDate} />`]]} /></section>
    ${spec.More && html`<${spec.More} key=${turn} row=${row} again=${again} />`}
    <section><details><summary class="dim">JSON</summary><${Json} value=${row} /></details></section>
  <//>`;
}

/** The dialog of a creation or of an action. What a creation shows once stays until it is closed. */
export function Ask({ asking, onDone, onClose }) {
  const { form, action, row } = asking;
  const [shown, setShown] = useState(null);
  if (shown) return html`<${ChangeDialog} title=${shown.title} action=${t("close")} change=${async () => {}} onClose=${onClose}>
    <${Note} kind="warn">${t("shownOnce")}<//>${shown.body}<//>`;
  if (action?.confirm) return html`<${Confirm} title=${action.label} text=${action.confirm(row)} action=${action.label} change=${() => action.run(row)} onDone=${onDone} onClose=${onClose} />`;
  const source = form || action.form;
  const fields = typeof source.fields === "function" ? source.fields(row) : source.fields;
  const change = async (values, element) => {
    const result = await (form ? form.run : action.run)(form ? given(values, element, fields) : row, given(values, element, fields));
    onDone?.();
    if (source.once) { setShown({ title: form ? form.title : action.label, body: source.once(result) }); return new Promise(() => {}); }
    return result;
  };
  return html`<${ChangeDialog} title=${form ? form.title : action.label} large=${source.large} action=${source.action || (form ? t("create") : t("save"))} change=${change} onClose=${onClose}>
    ${source.text && html`<p class="dim">${source.text}</p>`}<${Inputs} fields=${fields} /><//>`;
}

/** Actions that most types have. */
export const renaming = (name, path) => ({
  label: t("edit"),
  form: { fields: (row) => [{ name: "name", label: t("name"), value: row.name, required: true, maxlength: 255 }, { name: "description", label: t("description"), value: row.description, maxlength: 2048 }] },
  run: (row, values) => job(`Update${name}`, "PUT", path(row), { [`update${name}`]: values }),
});
export const deleting = (api, path) => ({
  label: t("delete"), danger: true, confirm: (row) => t("deleteText", { name: row.name || row.uuid }),
  run: (row) => job(api, "DELETE", path(row)),
});
export const naming = [{ name: "name", label: t("name"), required: true, maxlength: 255 }, { name: "description", label: t("description"), maxlength: 2048 }];
