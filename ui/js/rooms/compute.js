// Compute: VMs, volumes, networks and hosts.
import { html, Ref, State, Time, useLoad } from "ui/kit.js";
import { deleting, Listing, naming, renaming } from "ui/listing.js";
import { get, job, me, query } from "ui/api.js";
import { bytes, t } from "ui/words.js";

const TABS = ["vms", "volumes", "networks", "hosts", "images", "offerings"];
const GIB = 1024 ** 3;
const choices = (path, conditions) => async () => (await query(path, conditions, { limit: 1000, sort: "+name" })).map((row) => [row.uuid, row.name]);
const column = {
  name: { label: t("name"), show: (row) => row.name },
  state: { label: t("state"), show: (row) => html`<${State} value=${row.state} />` },
  created: { label: t("created"), show: (row) => html`<${Time} value=${row.createDate} />` },
};

const vm = (row) => `/vm-instances/${row.uuid}/actions`;
const power = (name, when, danger) => ({
  label: t(`vm.${name}`), when: (row) => when.includes(row.state), danger,
  run: (row) => job(`${name[0].toUpperCase()}${name.slice(1)}VmInstance`, "PUT", vm(row), { [`${name}VmInstance`]: {} }),
});

async function console_(row) {
  const made = (await job("RequestConsoleAccess", "POST", "/consoles", { params: { vmInstanceUuid: row.uuid } })).inventory;
  window.open(`${made.scheme}://${made.hostname}:${made.port}/?token=${made.token}`, "_blank", "noopener");
}

