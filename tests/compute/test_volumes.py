"""Data volumes and snapshots: one short test per rule."""

from dataclasses import replace
from typing import Any

import pytest
from world import GIB, World, build

from app import Answer, Client, running_service
from zstack_mgmt.config import Settings


async def volume(world: World, client: Client | None = None, **more: Any) -> Any:
    return await (client or world.admin).create(
        "/volumes/data", **{"name": "data", "diskOfferingUuid": world.disk} | more
    )


async def act(world: World, uuid: str, action: str, client: Client | None = None, **params: Any) -> Answer:
    return await (client or world.admin).job("PUT", f"/volumes/{uuid}/actions", {action: params})


async def test_a_volume_from_creation_to_expunge(world: World) -> None:
    vm = await world.vm()
    made = await volume(world)
    uuid = made["uuid"]
    assert (made["status"], made["type"], made["size"]) == ("NotInstantiated", "Data", 20 * GIB)
    attached = await world.admin.job("POST", f"/volumes/{uuid}/vm-instances/{vm['uuid']}")
    assert attached.inventory["vmInstanceUuid"] == vm["uuid"]
    assert (attached.inventory["status"], attached.inventory["deviceId"]) == ("Ready", 1)
    assert uuid in await world.service.db.fetchval("SELECT disks FROM simulator_domains")
    for refused in (
        await world.admin.job("POST", f"/volumes/{uuid}/vm-instances/{vm['uuid']}"),
        await world.admin.job("DELETE", f"/volumes/{uuid}"),
        await act(world, uuid, "recoverDataVolume"),
        await act(world, uuid, "expungeDataVolume"),
    ):
        assert refused.code == "SYS.1006"
    detached = (await world.admin.job("DELETE", f"/volumes/{uuid}/vm-instances")).inventory
    assert "vmInstanceUuid" not in detached
    assert uuid not in await world.service.db.fetchval("SELECT disks FROM simulator_domains")
    assert (await world.admin.job("DELETE", f"/volumes/{uuid}/vm-instances")).status == 200
    assert (await world.admin.job("DELETE", f"/volumes/{uuid}")).status == 200
    assert (await world.admin.job("DELETE", f"/volumes/{uuid}")).status == 200
    assert (await act(world, uuid, "recoverDataVolume")).inventory["status"] == "Ready"
    await world.admin.job("DELETE", f"/volumes/{uuid}")
    assert (await act(world, uuid, "expungeDataVolume")).status == 200
    assert (await world.admin.get(f"/volumes/{uuid}")).body["inventories"] == []


async def test_sizes_come_from_an_offering_or_are_given(world: World) -> None:
    given = await world.admin.create("/volumes/data", name="v", diskSize=5 * GIB)
    assert given["size"] == 5 * GIB
    for params in ({}, {"diskSize": 1, "diskOfferingUuid": world.disk}):
        answer = await world.admin.job("POST", "/volumes/data", {"params": {"name": "v"} | params})
        assert answer.code == "SYS.1007"
    unknown = {"name": "v", "diskOfferingUuid": world.zone}
    assert (await world.admin.job("POST", "/volumes/data", {"params": unknown})).code == "SYS.1003"
    body = {"changeDiskOfferingState": {"stateEvent": "disable"}}
    await world.admin.job("PUT", f"/disk-offerings/{world.disk}/actions", body)
    known = {"name": "v", "diskOfferingUuid": world.disk}
    assert (await world.admin.job("POST", "/volumes/data", {"params": known})).code == "SYS.1006"


async def test_update_and_state(world: World) -> None:
    made = await volume(world)
    vm = await world.vm()
    changed = await act(world, made["uuid"], "updateVolume", name="n", description="d")
    assert (changed.inventory["name"], changed.inventory["description"]) == ("n", "d")
    disabled = await act(world, made["uuid"], "changeVolumeState", stateEvent="disable")
    assert disabled.inventory["state"] == "Disabled"
    path = f"/volumes/{made['uuid']}/vm-instances/{vm['uuid']}"
    assert (await world.admin.job("POST", path)).code == "SYS.1006"
    root = f"/volumes/{vm['rootVolumeUuid']}"
    for answer in (
        await world.admin.job("DELETE", root),
        await world.admin.job("DELETE", f"{root}/vm-instances"),
        await world.admin.job("POST", f"{root}/vm-instances/{vm['uuid']}"),
    ):
        assert answer.code == "SYS.1006"


