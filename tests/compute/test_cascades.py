"""What goes along when something goes, comes or changes hands."""

from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from app import BACKUP_STORAGE
from compute.world import GIB, World
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.features import load

load()


async def second_l3(world: World, cidr: str = "10.8.0.0/24") -> str:
    l3 = await world.admin.create("/l3-networks", name="second", l2NetworkUuid=world.l2)
    path = f"/l3-networks/{l3['uuid']}/ip-ranges/by-cidr"
    await world.admin.create(path, name="r", networkCidr=cidr)
    return l3["uuid"]


async def give(world: World, uuid: str, name: str) -> Any:
    account = await world.service.db.fetchval("SELECT uuid FROM accounts WHERE name = $1", name)
    body = {"params": {"resourceUuid": uuid}}
    return await world.admin.job("POST", f"/account/{account}/resources", body)


async def limit(world: World, name: str, quota: str, value: int) -> None:
    account = await world.service.db.fetchval("SELECT uuid FROM accounts WHERE name = $1", name)
    body = {"updateQuota": {"identityUuid": account, "name": quota, "value": value}}
    assert (await world.admin.job("PUT", "/accounts/quotas/actions", body)).status == 200


async def payers(world: World, kind: str) -> list[str | None]:
    """Who pays at this moment."""
    rows = await world.service.db.fetch(
        "SELECT account_uuid FROM usages WHERE kind = $1 AND ended_at IS NULL", kind
    )
    return [row["account_uuid"] for row in rows]


async def test_the_default_network_is_one_that_the_vm_has_a_nic_on(world: World) -> None:
    second, third = await second_l3(world), await second_l3(world, "10.9.0.0/24")
    vm = await world.vm(l3NetworkUuids=[world.l3, second, third])
    assert vm["defaultL3NetworkUuid"] == world.l3
    assert (await world.admin.job("DELETE", f"/l3-networks/{world.l3}")).status == 200
    path = f"/vm-instances/{vm['uuid']}"
    assert (await world.admin.get(path)).body["inventories"][0]["defaultL3NetworkUuid"] == second
    await world.admin.job("DELETE", f"/vm-instances/nics/{vm['vmNics'][2]['uuid']}")
    assert (await world.admin.get(path)).body["inventories"][0]["defaultL3NetworkUuid"] == second
    left = await world.admin.job("DELETE", f"/vm-instances/nics/{vm['vmNics'][1]['uuid']}")
    assert "defaultL3NetworkUuid" not in left.inventory
    attached = await world.admin.job("POST", f"{path}/l3-networks/{third}")
    assert attached.inventory["defaultL3NetworkUuid"] == third
    assert (await world.admin.job("DELETE", f"/l2-networks/{world.l2}")).status == 200
    assert "defaultL3NetworkUuid" not in (await world.admin.get(path)).body["inventories"][0]


async def test_a_vm_has_one_nic_on_a_network_and_networks_of_its_zone(world: World) -> None:
    zone = (await world.admin.create("/zones", name="far"))["uuid"]
    l2 = await world.admin.create("/l2-networks/no-vlan", name="l2", zoneUuid=zone, physicalInterface="e")
    far = (await world.admin.create("/l3-networks", name="far", l2NetworkUuid=l2["uuid"]))["uuid"]
    for more in (
        {"l3NetworkUuids": [world.l3, world.l3]},
        {"l3NetworkUuids": [world.l3, far]},
        {"l3NetworkUuids": [world.l3], "zoneUuid": zone, "strategy": "JustCreate"},
    ):
        answer = await world.admin.job("POST", "/vm-instances", {"params": world.vm_params(**more)})
        assert answer.code == "SYS.1007", more
    vm = await world.vm(strategy="JustCreate")
    answer = await world.admin.job("POST", f"/vm-instances/{vm['uuid']}/l3-networks/{far}")
    assert answer.code == "SYS.1007"


