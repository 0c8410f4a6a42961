"""Zones, clusters, hosts, images, offerings and networks: changes, limits, cascades and who may do what."""

from typing import Any

import pytest
from world import World

from app import BACKUP_STORAGE, Answer

MISSING = "0" * 12 + "4" + "0" * 3 + "8" + "0" * 15


async def act(world: World, path: str, action: str, **params: Any) -> Answer:
    return await world.admin.job("PUT", f"{path}/actions", {action: params})


async def test_names_change_and_unknown_ones_are_not_found(world: World) -> None:
    for path, uuid, noun in (
        ("/zones", world.zone, "Zone"),
        ("/clusters", world.cluster, "Cluster"),
        ("/hosts", world.host, "Host"),
        ("/images", world.image, "Image"),
        ("/instance-offerings", world.offering, "InstanceOffering"),
        ("/disk-offerings", world.disk, "DiskOffering"),
        ("/l2-networks", world.l2, "L2Network"),
        ("/l3-networks", world.l3, "L3Network"),
        ("/l3-networks/ip-ranges", world.ip_range, "IpRange"),
    ):
        changed = await act(world, f"{path}/{uuid}", f"update{noun}", name="new", description="d")
        assert (changed.inventory["name"], changed.inventory["description"]) == ("new", "d"), path
        seen = (await world.admin.get(f"{path}/{uuid}")).body["inventories"][0]
        assert seen["name"] == "new"
        assert (await act(world, f"{path}/{MISSING}", f"update{noun}", name="x")).code == "SYS.1003", path
        assert (await world.admin.job("DELETE", f"{path}/{MISSING}")).status == 200, path
        assert (await world.admin.job("DELETE", f"{path}/nonsense")).code == "SYS.1003", path


async def test_states_change(world: World) -> None:
    for path, uuid, noun in (
        ("/images", world.image, "Image"),
        ("/instance-offerings", world.offering, "InstanceOffering"),
        ("/disk-offerings", world.disk, "DiskOffering"),
        ("/l3-networks", world.l3, "L3Network"),
        ("/hosts", world.host, "Host"),
    ):
        for event, state in (("disable", "Disabled"), ("enable", "Enabled")):
            answer = await act(world, f"{path}/{uuid}", f"change{noun}State", stateEvent=event)
            assert answer.inventory["state"] == state, path
        answer = await act(world, f"{path}/{MISSING}", f"change{noun}State", stateEvent="enable")
        assert answer.code == "SYS.1003", path
        bad = await act(world, f"{path}/{uuid}", f"change{noun}State", stateEvent="explode")
        assert bad.status == 400


async def test_a_uuid_is_used_once(world: World) -> None:
    taken = world.zone
    for path, params in (
        ("/clusters", {"zoneUuid": world.zone, "hypervisorType": "KVM"}),
        ("/hosts/simulators", {"clusterUuid": world.cluster, "managementIp": "10.0.0.2"}),
        ("/images", {"url": "u", "format": "raw", "backupStorageUuids": [BACKUP_STORAGE]}),
        ("/instance-offerings", {"cpuNum": 1, "memorySize": 1}),
        ("/disk-offerings", {"diskSize": 1}),
        ("/l2-networks/no-vlan", {"zoneUuid": world.zone, "physicalInterface": "e"}),
        ("/l2-networks/vlan", {"zoneUuid": world.zone, "physicalInterface": "e", "vlan": 5}),
        ("/l3-networks", {"l2NetworkUuid": world.l2}),
        (f"/l3-networks/{world.l3}/ip-ranges/by-cidr", {"networkCidr": "10.8.0.0/24"}),
        ("/volumes/data", {"diskSize": 1}),
        ("/vips", {"l3NetworkUuid": world.l3}),
        ("/vm-instances", world.vm_params()),
    ):
        body = {"params": params | {"name": "n", "resourceUuid": taken}}
        assert (await world.admin.job("POST", path, body)).code == "SYS.1000", path


