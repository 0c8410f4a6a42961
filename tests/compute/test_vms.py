"""The life of a VM: one short test per rule."""

from app import BACKUP_STORAGE
from compute.world import GIB, World


async def test_a_vm_from_creation_to_expunge(world: World) -> None:
    vm = await world.vm()
    assert vm["state"] == "Running"
    assert vm["hostUuid"] == world.host
    assert vm["vmNics"][0]["ip"] == "192.168.0.2"
    assert vm["vmNics"][0]["mac"].startswith("fa:")
    assert [v["type"] for v in vm["allVolumes"]] == ["Root"]
    assert vm["memorySize"] == GIB
    seen = await world.admin.get(f"/vm-instances/{vm['uuid']}")
    assert seen.body["inventories"][0] == vm
    for action, state in (
        ("stopVmInstance", "Stopped"),
        ("startVmInstance", "Running"),
        ("rebootVmInstance", "Running"),
        ("pauseVmInstance", "Paused"),
        ("resumeVmInstance", "Running"),
    ):
        assert (await world.act(vm, action)).inventory["state"] == state
    gone = await world.admin.job("DELETE", f"/vm-instances/{vm['uuid']}")
    assert gone.status == 200
    assert await world.state(vm) == "Destroyed"
    assert (await world.act(vm, "recoverVmInstance")).inventory["state"] == "Stopped"
    await world.admin.job("DELETE", f"/vm-instances/{vm['uuid']}")
    assert (await world.act(vm, "expungeVmInstance")).status == 200
    assert await world.state(vm) is None
    await world.check_counters()


async def test_what_the_state_does_not_allow_is_refused_with_its_cause(world: World) -> None:
    running = await world.vm()
    stopped = await world.vm()
    await world.act(stopped, "stopVmInstance")
    for vm, action, code in (
        (running, "startVmInstance", "VM.1001"),
        (stopped, "rebootVmInstance", "VM.1003"),
    ):
        answer = await world.act(vm, action)
        assert answer.code == code
        assert answer.body["error"]["cause"]["code"] == "VM.1010"
    for vm, action in ((stopped, "pauseVmInstance"), (running, "resumeVmInstance")):
        assert (await world.act(vm, action)).code == "VM.1010"
    for action in ("recoverVmInstance", "expungeVmInstance"):
        assert (await world.act(running, action)).code == "VM.1010"
    assert (await world.act(stopped, "stopVmInstance")).inventory["state"] == "Stopped"
    await world.admin.job("DELETE", f"/vm-instances/{stopped['uuid']}")
    for answer in (
        await world.admin.job("DELETE", f"/vm-instances/{stopped['uuid']}"),
        await world.act(stopped, "stopVmInstance"),
    ):
        assert answer.code in ("VM.1004", "VM.1002")
        assert answer.body["error"]["cause"]["code"] == "VM.1010"


async def test_unknown_parts_are_not_found_and_nothing_is_written(world: World) -> None:
    missing = "0" * 12 + "4" + "0" * 3 + "8" + "0" * 15
    for name in (
        "imageUuid",
        "instanceOfferingUuid",
        "zoneUuid",
        "clusterUuid",
        "hostUuid",
        "rootDiskOfferingUuid",
    ):
        iso = await iso_image(world) if name == "rootDiskOfferingUuid" else world.image
        params = world.vm_params(imageUuid=iso) | {name: missing}
        answer = await world.admin.job("POST", "/vm-instances", {"params": params})
        assert answer.code == "SYS.1003", (name, answer)
    for name in ("l3NetworkUuids", "dataDiskOfferingUuids"):
        params = world.vm_params(**{name: [missing]})
        assert (await world.admin.job("POST", "/vm-instances", {"params": params})).code == "SYS.1003", name
    assert await world.service.db.fetchval("SELECT count(*) FROM vm_instances") == 0
    assert await world.service.db.fetchval("SELECT count(*) FROM used_ips") == 0