async def test_a_vip_forgets_the_network_of_a_nic_that_is_gone(world: World) -> None:
    public = await second_l3(world)
    for end in ("detach", "expunge", "move"):
        vm = await world.vm()
        nic = vm["vmNics"][0]["uuid"]
        vip = await world.admin.create("/vips", name="v", l3NetworkUuid=public)
        eip = await world.admin.create("/eips", name="e", vipUuid=vip["uuid"], vmNicUuid=nic)
        path = f"/vips/{vip['uuid']}"
        seen = (await world.admin.get(path)).body["inventories"][0]
        assert (seen["useFor"], seen["peerL3NetworkUuid"]) == ("Eip", world.l3)
        if end == "detach":
            await world.admin.job("DELETE", f"/vm-instances/nics/{nic}")
        elif end == "expunge":
            await world.admin.job("DELETE", f"/vm-instances/{vm['uuid']}")
            await world.act(vm, "expungeVmInstance")
        else:
            await world.service.account("new")
            assert (await give(world, eip["uuid"], "new")).status == 200
        seen = (await world.admin.get(path)).body["inventories"][0]
        assert seen["useFor"] == "Eip"
        assert "peerL3NetworkUuid" not in seen, end
        await world.admin.job("DELETE", f"/eips/{eip['uuid']}")
        assert "useFor" not in (await world.admin.get(path)).body["inventories"][0]


async def test_no_address_is_given_out_that_is_another_ranges_gateway(world: World) -> None:
    l3 = (await world.admin.create("/l3-networks", name="b", l2NetworkUuid=world.l2))["uuid"]
    path = f"/l3-networks/{l3}/ip-ranges"
    await world.admin.create(f"{path}/by-cidr", name="r", networkCidr="10.7.0.0/24")
    inside = {"startIp": "10.7.1.2", "endIp": "10.7.1.9", "netmask": "255.255.0.0", "gateway": "10.7.0.9"}
    over = {"startIp": "10.7.0.1", "endIp": "10.7.0.1", "netmask": "255.255.0.0", "gateway": "10.7.9.9"}
    for params in (inside, over):
        assert (await world.admin.job("POST", path, {"params": {"name": "s"} | params})).code == "SYS.1007"


async def test_a_range_is_its_networks_owners(world: World) -> None:
    account, tenant = await world.service.account("new")
    assert (await give(world, world.l3, "new")).status == 200
    path = f"/l3-networks/{world.l3}/ip-ranges/by-cidr"
    added = await world.admin.create(path, name="r", networkCidr="10.7.0.0/24")
    seen = (await tenant.get("/l3-networks/ip-ranges")).body["inventories"]
    assert {r["uuid"] for r in seen} == {world.ip_range, added["uuid"]}
    await world.service.account("third")
    assert (await give(world, added["uuid"], "third")).code == "SYS.1006"
    owner = "SELECT account_uuid FROM resource_owners WHERE resource_uuid = $1"
    assert await world.service.db.fetchval(owner, added["uuid"]) == account["uuid"]


async def test_an_images_new_owner_must_have_the_quota(world: World) -> None:
    await world.service.account("new")
    await limit(world, "new", "image.size", 10 * GIB)
    second = await world.admin.create(
        "/images", name="i", url="u", format="raw", backupStorageUuids=[BACKUP_STORAGE], size=1
    )
    assert (await give(world, world.image, "new")).status == 200
    assert (await give(world, second["uuid"], "new")).code == "ID.1003"
    await limit(world, "new", "image.size", 20 * GIB)
    await limit(world, "new", "image.num", 1)
    assert (await give(world, second["uuid"], "new")).code == "ID.1003"


async def test_an_attached_volume_does_not_leave_its_vms_owner(world: World) -> None:
    await world.service.account("new")
    vm = await world.vm(dataDiskOfferingUuids=[world.disk])
    data = vm["allVolumes"][1]["uuid"]
    assert (await give(world, data, "new")).code == "SYS.1006"
    assert (await world.admin.job("DELETE", f"/volumes/{data}/vm-instances")).status == 200
    assert (await give(world, data, "new")).status == 200