async def test_parents_must_exist_and_fit(world: World) -> None:
    for path, params, code in (
        ("/clusters", {"zoneUuid": MISSING, "hypervisorType": "KVM"}, "SYS.1003"),
        ("/hosts/simulators", {"clusterUuid": MISSING, "managementIp": "10.0.0.2"}, "SYS.1003"),
        ("/hosts/simulators", {"clusterUuid": world.cluster, "managementIp": "10.0.0.1"}, "SYS.1007"),
        (
            "/hosts/kvm",
            {"clusterUuid": world.cluster, "managementIp": "1.1.1.1", "username": "u", "password": "p"},
            "SYS.1007",
        ),
        ("/l2-networks/no-vlan", {"zoneUuid": MISSING, "physicalInterface": "e"}, "SYS.1003"),
        ("/l3-networks", {"l2NetworkUuid": MISSING}, "SYS.1003"),
        (f"/l3-networks/{MISSING}/ip-ranges/by-cidr", {"networkCidr": "10.8.0.0/24"}, "SYS.1003"),
        ("/vips", {"l3NetworkUuid": MISSING}, "SYS.1003"),
        ("/eips", {"vipUuid": MISSING}, "SYS.1003"),
    ):
        answer = await world.admin.job("POST", path, {"params": params | {"name": "n"}})
        assert answer.code == code, (path, answer)


async def test_parameters_have_limits(service: Any) -> None:
    defaults = {
        "name": "n",
        "zoneUuid": MISSING,
        "physicalInterface": "e",
        "l2NetworkUuid": MISSING,
        "imageUuid": MISSING,
        "instanceOfferingUuid": MISSING,
    }
    for path, params in (
        ("/clusters", {"hypervisorType": "Xen"}),
        ("/instance-offerings", {"cpuNum": 0, "memorySize": 1}),
        ("/instance-offerings", {"cpuNum": 1025, "memorySize": 1}),
        ("/disk-offerings", {"diskSize": 0}),
        ("/l2-networks/vlan", {"vlan": 0}),
        ("/l2-networks/vlan", {"vlan": 4095}),
        ("/images", {"url": "u", "format": "raw", "backupStorageUuids": []}),
        (
            "/images",
            {"url": "u", "format": "raw", "backupStorageUuids": [BACKUP_STORAGE], "mediaType": "Floppy"},
        ),
        ("/l3-networks", {"category": "Secret"}),
        ("/vm-instances", {"strategy": "Never"}),
    ):
        answer = await service.admin.call("POST", path, {"params": defaults | params})
        assert answer.status == 400, (path, params)


async def test_a_bad_range_is_refused(world: World) -> None:
    path = f"/l3-networks/{world.l3}/ip-ranges"
    for start, end in (("10.0.0.9", "10.0.0.2"), ("192.168.5.2", "192.168.5.9")):  # in no order; an overlap
        gateway = start.rpartition(".")[0] + ".1"
        params = {"name": "r", "startIp": start, "endIp": end, "netmask": "255.255.255.0", "gateway": gateway}
        assert (await world.admin.job("POST", path, {"params": params})).code == "SYS.1007"
    bad = {"name": "r", "networkCidr": "10.0.0.0/31"}
    assert (await world.admin.job("POST", f"{path}/by-cidr", {"params": bad})).code == "SYS.1007"


async def test_dns_servers_and_l2_attachments(world: World) -> None:
    path = f"/l3-networks/{world.l3}/dns"
    for dns in ("8.8.8.8", "1.1.1.1"):
        await world.admin.create(path, dns=dns)
    assert (await world.admin.job("POST", path, {"params": {"dns": "8.8.8.8"}})).code == "SYS.1007"
    assert (await world.admin.job("POST", path, {"params": {"dns": "nonsense"}})).code == "SYS.1007"
    seen = (await world.admin.get(f"/l3-networks/{world.l3}")).body["inventories"][0]
    assert seen["dns"] == ["8.8.8.8", "1.1.1.1"]
    assert seen["ipRanges"][0]["networkCidr"] == "192.168.0.0/16"
    assert (await world.admin.job("DELETE", f"{path}/8.8.8.8")).inventory["dns"] == ["1.1.1.1"]
    vlan = await world.admin.create(
        "/l2-networks/vlan", name="v", zoneUuid=world.zone, physicalInterface="eth0", vlan=10
    )
    assert vlan["vlan"] == 10
    attach = f"/l2-networks/{vlan['uuid']}/clusters"
    assert (await world.admin.job("POST", f"{attach}/{world.cluster}")).status == 200
    assert (await world.admin.job("POST", f"{attach}/{world.cluster}")).code == "SYS.1007"
    assert (await world.admin.job("POST", f"{attach}/{MISSING}")).code == "SYS.1003"
    same = await world.admin.create(
        "/l2-networks/vlan", name="w", zoneUuid=world.zone, physicalInterface="eth0", vlan=10
    )
    refused = await world.admin.job("POST", f"/l2-networks/{same['uuid']}/clusters/{world.cluster}")
    assert refused.code == "SYS.1006"
    zone = await world.admin.create("/zones", name="far")
    far = await world.admin.create("/clusters", name="c", zoneUuid=zone["uuid"], hypervisorType="KVM")
    assert (await world.admin.job("POST", f"{attach}/{far['uuid']}")).code == "SYS.1007"
    vlans = (await world.admin.get("/l2-networks/vlan?q=vlan=10&sort=name")).body["inventories"]
    assert [v["name"] for v in vlans] == ["v", "w"]


