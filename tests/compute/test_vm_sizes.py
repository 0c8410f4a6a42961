"""VMs as today's clients make and change them: sizes without offerings, chosen addresses, all read back."""

from typing import Any

import pytest

from app import BACKUP_STORAGE
from compute.world import GIB, World

ISO = {"url": "file:///x.iso", "mediaType": "ISO", "format": "iso", "backupStorageUuids": [BACKUP_STORAGE]}


async def refused(world: World, **more: Any) -> str:
    answer = await world.admin.job("POST", "/vm-instances", {"params": world.vm_params(**more)})
    assert answer.code == "SYS.1007", answer
    return answer.body["error"]["details"]


def own_size(**more: Any) -> dict[str, Any]:
    return {"instanceOfferingUuid": "", "cpuNum": 2, "memorySize": 2 * GIB} | more


async def test_a_vm_may_have_a_size_of_its_own(world: World) -> None:
    vm = await world.vm(**own_size(reservedMemorySize=GIB))
    assert (vm["cpuNum"], vm["memorySize"], vm["reservedMemorySize"]) == (2, 2 * GIB, GIB)
    assert "instanceOfferingUuid" not in vm
    assert vm["state"] == "Running"
    assert (await world.admin.get(f"/vm-instances/{vm['uuid']}")).body["inventories"] == [vm]
    await world.check_counters()


async def test_a_size_is_whole_and_says_what_the_offering_says(world: World) -> None:
    assert "cpuNum" in await refused(world, instanceOfferingUuid=None, cpuNum=2)
    assert "instanceOfferingUuid" in await refused(world, instanceOfferingUuid=None)
    assert "memorySize" in await refused(world, memorySize=2 * GIB)
    assert "reservedMemorySize" in await refused(world, **own_size(reservedMemorySize=3 * GIB))
    assert (await world.vm(memorySize=GIB))["memorySize"] == GIB


async def test_disks_may_have_sizes_of_their_own(world: World) -> None:
    tags: dict[str, Any] = {
        "rootVolumeSystemTags": ["capability::virtio-scsi"],
        "dataVolumeSystemTags": ["a::b"],
    }
    vm = await world.vm(
        rootDiskSize=30 * GIB, dataDiskOfferingUuids=[world.disk], dataDiskSizes=[5 * GIB, 6 * GIB], **tags
    )
    root, *data = vm["allVolumes"]
    assert root["size"] == 30 * GIB
    assert [(v["size"], v.get("diskOfferingUuid")) for v in data] == [
        (20 * GIB, world.disk),
        (5 * GIB, None),
        (6 * GIB, None),
    ]
    assert all("lastAttachDate" in volume for volume in data)
    tagged = await world.admin.get("/volumes", params={"q": "__systemTag__=capability::virtio-scsi"})
    assert [v["uuid"] for v in tagged.body["inventories"]] == [root["uuid"]]
    tagged = await world.admin.get("/volumes", params={"q": "__systemTag__=a::b"})
    assert {v["uuid"] for v in tagged.body["inventories"]} == {v["uuid"] for v in data}
    assert "rootDiskSize" in await refused(world, rootDiskSize=1)
    assert "rootDiskSize" in await refused(world, rootDiskOfferingUuid=world.disk, rootDiskSize=1)
    assert "24" in await refused(world, dataDiskOfferingUuids=[world.disk] * 2, dataDiskSizes=[1] * 23)
    iso = (await world.admin.create("/images", name="iso", **ISO))["uuid"]
    assert (await world.vm(imageUuid=iso, rootDiskSize=4 * GIB))["allVolumes"][0]["size"] == 4 * GIB
    assert "rootDiskSize" in await refused(world, imageUuid=iso)


async def test_the_root_volume_has_the_size_of_its_offering(world: World) -> None:
    vm = await world.vm(rootDiskOfferingUuid=world.disk)
    root = vm["allVolumes"][0]
    assert (root["size"], root["diskOfferingUuid"]) == (20 * GIB, world.disk)


@pytest.mark.parametrize("strategy", ["JustCreate", "CreateStopped"])
async def test_a_vm_may_be_created_without_a_start(world: World, strategy: str) -> None:
    vm = await world.vm(strategy=strategy)
    assert vm["state"] == "Created"
    assert (await world.act(vm, "startVmInstance")).inventory["state"] == "Running"


async def test_platform_guest_and_architecture_are_kept(world: World) -> None:
    given: dict[str, Any] = {"platform": "Windows", "guestOsType": "Windows 11", "architecture": "aarch64"}
    vm = await world.vm(**given)
    assert given.items() <= vm.items()
    assert vm["vmCdRoms"] == []
    found = await world.admin.get("/vm-instances", params={"q": "architecture=aarch64"})
    assert found.body["inventories"] == [vm]
    changed = await world.act(vm, "updateVmInstance", guestOsType="Windows 12")
    assert changed.inventory["guestOsType"] == "Windows 12"