async def iso_image(world: World) -> str:
    image = await world.admin.create(
        "/images",
        name="iso",
        url="http://x/i.iso",
        format="iso",
        mediaType="ISO",
        backupStorageUuids=[BACKUP_STORAGE],
    )
    return image["uuid"]


async def test_parts_that_do_not_fit_are_refused(world: World) -> None:
    iso = await iso_image(world)
    refused = await world.admin.job("POST", "/vm-instances", {"params": world.vm_params(imageUuid=iso)})
    assert refused.code == "SYS.1007"
    from_iso = await world.vm(imageUuid=iso, rootDiskOfferingUuid=world.disk)
    assert from_iso["allVolumes"][0]["size"] == 20 * GIB
    other = world.vm_params(defaultL3NetworkUuid=world.image)
    assert (await world.admin.job("POST", "/vm-instances", {"params": other})).code == "SYS.1007"
    await world.admin.job(
        "PUT", f"/images/{world.image}/actions", {"changeImageState": {"stateEvent": "disable"}}
    )
    assert (await world.admin.job("POST", "/vm-instances", {"params": world.vm_params()})).code == "SYS.1006"


async def test_a_host_must_be_enabled_and_connected_and_have_the_network(world: World) -> None:
    async def code() -> str:
        return (await world.admin.job("POST", "/vm-instances", {"params": world.vm_params()})).code

    for path, action in (
        (f"/hosts/{world.host}/actions", "changeHostState"),
        (f"/clusters/{world.cluster}/actions", "changeClusterState"),
        (f"/zones/{world.zone}/actions", "changeZoneState"),
    ):
        assert (await world.admin.job("PUT", path, {action: {"stateEvent": "disable"}})).status == 200
        assert await code() == "SYS.1006", action
        assert (await world.admin.job("PUT", path, {action: {"stateEvent": "enable"}})).status == 200
    path = f"/l2-networks/{world.l2}/clusters/{world.cluster}"
    assert (await world.admin.job("DELETE", path)).inventory["attachedClusterUuids"] == []
    assert await code() == "SYS.1006"
    await world.admin.job("POST", path)
    assert (await world.vm())["hostUuid"] == world.host


async def test_just_create_takes_no_host_and_starts_later(world: World) -> None:
    vm = await world.vm(strategy="JustCreate", dataDiskOfferingUuids=[world.disk])
    assert vm["state"] == "Created"
    assert "hostUuid" not in vm
    assert len(vm["allVolumes"]) == 2
    started = (await world.act(vm, "startVmInstance", hostUuid=world.host)).inventory
    assert started["state"] == "Running"
    assert started["hypervisorType"] == "Simulator"


async def test_a_failed_creation_gives_everything_back(world: World) -> None:
    for action in ("define", "start"):
        await world.fault(action, error="no more power", remaining=1)
        answer = await world.admin.job(
            "POST",
            "/vm-instances",
            {"params": world.vm_params(dataDiskOfferingUuids=[world.disk])},
        )
        assert answer.code == "VM.1001"
        assert answer.body["error"]["cause"]["details"] == "no more power"
        for table in ("vm_instances", "vm_nics", "volumes", "used_ips", "simulator_domains"):
            assert await world.service.db.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    await world.check_counters()
    assert (await world.vm())["vmNics"][0]["ip"] == "192.168.0.2"


async def test_after_a_failed_action_the_vm_is_what_its_host_says(world: World) -> None:
    vm = await world.vm()
    for action, fault, code in (
        ("stopVmInstance", "stop", "VM.1002"),
        ("rebootVmInstance", "reboot", "VM.1003"),
        ("pauseVmInstance", "pause", "VM.1010"),
    ):
        await world.fault(fault, error="stuck", remaining=1)
        answer = await world.act(vm, action)
        assert answer.status == 503
        if code != "VM.1010":
            assert answer.code == code
        assert await world.state(vm) == "Running", action
    await world.fault("destroy", error="stuck", remaining=1)
    assert (await world.admin.job("DELETE", f"/vm-instances/{vm['uuid']}")).code == "VM.1004"
    assert await world.state(vm) == "Running"
    await world.act(vm, "stopVmInstance")
    await world.fault("start", error="stuck", remaining=1)
    assert (await world.act(vm, "startVmInstance")).code == "VM.1001"
    assert await world.state(vm) == "Stopped"
    await world.check_counters()