async def test_vips_and_eips(world: World) -> None:
    vm = await world.vm()
    nic = vm["vmNics"][0]["uuid"]
    public = (await world.admin.create("/l3-networks", name="p", l2NetworkUuid=world.l2))["uuid"]
    await world.admin.create(f"/l3-networks/{public}/ip-ranges/by-cidr", name="r", networkCidr="9.9.9.0/29")
    wanted = await world.admin.create("/vips", name="w", l3NetworkUuid=public, requiredIp="9.9.9.5")
    assert wanted["ip"] == "9.9.9.5"
    vip = await world.admin.create("/vips", name="v", l3NetworkUuid=public)
    assert vip["ip"] == "9.9.9.2"
    for ip, code in (("9.9.9.5", "SYS.1006"), ("9.9.8.5", "SYS.1007"), ("x", "SYS.1007")):
        params = {"name": "n", "l3NetworkUuid": public, "requiredIp": ip}
        assert (await world.admin.job("POST", "/vips", {"params": params})).code == code
    eip = await world.admin.create("/eips", name="e", vipUuid=vip["uuid"])
    again = {"params": {"name": "e", "vipUuid": vip["uuid"]}}
    assert (await world.admin.job("POST", "/eips", again)).code == "SYS.1007"
    path = f"/eips/{eip['uuid']}/vm-instances/nics"
    assert (await world.admin.job("POST", f"{path}/{MISSING}")).code == "SYS.1003"
    attached = (await world.admin.job("POST", f"{path}/{nic}")).inventory
    assert (attached["vmNicUuid"], attached["guestIp"]) == (nic, vm["vmNics"][0]["ip"])
    assert (await world.admin.job("POST", f"{path}/{nic}")).code == "SYS.1006"
    second = await world.admin.create("/eips", name="f", vipUuid=wanted["uuid"])
    taken = await world.admin.job("POST", f"/eips/{second['uuid']}/vm-instances/nics/{nic}")
    assert taken.code == "SYS.1007"
    used = (await world.admin.get(f"/vips/{vip['uuid']}")).body["inventories"][0]
    assert (used["useFor"], used["peerL3NetworkUuid"]) == ("Eip", world.l3)
    detached = (await world.admin.job("DELETE", path)).inventory
    assert "vmNicUuid" not in detached
    for noun, uuid in (("Vip", vip["uuid"]), ("Eip", eip["uuid"])):
        base = f"/{noun.lower()}s/{uuid}"
        assert (await act(world, base, f"update{noun}", name="n2")).inventory["name"] == "n2"
        state = await act(world, base, f"change{noun}State", stateEvent="disable")
        assert state.inventory["state"] == "Disabled"
    assert (await world.admin.job("POST", f"{path}/{nic}")).code == "SYS.1006"  # disabled
    tenant = await world.tenant()
    for noun, uuid in (("Vip", vip["uuid"]), ("Eip", eip["uuid"])):
        base = f"/{noun.lower()}s/{uuid}"
        for action, params in ((f"update{noun}", {}), (f"change{noun}State", {"stateEvent": "enable"})):
            answer = await tenant.job("PUT", f"{base}/actions", {action: params})
            assert answer.code == "SYS.1003"
        assert (await tenant.job("DELETE", base)).status == 200
    assert (await tenant.job("DELETE", path)).code == "SYS.1003"
    assert (await world.admin.job("DELETE", f"/eips/{eip['uuid']}")).status == 200
    assert (await world.admin.job("DELETE", f"/vips/{vip['uuid']}")).status == 200
    assert (await world.admin.create("/vips", name="v", l3NetworkUuid=public))["ip"] == "9.9.9.2"
    await world.check_counters()