async def test_tags_choose_address_and_host_name(world: World) -> None:
    tags = [f"staticIp::{world.l3}::192.168.7.7", "hostname::web-1.example"]
    params = {"params": world.vm_params(), "systemTags": tags}
    vm = (await world.admin.job("POST", "/vm-instances", params)).inventory
    nic = vm["vmNics"][0]
    assert nic["ip"] == "192.168.7.7"
    constant = {"driverType": "virtio", "ipVersion": 4, "state": "enable", "type": "VNIC"}
    assert constant.items() <= nic.items()
    assert (await world.admin.get(f"/vm-instances/nics/{nic['uuid']}")).body["inventories"] == [nic]
    tagged = await world.admin.get("/vm-instances", params={"q": "__systemTag__=hostname::web-1.example"})
    assert [v["uuid"] for v in tagged.body["inventories"]] == [vm["uuid"]]
    for bad, code in (
        ([tags[0]], "SYS.1006"),  # in use
        ([f"staticIp::{world.l3}::10.9.9.9"], "SYS.1007"),
        ([f"staticIp::{world.l3}::nonsense"], "SYS.1007"),
        ([f"staticIp::{world.zone}::192.168.7.8"], "SYS.1007"),
        ([f"staticIp::{world.l3}::192.168.7.8", f"staticIp::{world.l3}::192.168.7.9"], "SYS.1007"),
        (["hostname::-x"], "SYS.1007"),
    ):
        answer = await world.admin.job("POST", "/vm-instances", params | {"systemTags": bad})
        assert answer.code == code, (bad, answer)
    await world.check_counters()


async def test_a_nic_may_come_with_an_address(world: World) -> None:
    l3 = (await world.admin.create("/l3-networks", name="l3-2", l2NetworkUuid=world.l2))["uuid"]
    await world.admin.create(f"/l3-networks/{l3}/ip-ranges/by-cidr", name="r", networkCidr="172.16.0.0/24")
    vm = await world.vm()
    path = f"/vm-instances/{vm['uuid']}/l3-networks/{l3}"
    for ip, code in (("x", "SYS.1007"), ("192.168.9.9", "SYS.1007"), ("172.16.0.1", "SYS.1007")):
        assert (await world.admin.job("POST", path, {"params": {"staticIp": ip}})).code == code
    attached = await world.admin.job("POST", path, {"params": {"staticIp": "172.16.0.77"}})
    assert [nic["ip"] for nic in attached.inventory["vmNics"]] == ["192.168.0.2", "172.16.0.77"]
    await world.check_counters()


async def test_a_stopped_vm_gets_another_size(world: World) -> None:
    vm = await world.vm(strategy="JustCreate")
    new: dict[str, Any] = {"cpuNum": 3, "memorySize": 3 * GIB, "reservedMemorySize": GIB, "name": "new"}
    changed = (await world.act(vm, "updateVmInstance", **new)).inventory
    assert new.items() <= changed.items()
    assert "instanceOfferingUuid" not in changed
    started = (await world.act(vm, "startVmInstance")).inventory
    assert started["cpuNum"] == 3
    assert await world.service.db.fetchval("SELECT cpu_num FROM simulator_domains") == 3
    kept = (await world.act(vm, "updateVmInstance", name="other", cpuNum=0, memorySize=0)).inventory
    assert (kept["name"], kept["cpuNum"]) == ("other", 3)
    wrong = await world.act(vm, "updateVmInstance", reservedMemorySize=4 * GIB)
    assert wrong.code == "SYS.1007"


async def test_a_vm_that_runs_counts_with_its_new_size_at_once(world: World) -> None:
    account, client = await world.service.account("tenant")
    await world.share()
    vm = await world.vm(client)
    grown = await world.act(vm, "updateVmInstance", client, cpuNum=2, memorySize=2 * GIB)
    assert (grown.inventory["cpuNum"], grown.inventory["memorySize"]) == (2, 2 * GIB)
    assert await world.service.db.fetchval("SELECT cpu_num FROM simulator_domains") == 1
    await world.check_counters()
    await world.act(vm, "stopVmInstance", client)
    await world.act(vm, "startVmInstance", client)
    assert await world.service.db.fetchval("SELECT cpu_num FROM simulator_domains") == 2
    assert (await world.act(vm, "updateVmInstance", memorySize=2**50)).code == "SYS.1006"
    body = {"updateQuota": {"identityUuid": account["uuid"], "name": "vm.cpuNum", "value": 3}}
    assert (await world.admin.job("PUT", "/accounts/quotas/actions", body)).status == 200
    assert (await world.act(vm, "updateVmInstance", client, cpuNum=4)).code == "ID.1003"
    assert (await world.act(vm, "updateVmInstance", client, cpuNum=3)).status == 200
    await world.check_counters()