const SPECS = {
  vms: {
    path: "/vm-instances",
    names: (row) => [row.hostUuid, row.imageUuid, row.instanceOfferingUuid, row.zoneUuid, ...row.vmNics.map((nic) => nic.l3NetworkUuid)],
    columns: [column.name, column.state,
      { label: "CPU", num: true, show: (row) => row.cpuNum }, { label: t("memory"), num: true, show: (row) => bytes(row.memorySize) },
      { label: t("vm.address"), show: (row) => html`<span class="mono">${row.vmNics.map((nic) => nic.ip).join(", ")}</span>` },
      { label: t("host"), show: (row) => html`<${Ref} uuid=${row.hostUuid} />` }, column.created],
    facts: (row) => [[t("host"), row.hostUuid && html`<${Ref} uuid=${row.hostUuid} href=${`#/compute/hosts/${row.hostUuid}`} />`],
      [t("image"), html`<${Ref} uuid=${row.imageUuid} />`], [t("offering"), html`<${Ref} uuid=${row.instanceOfferingUuid} />`],
      ["CPU", row.cpuNum], [t("memory"), bytes(row.memorySize)],
      ...row.vmNics.map((nic) => [`NIC ${nic.deviceId}`, html`<span class="mono">${nic.ip}</span> <span class="dim">${nic.mac}</span> <${Ref} uuid=${nic.l3NetworkUuid} />`]),
      ...row.allVolumes.map((volume) => [volume.type === "Root" ? t("volume.root") : t("volume"), `${volume.name}, ${bytes(volume.size)}`])],
    actions: [
      power("start", ["Stopped"]), power("stop", ["Running", "Unknown"]), power("reboot", ["Running"]),
      power("pause", ["Running"]), power("resume", ["Paused"]),
      { label: t("vm.console"), when: (row) => row.state === "Running", run: console_ },
      renaming("VmInstance", vm),
      { ...deleting("DestroyVmInstance", (row) => `/vm-instances/${row.uuid}`), label: t("vm.destroy"), when: (row) => row.state !== "Destroyed" },
      power("recover", ["Destroyed"]), power("expunge", ["Destroyed"], true),
    ],
    creates: [{
      title: t("vm.create"),
      fields: [...naming,
        { name: "instanceOfferingUuid", label: t("offering"), required: true, options: choices("/instance-offerings", ["state=Enabled"]) },
        { name: "imageUuid", label: t("image"), required: true, options: choices("/images", ["state=Enabled"]) },
        { name: "l3NetworkUuids", label: t("network"), multiple: true, options: choices("/l3-networks", ["state=Enabled"]) },
        { name: "rootDiskOfferingUuid", label: t("vm.rootDisk"), options: choices("/disk-offerings", ["state=Enabled"]) }],
      run: (values) => job("CreateVmInstance", "POST", "/vm-instances", { params: values }),
    }],
  },
  volumes: {
    path: "/volumes", names: (row) => [row.vmInstanceUuid],
    columns: [column.name, column.state, { label: t("type"), show: (row) => row.type }, { label: t("size"), num: true, show: (row) => bytes(row.size) },
      { label: "VM", show: (row) => html`<${Ref} uuid=${row.vmInstanceUuid} />` }, { label: t("volume.status"), show: (row) => row.status }, column.created],
    facts: (row) => [[t("type"), row.type], [t("size"), bytes(row.size)], ["VM", row.vmInstanceUuid && html`<${Ref} uuid=${row.vmInstanceUuid} href=${`#/compute/vms/${row.vmInstanceUuid}`} />`]],
    actions: [
      { label: t("volume.attach"), when: (row) => row.type === "Data" && !row.vmInstanceUuid,
        form: { fields: [{ name: "vm", label: "VM", required: true, options: choices("/vm-instances", []) }] },
        run: (row, values) => job("AttachDataVolumeToVm", "POST", `/volumes/${row.uuid}/vm-instances/${values.vm}`, { params: {} }) },
      { label: t("volume.detach"), when: (row) => row.type === "Data" && row.vmInstanceUuid, run: (row) => job("DetachDataVolumeFromVm", "DELETE", `/volumes/${row.uuid}/vm-instances`) },
      { label: t("volume.snapshot"), form: { action: t("create"), fields: naming }, run: (row, values) => job("CreateVolumeSnapshot", "POST", `/volumes/${row.uuid}/volume-snapshots`, { params: values }) },
      renaming("Volume", (row) => `/volumes/${row.uuid}/actions`),
      { ...deleting("DeleteDataVolume", (row) => `/volumes/${row.uuid}`), when: (row) => row.type === "Data" }],
    creates: [{ title: t("volume.create"), fields: [...naming, { name: "diskOfferingUuid", label: t("offering"), required: true, options: choices("/disk-offerings", ["state=Enabled"]) }],
      run: (values) => job("CreateDataVolume", "POST", "/volumes/data", { params: values }) }],
  },
  networks: {
    path: "/l3-networks", names: (row) => [row.l2NetworkUuid, row.zoneUuid],
    columns: [column.name, column.state, { label: "L2", show: (row) => html`<${Ref} uuid=${row.l2NetworkUuid} />` },
      { label: t("network.ranges"), show: (row) => html`<span class="mono">${(row.ipRanges || []).map((range) => range.networkCidr || `${range.startIp}–${range.endIp}`).join(", ")}</span>` },
      { label: t("network.free"), num: true, show: (row) => html`<${Free} uuid=${row.uuid} />` }, column.created],
    facts: (row) => [["L2", html`<${Ref} uuid=${row.l2NetworkUuid} />`], ["DNS", (row.dns || []).join(", ")],
      ...(row.ipRanges || []).map((range) => [range.name, html`<span class="mono">${range.startIp} – ${range.endIp}</span>`])],
    More: ({ row }) => html`<section><h3>${t("network.free")}</h3><${Free} uuid=${row.uuid} meter /></section>`,
    actions: [renaming("L3Network", (row) => `/l3-networks/${row.uuid}/actions`),
      { label: t("network.addRange"), when: () => me.isAdmin, form: { action: t("create"), fields: [{ name: "name", label: t("name"), required: true }, { name: "networkCidr", label: "CIDR", required: true, placeholder: "10.0.0.0/24" }] },
        run: (row, values) => job("AddIpRangeByNetworkCidr", "POST", `/l3-networks/${row.uuid}/ip-ranges/by-cidr`, { params: values }) },
      { ...deleting("DeleteL3Network", (row) => `/l3-networks/${row.uuid}`), when: () => me.isAdmin }],
    creates: me.isAdmin ? [{ title: t("network.create"), fields: [...naming, { name: "l2NetworkUuid", label: "L2", required: true, options: choices("/l2-networks") }],
      run: (values) => job("CreateL3Network", "POST", "/l3-networks", { params: values }) }] : [],
  },
  hosts: {
    path: "/hosts", names: (row) => [row.clusterUuid, row.zoneUuid],
    columns: [column.name, column.state, { label: t("host.status"), show: (row) => html`<${State} value=${row.status} />` },
      { label: t("vm.address"), show: (row) => html`<span class="mono">${row.managementIp}</span>` },
      { label: "CPU", show: (row) => html`<${Use} used=${row.totalCpuCapacity - row.availableCpuCapacity} total=${row.totalCpuCapacity} />` },
      { label: t("memory"), show: (row) => html`<${Use} used=${row.totalMemoryCapacity - row.availableMemoryCapacity} total=${row.totalMemoryCapacity} show=${bytes} />` },
      { label: t("cluster"), show: (row) => html`<${Ref} uuid=${row.clusterUuid} />` }],
    facts: (row) => [[t("cluster"), html`<${Ref} uuid=${row.clusterUuid} />`], [t("zone"), html`<${Ref} uuid=${row.zoneUuid} />`], [t("type"), row.hypervisorType],
      [t("vm.address"), row.managementIp]],
    actions: [
      ...["enable", "disable", "maintain"].map((event) => ({ label: t(`host.${event}`), when: () => me.isAdmin, run: (row) => job("ChangeHostState", "PUT", `/hosts/${row.uuid}/actions`, { changeHostState: { stateEvent: event } }) })),
      { label: t("host.reconnect"), when: () => me.isAdmin, run: (row) => job("ReconnectHost", "PUT", `/hosts/${row.uuid}/actions`, { reconnectHost: {} }) },
      { ...deleting("DeleteHost", (row) => `/hosts/${row.uuid}`), when: () => me.isAdmin }],
    creates: me.isAdmin ? [{ title: t("host.create"), fields: [...naming, { name: "managementIp", label: t("vm.address"), required: true }, { name: "clusterUuid", label: t("cluster"), required: true, options: choices("/clusters") },
      { name: "username", label: t("user"), value: "root", required: true }, { name: "password", label: t("password"), type: "password", required: true, autocomplete: "new-password" }, { name: "sshPort", label: t("host.port"), type: "number", number: true, value: 22 }],
      run: (values) => job("AddKVMHost", "POST", "/hosts/kvm", { params: values }) }] : [],
  },
  images: {
    path: "/images", columns: [column.name, column.state, { label: t("type"), show: (row) => row.mediaType }, { label: t("image.format"), show: (row) => row.format }, { label: t("image.platform"), show: (row) => row.platform }, { label: t("size"), num: true, show: (row) => bytes(row.size) }, column.created],
    facts: (row) => [["URL", row.url], [t("size"), bytes(row.size)]],
    actions: [renaming("Image", (row) => `/images/${row.uuid}/actions`), deleting("DeleteImage", (row) => `/images/${row.uuid}`)],
  },
  offerings: {
    path: "/instance-offerings", columns: [column.name, column.state, { label: "CPU", num: true, show: (row) => row.cpuNum }, { label: t("memory"), num: true, show: (row) => bytes(row.memorySize) }, column.created],
    actions: [renaming("InstanceOffering", (row) => `/instance-offerings/${row.uuid}/actions`), { ...deleting("DeleteInstanceOffering", (row) => `/instance-offerings/${row.uuid}`), when: () => me.isAdmin }],
    creates: me.isAdmin ? [{ title: t("offering.create"), fields: [...naming, { name: "cpuNum", label: "CPU", type: "number", number: true, value: 1, min: 1, required: true }, { name: "memorySize", label: t("memoryGib"), type: "number", number: true, times: GIB, value: 1, min: 1, required: true }],
      run: (values) => job("CreateInstanceOffering", "POST", "/instance-offerings", { params: values }) }] : [],
  },
};

function Use({ used, total, show = String }) {
  const part = total ? Math.round((100 * used) / total) : 0;
  return html`<div class="use"><span>${show(used)} / ${show(total)}</span><div class=${`meter ${part > 90 ? "bad" : part > 75 ? "warn" : ""}`} role="img" aria-label=${`${part} %`}><i style=${`width:${part}%`}></i></div></div>`;
}

function Free({ uuid, meter }) {
  const found = useLoad(() => get(`/ip-capacity?l3NetworkUuids=${uuid}`), [uuid]);
  if (!found.value) return "";
  const { availableCapacity: free, totalCapacity: total } = found.value;
  return meter ? html`<${Use} used=${total - free} total=${total} />` : html`${free} / ${total}`;
}

export default function Compute({ tab, uuid }) {
  const shown = TABS.includes(tab) ? tab : "vms";
  return html`<${Listing} key=${shown} spec=${SPECS[shown]} room="compute" tab=${shown} tabs=${TABS} uuid=${uuid} />`;
}