async def test_normal_accounts_build_no_infrastructure(shared_world: World) -> None:
    world = shared_world
    tenant = await world.tenant()
    for method, path, body in (
        ("POST", "/clusters", {"params": {}}),
        ("POST", "/hosts/kvm", {"params": {}}),
        ("POST", "/hosts/simulators", {"params": {}}),
        ("POST", "/instance-offerings", {"params": {}}),
        ("POST", "/disk-offerings", {"params": {}}),
        ("POST", "/l2-networks/no-vlan", {"params": {}}),
        ("POST", "/l2-networks/vlan", {"params": {}}),
        ("POST", "/l3-networks", {"params": {}}),
        ("POST", f"/l3-networks/{world.l3}/ip-ranges", {"params": {}}),
        ("POST", f"/l2-networks/{world.l2}/clusters/{world.cluster}", None),
        ("PUT", f"/hosts/{world.host}/actions", {"reconnectHost": {}}),
        ("DELETE", f"/clusters/{world.cluster}", None),
        ("DELETE", f"/hosts/{world.host}", None),
        ("DELETE", f"/instance-offerings/{world.offering}", None),
        ("DELETE", f"/disk-offerings/{world.disk}", None),
        ("DELETE", f"/l2-networks/{world.l2}", None),
        ("DELETE", f"/l3-networks/{world.l3}", None),
        ("DELETE", f"/l3-networks/ip-ranges/{world.ip_range}", None),
    ):
        assert (await tenant.call(method, path, body)).code == "ID.1002", path
    assert (await tenant.job("DELETE", f"/images/{world.image}")).code == "ID.1002"
    assert (await tenant.job("PUT", f"/images/{world.image}/actions", {"updateImage": {}})).code == "ID.1002"
    assert len((await world.admin.get("/images")).body["inventories"]) == 1
    own = await tenant.create("/images", name="i", url="u", format="raw", backupStorageUuids=[BACKUP_STORAGE])
    assert [r["backupStorageUuid"] for r in own["backupStorageRefs"]] == [BACKUP_STORAGE]
    account = await world.service.db.fetchval("SELECT uuid FROM accounts WHERE name = 'tenant'")
    for name in ("image.num", "vip.num", "eip.num"):
        body = {"identityUuid": account, "name": name, "value": 1}
        await world.admin.job("PUT", "/accounts/quotas/actions", {"updateQuota": body})
    params = {"name": "i", "url": "u", "format": "raw", "backupStorageUuids": [BACKUP_STORAGE]}
    assert (await tenant.job("POST", "/images", {"params": params})).code == "ID.1003"
    await tenant.create("/vips", name="v", l3NetworkUuid=world.l3)
    params = {"name": "v", "l3NetworkUuid": world.l3}
    assert (await tenant.job("POST", "/vips", {"params": params})).code == "ID.1003"
    assert (await tenant.job("DELETE", f"/images/{own['uuid']}")).status == 200


async def test_deleting_the_zone_deletes_all_that_is_in_it(world: World) -> None:
    vm = await world.vm(dataDiskOfferingUuids=[world.disk])
    await world.admin.create("/vips", name="v", l3NetworkUuid=world.l3)
    assert (await world.admin.job("DELETE", f"/zones/{world.zone}")).status == 200
    for table in ("zones", "clusters", "hosts", "l2_networks", "l3_networks", "ip_ranges", "vm_instances"):
        assert await world.service.db.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    for table in ("vm_nics", "vips", "used_ips"):
        assert await world.service.db.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    left = await world.service.db.fetch("SELECT type, vm_instance_uuid FROM volumes")
    assert [tuple(row) for row in left] == [("Data", None)]
    assert await world.service.db.fetchval("SELECT vm_uuid FROM stray_domains") == vm["uuid"]
    orphans = await world.service.db.fetchval(
        "SELECT count(*) FROM resource_owners WHERE resource_type LIKE 'Vm%' OR resource_type = 'IpRangeVO'"
    )
    assert orphans == 0


