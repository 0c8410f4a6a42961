"""Every link of the inventory answers, and the manual's examples find their VM."""

from world import World

from zstack_mgmt.core.inventory import INVENTORIES
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.features import load

load()
COMPUTE = (
    "Zone",
    "Cluster",
    "Host",
    "Image",
    "InstanceOffering",
    "DiskOffering",
    "L2Network",
    "L2VlanNetwork",
    "L3Network",
    "IpRange",
    "Vip",
    "Eip",
    "VmInstance",
    "VmNic",
    "Volume",
    "VolumeSnapshot",
)


def test_every_link_leads_to_a_resource() -> None:
    for name in COMPUTE:
        for link in INVENTORIES[name].meta.links.values():
            assert link.target in INVENTORIES, (name, link.name)


async def test_every_field_and_every_link_can_be_asked_for(world: World) -> None:
    await world.vm(dataDiskOfferingUuids=[world.disk])
    for name in COMPUTE:
        path = APIS[f"Query{name}"].paths[0].removeprefix("/v1")
        meta = INVENTORIES[name].meta
        names = [f.name for f in meta.fields if f.queryable] + [*meta.lists, *meta.aliases]
        for link in meta.links.values():
            target = INVENTORIES[link.target].meta
            names += [
                f"{link.name}.{f.name}" for f in target.fields if f.name in ("uuid", "imageUuid", "vlan")
            ]
        for field in names:
            answer = await world.admin.get(f"{path}?q={field} is null&count=true")
            assert answer.status == 200, (path, field, answer)


async def test_unowned_inventory_is_open_to_every_account(world: World) -> None:
    tenant = await world.tenant()
    for path in ("/zones", "/hosts", "/l2-networks", "/l2-networks/vlan", "/clusters"):
        assert (await tenant.get(path)).status == 200, path
    assert (await tenant.get("/l3-networks")).body["inventories"] == []  # owned, and not shared


async def test_the_conditions_of_the_overview_find_the_vm(world: World) -> None:
    vm = await world.vm(name="web")
    await world.vm(name="other")
    ip = vm["vmNics"][0]["ip"]
    public = await world.admin.create(
        "/l3-networks", name="public", l2NetworkUuid=world.l2, category="Public"
    )
    await world.admin.create(
        f"/l3-networks/{public['uuid']}/ip-ranges/by-cidr", name="r", networkCidr="9.9.9.0/24"
    )
    vip = await world.admin.create("/vips", name="vip", l3NetworkUuid=public["uuid"])
    eip = await world.admin.create("/eips", name="e", vipUuid=vip["uuid"], vmNicUuid=vm["vmNics"][0]["uuid"])
    assert eip["guestIp"] == ip
    for condition, count in (
        (f"vmNics.ip={ip}", 1),
        ("host.managementIp=10.0.0.1", 2),
        (f"vmNics.eip.ip={eip['vipIp']}", 1),
        (f"vmNics.eip.vipIp={eip['vipIp']}", 1),
        (f"vmNics.eip.guestIp={ip}", 1),
        ("cluster.name=cluster&q=name!=web", 1),
        ("zone.cluster.l2Network.l3Network.name=l3", 2),
        (f"zone.cluster.l2Network.l3Network.ipRanges.uuid={world.ip_range}", 2),
        ("vmNics.vmInstance.name=web", 1),
        (f"rootVolume.image.uuid={world.image}", 2),
        ("allVolumes.type=Data", 0),
        ("cpuNum>5", 0),
        ("hypervisorType=KVM&fields=uuid&fields=name", 0),
        (f"vmNics.l3Network.l2Network.attachedClusterUuids={world.cluster}", 2),
    ):
        answer = await world.admin.get(f"/vm-instances?q={condition}")
        assert len(answer.body["inventories"]) == count, (condition, answer)
    answer = await world.admin.get("/vm-instances?q=name=web")
    schema = answer.body["schema"]
    assert schema["inventories[0]"] == "org.zstack.header.vm.VmInstanceInventory"
    assert schema["inventories[0].vmNics[0]"] == "org.zstack.header.vm.VmNicInventory"
    assert schema["inventories[0].allVolumes[0]"] == "org.zstack.header.volume.VolumeInventory"
