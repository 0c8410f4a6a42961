// Bills: what an account spent, by day and by resource, in any window.
import uPlot from "uplot";
import { Head, html, Problem, saveCsv, Table, useEffect, useLoad, useRef, useState } from "ui/kit.js";
import { AccountChoice } from "ui/rooms/quotas.js";
import { call, me } from "ui/api.js";
import { isDark, t } from "ui/words.js";

const DAY = 86400000;
const MOST_DAYS = 92;
const local = (date) => new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 10);
const amount = (value) => Number(value).toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 4 });

const spent = (account, from, to) => call("PUT", `/billings/accounts/${account}/actions`, { calculateAccountSpending: { dateStart: from, dateEnd: to } });

/** The sums of days, a few asked for at a time. */
async function byDay(account, days, end) {
  const sums = new Array(days.length).fill(0);
  let next = 0;
  const work = async () => {
    while (next < days.length) {
      const at = next++;
      const to = Math.min(at + 1 < days.length ? days[at + 1] : end, Date.now());
      if (to > days[at]) sums[at] = (await spent(account, days[at], to)).total;
    }
  };
  await Promise.all([work(), work(), work(), work()]);
  return sums;
}

function Chart({ days, sums }) {
  const box = useRef();
  useEffect(() => {
    const place = box.current;
    const ink = getComputedStyle(document.documentElement);
    const colour = (name) => ink.getPropertyValue(name).trim();
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const plot = new uPlot({
      width: place.clientWidth, height: 220, cursor: { y: false, points: { show: false } }, legend: { live: true },
      scales: { x: { time: true, range: (_, low, high) => [low - DAY / 2000, high + DAY / 2000] }, y: { range: (_, low, high) => [0, Math.max(high * 1.1, 0.01)] } },
      series: [{ label: t("bill.day"), value: (_, at) => (at ? new Date(at * 1000).toLocaleDateString() : "–") },
        { label: t("bill.spent"), fill: colour("--accent"), stroke: colour("--accent"), width: 0, paths: uPlot.paths.bars({ size: [0.7, 40] }), points: { show: false }, value: (_, value) => (value === null ? "–" : amount(value)) }],
      axes: [axis, { ...axis, size: 64 }],
    }, [days.map((day) => day / 1000), sums], place);
    const watch = new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: 220 }));
    watch.observe(place);
    return () => { watch.disconnect(); plot.destroy(); };
  }, [days, sums, isDark()]);
  return html`<div ref=${box} role="img" aria-label=${t("bill.perDay")}></div>`;
}

export default function Bills({ tab }) {
  const account = /^[0-9a-f]{32}$/.test(tab) ? tab : me.accountUuid;
  const [span, setSpan] = useState({ from: local(new Date(Date.now() - 29 * DAY)), to: local(new Date()) });
  const found = useLoad(async () => {
    const from = Number(new Date(`${span.from}T00:00`));
    const end = Number(new Date(`${span.to}T00:00`)) + DAY;
    const count = Math.min(MOST_DAYS, Math.max(1, Math.round((end - from) / DAY)));
    const days = Array.from({ length: count }, (_, i) => from + i * DAY);
    const [whole, sums] = await Promise.all([spent(account, from, Math.min(end, Date.now())), byDay(account, days, end)]);
    return { whole, days, sums };
  }, [account, span.from, span.to]);
  const rows = (found.value?.whole.spending || []).flatMap((type) => type.details.map((detail) => ({ type: type.spendingType, ...detail }))).sort((a, b) => b.spending - a.spending);
  const csv = () => saveCsv(`spending-${span.from}-${span.to}.csv`, [["type", "resourceUuid", "resourceName", "spending"], ...rows.map((row) => [row.type, row.resourceUuid, row.resourceName, row.spending])]);
  const columns = [{ label: t("name"), show: (row) => row.resourceName || html`<span class="mono">${row.resourceUuid.slice(0, 8)}</span>` }, { label: t("type"), show: (row) => t(`bill.${row.type}`) }, { label: t("bill.spent"), num: true, show: (row) => amount(row.spending) }];
  const day = (name) => html`<input type="date" aria-label=${t(`bill.${name}`)} value=${span[name]} onChange=${(event) => event.target.value && setSpan({ ...span, [name]: event.target.value })} />`;
  return html`<link rel="stylesheet" href=${import.meta.resolve("uplot").replace("uPlot.esm.js", "uPlot.min.css")} />
    <${Head} title=${t("room.bills")}><${AccountChoice} value=${account} room="bills" /><button disabled=${!rows.length} onClick=${csv}>CSV</button><//>
    <div class="bar">${day("from")}<span class="dim">–</span>${day("to")}
      ${[7, 30, 90].map((count) => html`<button class="small" onClick=${() => setSpan({ from: local(new Date(Date.now() - (count - 1) * DAY)), to: local(new Date()) })}>${t("bill.days", { count })}</button>`)}</div>
    <${Problem} error=${found.error} />
    ${found.value && html`<div class="cards"><div class="panel card"><span>${t("bill.total")}</span><b data-total>${amount(found.value.whole.total)}</b></div>
      ${found.value.whole.spending.map((type) => html`<div class="panel card"><span>${t(`bill.${type.spendingType}`)}</span><b>${amount(type.spending)}</b></div>`)}</div>
      <div class="stack"><div class="panel chart"><h2>${t("bill.perDay")}</h2><${Chart} days=${found.value.days} sums=${found.value.sums} /></div>
      <${Table} label=${t("bill.perResource")} rows=${rows.slice(0, 500)} columns=${columns} keyOf=${(row) => row.type + row.resourceUuid} empty=${t("bill.none")} /></div>`}
    ${!found.value && !found.error && html`<div class="empty">${t("loading")}</div>`}`;
}