@pytest.mark.parametrize("what", ["cluster", "host"])
async def test_deleting_the_ground_under_vms_stops_them(world: World, what: str) -> None:
    vm = await world.vm()
    path = f"/clusters/{world.cluster}" if what == "cluster" else f"/hosts/{world.host}"
    assert (await world.admin.job("DELETE", path)).status == 200
    seen = (await world.admin.get(f"/vm-instances/{vm['uuid']}")).body["inventories"][0]
    assert seen["state"] == "Stopped"
    assert "hostUuid" not in seen
    assert "lastHostUuid" not in seen
    assert await world.service.db.fetchval("SELECT count(*) FROM hosts") == 0


async def test_deleting_a_network_takes_its_nics(world: World) -> None:
    vm = await world.vm()
    assert (await world.admin.job("DELETE", f"/l2-networks/{world.l2}")).status == 200
    seen = (await world.admin.get(f"/vm-instances/{vm['uuid']}")).body["inventories"][0]
    assert seen["vmNics"] == []
    assert await world.service.db.fetchval("SELECT count(*) FROM used_ips") == 0


async def test_deleting_image_and_offering_leaves_the_vm(world: World) -> None:
    vm = await world.vm()
    for path in (f"/images/{world.image}", f"/instance-offerings/{world.offering}"):
        assert (await world.admin.job("DELETE", path)).status == 200
    await act(world, f"/images/{world.image}", "expungeImage")
    seen = (await world.admin.get(f"/vm-instances/{vm['uuid']}")).body["inventories"][0]
    assert "imageUuid" not in seen
    assert "instanceOfferingUuid" not in seen
    assert seen["state"] == "Running"


async def test_maintenance_stops_the_vms(world: World) -> None:
    vm, paused = await world.vm(), await world.vm()
    await world.act(paused, "pauseVmInstance")
    path = f"/hosts/{world.host}"
    answer = await act(world, path, "changeHostState", stateEvent="maintain")
    assert answer.inventory["state"] == "Maintenance"
    assert (await world.state(vm), await world.state(paused)) == ("Stopped", "Stopped")
    assert await world.service.db.fetchval("SELECT count(*) FROM simulator_domains") == 0
    assert (await world.act(vm, "startVmInstance")).code == "VM.1001"
    await act(world, path, "changeHostState", stateEvent="enable")
    assert (await world.act(vm, "startVmInstance")).status == 200
    await world.check_counters()


async def test_a_host_that_cannot_be_connected_is_not_added(world: World) -> None:
    await world.fault("capacity", error="no route", remaining=1)
    params = {"name": "h", "clusterUuid": world.cluster, "managementIp": "10.0.0.7"}
    assert (await world.admin.job("POST", "/hosts/simulators", {"params": params})).code == "SYS.1006"
    made = await world.admin.create("/hosts/simulators", **params, cpuCapacity=4, memoryCapacity=1000)
    assert (made["availableCpuCapacity"], made["totalMemoryCapacity"]) == (4, 1000)


async def test_a_kvm_host_keeps_its_password_sealed(world: World) -> None:
    cluster = await world.admin.create("/clusters", name="k", zoneUuid=world.zone, hypervisorType="KVM")
    host = await world.admin.create(
        "/hosts/kvm",
        name="k",
        managementIp="10.0.0.9",
        clusterUuid=cluster["uuid"],
        username="root",
        password="secret",
    )
    assert host["hypervisorType"] == "KVM"
    assert "password" not in host
    kept = await world.service.db.fetchval("SELECT password FROM hosts WHERE uuid = $1", host["uuid"])
    assert "secret" not in kept
    requests = await world.service.db.fetch("SELECT request FROM api_jobs")
    assert not any('"secret"' in (row["request"] or "") for row in requests)
    assert (await act(world, f"/hosts/{host['uuid']}", "reconnectHost")).inventory["status"] == "Connected"