async def test_a_refused_attachment_leaves_the_volume_free(world: World) -> None:
    vm, made = await world.vm(), await volume(world)
    await world.fault("define", error="no slot", remaining=1)
    path = f"/volumes/{made['uuid']}/vm-instances/{vm['uuid']}"
    assert (await world.admin.job("POST", path)).code == "SYS.1006"
    seen = (await world.admin.get(f"/volumes/{made['uuid']}")).body["inventories"][0]
    assert "vmInstanceUuid" not in seen
    assert (await world.admin.job("POST", path)).status == 200
    await world.fault("define", error="busy", remaining=1)
    assert (await world.admin.job("DELETE", f"/volumes/{made['uuid']}/vm-instances")).code == "SYS.1006"
    await world.act(vm, "pauseVmInstance")
    await world.service.db.execute("UPDATE vm_instances SET state = 'Rebooting'")
    assert (await world.admin.job("DELETE", f"/volumes/{made['uuid']}/vm-instances")).code == "VM.1010"


async def test_destroying_a_vm_frees_its_data_volumes(world: World) -> None:
    vm = await world.vm(dataDiskOfferingUuids=[world.disk])
    data = vm["allVolumes"][1]["uuid"]
    await world.admin.job("DELETE", f"/vm-instances/{vm['uuid']}")
    seen = (await world.admin.get(f"/volumes/{data}")).body["inventories"][0]
    assert "vmInstanceUuid" not in seen
    assert seen["status"] == "Ready"
    await world.act(vm, "expungeVmInstance")
    assert (await world.admin.get(f"/volumes/{vm['rootVolumeUuid']}")).body["inventories"] == []
    assert len((await world.admin.get(f"/volumes/{data}")).body["inventories"]) == 1


async def test_snapshots_form_a_chain(world: World) -> None:
    vm = await world.vm()
    root = vm["rootVolumeUuid"]
    first, second, third = [
        await world.admin.create(f"/volumes/{root}/volume-snapshots", name=f"s{n}") for n in range(3)
    ]
    assert (first["latest"], third["latest"], third["status"]) == (True, True, "Ready")
    assert (second["parentUuid"], third["parentUuid"]) == (first["uuid"], second["uuid"])
    assert third["treeUuid"] == first["uuid"]
    assert await world.service.db.fetchval("SELECT count(*) FROM simulator_snapshots") == 3
    path = f"/volume-snapshots/{second['uuid']}"
    body = {"updateVolumeSnapshot": {"name": "new"}}
    assert (await world.admin.job("PUT", f"{path}/actions", body)).inventory["name"] == "new"
    assert (await world.admin.job("DELETE", path)).status == 200
    assert (await world.admin.job("DELETE", path)).status == 200
    seen = (await world.admin.get("/volume-snapshots?sort=+name")).body["inventories"]
    assert [(s["name"], s.get("parentUuid"), s["latest"]) for s in seen] == [
        ("s0", None, False),
        ("s2", first["uuid"], True),
    ]
    await world.admin.job("DELETE", f"/volume-snapshots/{third['uuid']}")
    seen = (await world.admin.get("/volume-snapshots")).body["inventories"]
    assert [s["latest"] for s in seen] == [True]


async def test_a_snapshot_needs_a_volume_that_exists_and_room(shared_world: World) -> None:
    world = shared_world
    tenant, stranger = await world.tenant(), await world.tenant("stranger")
    vm = await world.vm(tenant)
    path = f"/volumes/{vm['rootVolumeUuid']}/volume-snapshots"
    await world.fault("snapshot", error="disk full", remaining=1)
    assert (await tenant.job("POST", path, {"params": {"name": "s"}})).code == "SYS.1006"
    assert await world.service.db.fetchval("SELECT count(*) FROM volume_snapshots") == 0
    assert (await stranger.job("POST", path, {"params": {"name": "s"}})).code == "SYS.1003"
    fresh = await volume(world, tenant)
    answer = await tenant.job("POST", f"/volumes/{fresh['uuid']}/volume-snapshots", {"params": {"name": "s"}})
    assert answer.code == "SYS.1006"  # it is not instantiated
    kept = await tenant.create(path, name="s")
    await world.fault("delete_snapshot", error="busy", remaining=1)
    assert (await tenant.job("DELETE", f"/volume-snapshots/{kept['uuid']}")).code == "SYS.1006"
    assert (await stranger.job("DELETE", f"/volume-snapshots/{kept['uuid']}")).status == 200
    assert (await tenant.get(f"/volume-snapshots/{kept['uuid']}")).body["inventories"][0]["status"] == "Ready"
    account = await world.service.db.fetchval("SELECT uuid FROM accounts WHERE name = 'tenant'")
    body = {"identityUuid": account, "name": "snapshot.volume.num", "value": 1}
    await world.admin.job("PUT", "/accounts/quotas/actions", {"updateQuota": body})
    assert (await tenant.job("POST", path, {"params": {"name": "s"}})).code == "ID.1003"
    await world.service.db.execute("UPDATE vm_instances SET state = 'Rebooting'")
    assert (await tenant.job("POST", path, {"params": {"name": "s"}})).code == "VM.1010"