async def test_tenants_use_what_is_shared_and_nothing_else(world: World) -> None:
    tenant, stranger = await world.tenant(), await world.tenant("stranger")
    answer = await tenant.job("POST", "/vm-instances", {"params": world.vm_params()})
    assert answer.code == "SYS.1003"
    await world.share()
    vm = await world.vm(tenant)
    assert (await tenant.get(f"/vm-instances/{vm['uuid']}")).body["inventories"] == [vm]
    assert (await stranger.get(f"/vm-instances/{vm['uuid']}")).body["inventories"] == []
    for action in (
        "startVmInstance",
        "stopVmInstance",
        "rebootVmInstance",
        "pauseVmInstance",
        "resumeVmInstance",
        "recoverVmInstance",
        "expungeVmInstance",
        "updateVmInstance",
    ):
        assert (await world.act(vm, action, stranger)).code == "SYS.1003", action
    body = {"changeInstanceOffering": {"instanceOfferingUuid": world.offering}}
    path = f"/vm-instances/{vm['uuid']}"
    assert (await stranger.job("PUT", f"{path}/actions", body)).code == "SYS.1003"
    assert (await stranger.get(f"{path}/console-addresses")).code == "SYS.1003"
    assert (await stranger.job("POST", f"{path}/l3-networks/{world.l3}")).code == "SYS.1003"
    nic = vm["vmNics"][0]["uuid"]
    assert (await stranger.job("DELETE", f"/vm-instances/nics/{nic}")).code == "SYS.1003"
    assert (await stranger.job("DELETE", path)).status == 200  # as if it were gone
    assert await world.state(vm) == "Running"
    assert (await stranger.job("DELETE", "/vm-instances/nonsense")).code == "SYS.1003"


async def test_update_resize_and_console(world: World) -> None:
    vm = await world.vm()
    changed = await world.act(vm, "updateVmInstance", name="new", description="d")
    assert (changed.inventory["name"], changed.inventory["description"]) == ("new", "d")
    assert (await world.act(vm, "updateVmInstance", defaultL3NetworkUuid=world.zone)).code == "SYS.1007"
    console = await world.admin.get(f"/vm-instances/{vm['uuid']}/console-addresses")
    assert console.body == {"hostIp": "10.0.0.1", "port": 5900, "protocol": "vnc"}
    big = await world.admin.create("/instance-offerings", name="big", cpuNum=4, memorySize=4 * GIB)
    assert (await world.act(vm, "changeInstanceOffering", instanceOfferingUuid=big["uuid"])).code == "VM.1010"
    await world.act(vm, "stopVmInstance", type="cold")
    answer = await world.act(vm, "changeInstanceOffering", instanceOfferingUuid=big["uuid"])
    assert (answer.inventory["cpuNum"], answer.inventory["memorySize"]) == (4, 4 * GIB)
    assert (await world.act(vm, "changeInstanceOffering", instanceOfferingUuid=world.zone)).code == "SYS.1003"
    assert (await world.admin.get(f"/vm-instances/{vm['uuid']}/console-addresses")).code == "SYS.1006"
    await world.act(vm, "startVmInstance")
    await world.check_counters()