async def test_a_volume_whose_first_attachment_is_refused_has_not_come_into_being(world: World) -> None:
    vm = await world.vm()
    volume = await world.admin.create("/volumes/data", name="v", diskOfferingUuid=world.disk)
    path = f"/volumes/{volume['uuid']}"
    await world.fault("define", error="no slot", remaining=1)
    assert (await world.admin.job("POST", f"{path}/vm-instances/{vm['uuid']}")).code == "SYS.1006"
    seen = (await world.admin.get(path)).body["inventories"][0]
    assert seen | {"lastOpDate": ""} == volume | {"lastOpDate": ""}
    assert await payers(world, "dataVolume") == []
    attached = await world.admin.job("POST", f"{path}/vm-instances/{vm['uuid']}")
    assert attached.inventory["installPath"]
    assert len(await payers(world, "dataVolume")) == 1
    await world.admin.job("DELETE", f"{path}/vm-instances")
    await world.fault("define", error="no slot", remaining=1)
    assert (await world.admin.job("POST", f"{path}/vm-instances/{vm['uuid']}")).code == "SYS.1006"
    assert (await world.admin.get(path)).body["inventories"][0]["status"] == "Ready"
    assert len(await payers(world, "dataVolume")) == 1


async def test_a_volume_is_detached_from_the_named_vm_only(world: World) -> None:
    vm, other = await world.vm(dataDiskOfferingUuids=[world.disk]), await world.vm()
    path = f"/volumes/{vm['allVolumes'][1]['uuid']}/vm-instances"
    assert (await world.admin.job("DELETE", f"{path}?vmUuid={other['uuid']}")).code == "SYS.1007"
    detached = await world.admin.job("DELETE", f"{path}?vmUuid={vm['uuid']}")
    assert "vmInstanceUuid" not in detached.inventory


@pytest.mark.parametrize("kind", ["VM", "rootVolume", "dataVolume", "snapShot"])
async def test_admin_pays_for_what_a_deleted_account_leaves(shared_world: World, kind: str) -> None:
    world = shared_world
    account, tenant = await world.service.account("gone")
    vm = await world.vm(tenant, dataDiskOfferingUuids=[world.disk])
    await tenant.create(f"/volumes/{vm['rootVolumeUuid']}/volume-snapshots", name="s")
    assert await payers(world, kind) == [account["uuid"]]
    assert (await world.admin.job("DELETE", f"/accounts/{account['uuid']}")).status == 200
    admin = await world.service.db.fetchval("SELECT uuid FROM accounts WHERE name = 'admin'")
    assert await payers(world, kind) == [admin]
    await world.act(vm, "stopVmInstance")
    assert await payers(world, "VM") == []


INFRASTRUCTURE = {"primaryStorageUuid", "primaryStorageUuidForRootVolume", "backupStorageUuids"}
INSIDE = {"CreateVmInstance.defaultL3NetworkUuid", "UpdateVmInstance.defaultL3NetworkUuid"}
"""Fields that name what the job has locked already, or nothing that is kept here."""


def test_jobs_that_name_the_same_resource_take_turns() -> None:
    """Each uuid of a resource that a compute job names is one of its keys."""
    features = ("zones", "hosts", "images", "offerings", "networks", "vips", "vms", "volumes", "snapshots")
    loose = [
        f"{declared.name}.{to_camel(name)}"
        for declared in APIS.values()
        if declared.feature in features and declared.mode == "job"
        for name in declared.request.model_fields
        if name.endswith(("uuid", "uuids")) and to_camel(name) not in INFRASTRUCTURE
        if name not in (*declared.exclusive, *declared.shared)
    ]
    assert set(loose) <= INSIDE