async def test_strangers_find_no_volume(shared_world: World) -> None:
    world = shared_world
    tenant, stranger = await world.tenant(), await world.tenant("stranger")
    made, vm = await volume(world, tenant), await world.vm(tenant)
    for action in ("updateVolume", "recoverDataVolume", "expungeDataVolume"):
        assert (await act(world, made["uuid"], action, stranger)).code == "SYS.1003", action
    answer = await act(world, made["uuid"], "changeVolumeState", stranger, stateEvent="disable")
    assert answer.code == "SYS.1003"
    path = f"/volumes/{made['uuid']}"
    assert (await stranger.job("POST", f"{path}/vm-instances/{vm['uuid']}")).code == "SYS.1003"
    assert (await stranger.job("DELETE", f"{path}/vm-instances")).code == "SYS.1003"
    assert (await stranger.job("DELETE", path)).status == 200
    assert (await tenant.get(path)).body["inventories"][0]["status"] == "NotInstantiated"
    theirs = await world.vm()
    refused = await world.admin.job("POST", f"{path}/vm-instances/{theirs['uuid']}")
    assert refused.code == "SYS.1006"  # of two accounts


async def test_volume_quotas(shared_world: World) -> None:
    world = shared_world
    tenant = await world.tenant()
    account = await world.service.db.fetchval("SELECT uuid FROM accounts WHERE name = 'tenant'")
    for name, value in (("volume.data.num", 1), ("volume.capacity", 30 * GIB)):
        body = {"identityUuid": account, "name": name, "value": value}
        await world.admin.job("PUT", "/accounts/quotas/actions", {"updateQuota": body})
    await volume(world, tenant)
    small = {"name": "v", "diskSize": 1}
    assert (await tenant.job("POST", "/volumes/data", {"params": small})).code == "ID.1003"
    params = world.vm_params()
    assert (await tenant.job("POST", "/vm-instances", {"params": params})).status == 200  # 20 + 10 GiB
    assert (await tenant.job("POST", "/vm-instances", {"params": params})).code == "ID.1003"


async def test_a_volume_gets_the_lowest_device_that_is_free(world: World) -> None:
    vm = await world.vm()
    first, second, third = [(await volume(world))["uuid"] for _ in range(3)]
    for uuid in (first, second):
        await world.admin.job("POST", f"/volumes/{uuid}/vm-instances/{vm['uuid']}")
    await world.admin.job("DELETE", f"/volumes/{first}/vm-instances")
    attached = await world.admin.job("POST", f"/volumes/{third}/vm-instances/{vm['uuid']}")
    assert attached.inventory["deviceId"] == 1


@pytest.mark.parametrize("kvm_driver", ["simulator", "libvirt"])
async def test_nothing_answers_for_the_storage_of_real_hosts(settings: Settings, kvm_driver: str) -> None:
    """A volume without a host has snapshots only where storage is simulated."""
    async with running_service(replace(settings, kvm_driver=kvm_driver)) as service:
        world = await build(service)
        vm = await world.vm(dataDiskOfferingUuids=[world.disk])
        data, root = vm["allVolumes"][1]["uuid"], vm["rootVolumeUuid"]
        snapshot = (await world.admin.create(f"/volumes/{data}/volume-snapshots", name="s"))["uuid"]
        await world.admin.job("DELETE", f"/volumes/{data}/vm-instances")
        await world.act(vm, "stopVmInstance")
        await world.admin.job("DELETE", f"/hosts/{world.host}")
        made = [
            await world.admin.job("POST", f"/volumes/{uuid}/volume-snapshots", {"params": {"name": "s"}})
            for uuid in (data, root)
        ]
        deleted = await world.admin.job("DELETE", f"/volume-snapshots/{snapshot}")
        if kvm_driver == "simulator":
            assert [answer.status for answer in (*made, deleted)] == [200, 200, 200]
        else:
            assert [answer.code for answer in (*made, deleted)] == ["SYS.1006"] * 3
            kept = (await world.admin.get("/volume-snapshots")).body["inventories"]
            assert [(s["uuid"], s["status"]) for s in kept] == [(snapshot, "Ready")]