async def test_nics_come_and_go(world: World) -> None:
    vm = await world.vm()
    path = f"/vm-instances/{vm['uuid']}/l3-networks"
    assert (await world.admin.job("POST", f"{path}/{world.l3}")).code == "SYS.1007"  # it has one there
    second = await world.admin.create("/l3-networks", name="l3b", l2NetworkUuid=world.l2)
    assert (await world.admin.job("POST", f"{path}/{second['uuid']}")).code == "SYS.1006"  # no addresses
    await world.admin.create(
        f"/l3-networks/{second['uuid']}/ip-ranges/by-cidr", name="r", networkCidr="10.9.0.0/24"
    )
    await world.fault("define", error="no slot", remaining=1)
    assert (await world.admin.job("POST", f"{path}/{second['uuid']}")).code == "SYS.1006"
    await world.check_counters()
    attached = (await world.admin.job("POST", f"{path}/{second['uuid']}")).inventory
    assert [nic["deviceId"] for nic in attached["vmNics"]] == [0, 1]
    macs = [nic["mac"] for nic in attached["vmNics"]]
    assert await world.service.db.fetchval("SELECT nics FROM simulator_domains") == macs
    first = attached["vmNics"][0]["uuid"]
    detached = (await world.admin.job("DELETE", f"/vm-instances/nics/{first}")).inventory
    assert [nic["mac"] for nic in detached["vmNics"]] == macs[1:]
    assert detached["defaultL3NetworkUuid"] == second["uuid"]
    assert (await world.admin.job("DELETE", f"/vm-instances/nics/{first}")).code == "SYS.1003"
    await world.check_counters()


async def test_what_hangs_on_a_vm_follows_it_to_its_new_owner(shared_world: World) -> None:
    world = shared_world
    old, new = await world.tenant("old"), await world.tenant("new")
    vm = await world.vm(old, dataDiskOfferingUuids=[world.disk])
    data = vm["allVolumes"][1]["uuid"]
    snapshot = await old.create(f"/volumes/{data}/volume-snapshots", name="s")
    public = await world.admin.create(
        "/l3-networks", name="public", l2NetworkUuid=world.l2, category="Public"
    )
    await world.admin.create(
        f"/l3-networks/{public['uuid']}/ip-ranges/by-cidr", name="r", networkCidr="9.9.9.0/24"
    )
    share = {"resourceUuids": [public["uuid"]], "toPublic": True}
    await world.admin.job("PUT", "/accounts/resources/actions", {"shareResource": share})
    vip = await old.create("/vips", name="vip", l3NetworkUuid=public["uuid"])
    nic = vm["vmNics"][0]["uuid"]
    eip = await old.create("/eips", name="eip", vipUuid=vip["uuid"], vmNicUuid=nic)
    account = await world.service.db.fetchval("SELECT uuid FROM accounts WHERE name = 'new'")
    answer = await world.admin.job(
        "POST", f"/account/{account}/resources", {"params": {"resourceUuid": vm["uuid"]}}
    )
    assert answer.status == 200, answer
    for path, uuid in (
        ("/vm-instances", vm["uuid"]),
        ("/vm-instances/nics", nic),
        ("/volumes", vm["rootVolumeUuid"]),
        ("/volumes", data),
        ("/volume-snapshots", snapshot["uuid"]),
        ("/eips", eip["uuid"]),
        ("/vips", vip["uuid"]),
    ):
        assert len((await new.get(f"{path}/{uuid}")).body["inventories"]) == 1, path
        assert (await old.get(f"{path}/{uuid}")).body["inventories"] == [], path
    for uuid in (nic, vm["rootVolumeUuid"], snapshot["uuid"]):
        body = {"params": {"resourceUuid": uuid}}
        owner = await world.service.db.fetchval("SELECT uuid FROM accounts WHERE name = 'old'")
        assert (await world.admin.job("POST", f"/account/{owner}/resources", body)).code == "SYS.1006"


async def test_the_new_owner_must_have_the_quota(shared_world: World) -> None:
    world = shared_world
    old = await world.tenant("old")
    await world.tenant("new")
    account = await world.service.db.fetchval("SELECT uuid FROM accounts WHERE name = 'new'")
    body = {"identityUuid": account, "name": "vm.num", "value": 0}
    await world.admin.job("PUT", "/accounts/quotas/actions", {"updateQuota": body})
    vm = await world.vm(old)
    path = f"/account/{account}/resources"
    answer = await world.admin.job("POST", path, {"params": {"resourceUuid": vm["uuid"]}})
    assert answer.code == "ID.1003"
    await world.act(vm, "pauseVmInstance", old)
    answer = await world.admin.job("POST", path, {"params": {"resourceUuid": vm["uuid"]}})
    assert answer.code == "VM.1010"
