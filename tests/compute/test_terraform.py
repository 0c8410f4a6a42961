"""What Terraform's engine does to each type of resource: all that was sent is read back, until it is gone."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from app import BACKUP_STORAGE, PRIMARY_STORAGE
from compute.world import GIB, World


@dataclass(frozen=True)
class Kind:
    """One resource: how it is made, changed and deleted. `{name}` is a uuid of the world."""

    path: str
    create: dict[str, Any]
    update: dict[str, Any] = field(default_factory=dict[str, Any])
    action: str = ""
    made_at: str = ""  # if it is not `path`
    changed_at: str = "{one}/actions"
    computed: dict[str, Any] = field(default_factory=dict[str, Any])  # what it has besides
    not_read: frozenset[str] = frozenset()  # what was sent and is told otherwise
    remove: tuple[str, ...] = ()  # `expungeVmInstance` after the deletion


def named(**more: Any) -> dict[str, Any]:
    return {"name": "n", "description": "d", **more}


NEW = {"name": "n2", "description": "d2"}
STATEMENTS = [{"name": "s", "effect": "Allow", "actions": ["vm:.*"]}]
KINDS = {
    "zone": Kind("/zones", named(isDefault=True), NEW | {"isDefault": False}, "updateZone"),
    "cluster": Kind(
        "/clusters",
        named(zoneUuid="{zone}", hypervisorType="Simulator", architecture="x86_64"),
        NEW,
        "updateCluster",
    ),
    "host": Kind(
        "/hosts",
        named(clusterUuid="{cluster}", managementIp="10.0.0.9"),
        NEW,
        "updateHost",
        "/hosts/simulators",
    ),
    "image": Kind(
        "/images",
        named(
            url="http://x/y.qcow2",
            mediaType="RootVolumeTemplate",
            guestOsType="CentOS",
            system=True,
            format="raw",
            platform="Windows",
            architecture="aarch64",
            virtio=True,
            backupStorageUuids=[BACKUP_STORAGE],
        ),
        NEW | {"platform": "Other", "guestOsType": "x", "format": "qcow2", "system": False},
        "updateImage",
        not_read=frozenset({"backupStorageUuids"}),
        remove=("expungeImage",),
    ),
    "ISO": Kind(
        "/images",
        named(url="http://x/y.iso", mediaType="ISO", backupStorageUuids=[BACKUP_STORAGE]),
        computed={"format": "iso", "architecture": "x86_64", "virtio": True},
        not_read=frozenset({"backupStorageUuids"}),
        remove=("expungeImage",),
    ),
    "instance offering": Kind(
        "/instance-offerings",
        named(cpuNum=2, memorySize=2 * GIB, reservedMemorySize=GIB, sortKey=3, allocatorStrategy="a"),
        NEW | {"sortKey": 4, "allocatorStrategy": "b"},
        "updateInstanceOffering",
    ),
    "disk offering": Kind(
        "/disk-offerings",
        named(diskSize=GIB, allocationStrategy="a", sortKey=1),
        NEW | {"sortKey": 2},
        "updateDiskOffering",
        computed={"allocatorStrategy": "a"},
        not_read=frozenset({"allocationStrategy"}),
    ),
    "L2 network": Kind(
        "/l2-networks",
        named(zoneUuid="{zone}", physicalInterface="eth9", type="L2NoVlanNetwork", vSwitchType="LinuxBridge"),
        NEW,
        "updateL2Network",
        "/l2-networks/no-vlan",
        computed={"virtualNetworkId": 0, "isolated": False},
    ),
    "L2 VLAN network": Kind(
        "/l2-networks/vlan",
        named(zoneUuid="{zone}", physicalInterface="eth9", vlan=7, type="L2VlanNetwork", isolated=False),
        computed={"virtualNetworkId": 7, "vSwitchType": "LinuxBridge"},
    ),
    "L3 network": Kind(
        "/l3-networks",
        named(
            l2NetworkUuid="{l2}",
            type="L3BasicNetwork",
            category="Private",
            system=False,
            dnsDomain="example.org",
            ipVersion=4,
            enableIPAM=True,
        ),
        NEW | {"dnsDomain": "example.net", "system": True, "category": "System"},
        "updateL3Network",
        computed={"networkServices": [], "hostRoute": [], "reservedIpRanges": [], "isolated": False},
    ),
    "IP range": Kind(
        "/l3-networks/ip-ranges",
        named(
            startIp="10.7.0.10",
            endIp="10.7.0.20",
            netmask="255.255.255.0",
            gateway="10.7.0.1",
            ipRangeType="Normal",
        ),
        NEW,
        "updateIpRange",
        "/l3-networks/{empty_l3}/ip-ranges",
        computed={"ipVersion": 4, "prefixLen": 24, "l3NetworkUuid": "{empty_l3}"},
    ),
    "IP range of a subnet": Kind(
        "/l3-networks/ip-ranges",
        named(networkCidr="10.7.0.0/24", gateway="10.7.0.254", ipRangeType="Normal"),
        made_at="/l3-networks/{empty_l3}/ip-ranges/by-cidr",
        computed={"startIp": "10.7.0.1", "endIp": "10.7.0.253"},
    ),
    "VIP": Kind(
        "/vips",
        named(l3NetworkUuid="{l3}", requiredIp="192.168.1.1", ipRangeUuid="{ip_range}", ipVersion=4),
        NEW,
        "updateVip",
        computed={
            "ip": "192.168.1.1",
            "system": False,
            "prefixLen": 16,
            "peerL3NetworkUuids": [],
            "servicesRefs": [],
        },
        not_read=frozenset({"requiredIp", "ipRangeUuid", "ipVersion"}),
    ),
    "EIP": Kind("/eips", named(vipUuid="{vip}"), NEW, "updateEip"),
    "volume": Kind(
        "/volumes",
        named(diskSize=GIB, diskOfferingUuid="", primaryStorageUuid=PRIMARY_STORAGE),
        NEW,
        "updateVolume",
        "/volumes/data",
        computed={"size": GIB, "type": "Data"},
        not_read=frozenset({"diskSize", "diskOfferingUuid"}),
    ),
    "VM": Kind(
        "/vm-instances",
        named(
            cpuNum=1,
            memorySize=GIB,
            reservedMemorySize=GIB,
            imageUuid="{image}",
            l3NetworkUuids=["{l3}"],
            defaultL3NetworkUuid="{l3}",
            zoneUuid="{zone}",
            clusterUuid="{cluster}",
            hostUuid="{host}",
            type="UserVm",
            strategy="InstantStart",
            platform="Linux",
            guestOsType="CentOS",
            architecture="x86_64",
        ),
        NEW | {"cpuNum": 2, "memorySize": 2 * GIB, "guestOsType": "Debian", "platform": "Other"},
        "updateVmInstance",
        computed={"state": "Running", "vmCdRoms": []},
        not_read=frozenset({"l3NetworkUuids", "strategy"}),
        remove=("expungeVmInstance",),
    ),
    "account": Kind(
        "/accounts",
        named(password="p", type="Normal"),
        NEW,
        "updateAccount",
        changed_at="{one}",
        not_read=frozenset({"password"}),
    ),
    "user": Kind(
        "/accounts/users",
        named(password="p"),
        NEW,
        "updateUser",
        changed_at="/accounts/users/actions",
        not_read=frozenset({"password"}),
    ),
    "policy": Kind("/accounts/policies", {"name": "n", "statements": STATEMENTS}),
    "trigger": Kind(
        "/scheduler/triggers",
        named(schedulerType="simple", schedulerInterval=60, repeatCount=3, startTime=0),
        NEW,
        "updateSchedulerTrigger",
        not_read=frozenset({"startTime"}),
    ),
    "scheduler job": Kind(
        "/scheduler/jobs", named(type="stopVm", targetResourceUuid="{vm}"), NEW, "updateSchedulerJob"
    ),
}


async def prepared(world: World) -> dict[str, str]:
    """The uuids that the kinds name."""
    admin = world.admin
    l3 = (await admin.create("/l3-networks", name="e", l2NetworkUuid=world.l2))["uuid"]
    vip = (await admin.create("/vips", name="v", l3NetworkUuid=world.l3))["uuid"]
    vm = (await world.vm())["uuid"]
    own = ("zone", "cluster", "host", "image", "disk", "l2", "l3", "ip_range")
    return {name: getattr(world, name) for name in own} | {"empty_l3": l3, "vip": vip, "vm": vm}


def filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, str):
        return value.format_map(names)
    if isinstance(value, list):
        return [filled(item, names) if isinstance(item, str) else item for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def differences(wanted: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """What would be in the next plan."""
    return {name: (value, found.get(name)) for name, value in wanted.items() if found.get(name) != value}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_a_second_plan_is_empty_and_destruction_leaves_nothing(world: World, kind: Kind) -> None:
    names, admin = await prepared(world), world.admin
    sent = {name: filled(value, names) for name, value in kind.create.items()}
    made = await admin.create((kind.made_at or kind.path).format_map(names), **sent, userTags=["mine"])
    one = f"{kind.path}/{made['uuid']}"

    async def read() -> list[Any]:
        return (await admin.get(one)).body["inventories"]

    wanted = {name: value for name, value in sent.items() if name not in kind.not_read}
    wanted |= {name: filled(value, names) for name, value in kind.computed.items()}
    assert differences(wanted, made) == {}
    assert await read() == [made]
    tagged = await admin.get(kind.path, params={"q": "__userTag__=mine"})
    assert tagged.body["inventories"] == [made]
    if kind.action:
        update = kind.update | {"uuid": made["uuid"]}
        path = kind.changed_at.format(one=one)
        changed = (await admin.job("PUT", path, {kind.action: update})).inventory
        assert differences(wanted | kind.update, changed) == {}
        assert await read() == [changed]
    delete = one.replace("/l2-networks/vlan/", "/l2-networks/")
    assert (await admin.job("DELETE", delete)).status == 200
    for action in kind.remove:
        assert (await admin.job("PUT", f"{one}/actions", {action: {}})).status == 200
    assert await read() == []
    await world.check_counters()


async def test_one_zone_at_most_is_the_default(world: World) -> None:
    first = await world.admin.create("/zones", name="a", isDefault=True)
    second = await world.admin.create("/zones", name="b", isDefault=True)
    found = await world.admin.get("/zones", params={"q": "isDefault=true"})
    assert [zone["uuid"] for zone in found.body["inventories"]] == [second["uuid"]]
    body = {"updateZone": {"isDefault": True}}
    await world.admin.job("PUT", f"/zones/{first['uuid']}/actions", body)
    found = await world.admin.get("/zones", params={"q": "isDefault=true"})
    assert [zone["uuid"] for zone in found.body["inventories"]] == [first["uuid"]]


async def test_a_vm_runs_in_a_cluster_of_its_architecture(world: World) -> None:
    await world.service.db.execute("UPDATE clusters SET architecture = 'aarch64'")
    answer = await world.admin.job("POST", "/vm-instances", {"params": world.vm_params()})
    assert "architecture" in answer.body["error"]["details"]
    assert (await world.vm(architecture="aarch64"))["state"] == "Running"


async def test_a_vip_can_be_of_one_range(world: World) -> None:
    l3 = (await world.admin.create("/l3-networks", name="two", l2NetworkUuid=world.l2))["uuid"]
    ranges: list[str] = []
    for start, end in (("10.7.0.10", "10.7.0.20"), ("10.7.0.30", "10.7.0.30")):
        params = {"startIp": start, "endIp": end, "netmask": "255.255.255.0", "gateway": "10.7.0.1"}
        made = await world.admin.create(f"/l3-networks/{l3}/ip-ranges", name=start, **params)
        ranges.append(made["uuid"])
    params = {"name": "v", "l3NetworkUuid": l3, "ipRangeUuid": ranges[1]}
    for more, code in (
        ({"requiredIp": "10.7.0.11"}, "SYS.1007"),
        ({"ipRangeUuid": world.ip_range}, "SYS.1003"),
    ):
        assert (await world.admin.job("POST", "/vips", {"params": params | more})).code == code
    assert (await world.admin.create("/vips", **params))["ip"] == "10.7.0.30"
    assert (await world.admin.job("POST", "/vips", {"params": params})).code == "SYS.1006"
    assert (await world.admin.create("/vips", name="v", l3NetworkUuid=l3))["ip"] == "10.7.0.10"
    found = await world.admin.get("/vips", params=[("q", "system=false"), ("q", "prefixLen=24")])
    assert len(found.body["inventories"]) == 2


async def test_the_gateway_of_a_subnet_is_at_an_end(world: World) -> None:
    path = f"/l3-networks/{world.l3}/ip-ranges/by-cidr"
    params = {"name": "r", "networkCidr": "10.8.0.0/24", "gateway": "10.8.0.7"}
    assert (await world.admin.job("POST", path, {"params": params})).code == "SYS.1007"


async def test_no_more_memory_is_reserved_than_there_is(world: World) -> None:
    params = {"name": "o", "cpuNum": 1, "memorySize": 1, "reservedMemorySize": 2}
    assert (await world.admin.job("POST", "/instance-offerings", {"params": params})).code == "SYS.1007"
    made = await world.admin.create("/instance-offerings", **params | {"memorySize": GIB})
    assert (await world.vm(instanceOfferingUuid=made["uuid"]))["reservedMemorySize"] == 2
