"""Where a VM could start, and what could be attached to what: as the actions themselves decide it."""

from app import PRIMARY_STORAGE, Client
from compute.world import World


async def candidates(client: Client, uuid: str) -> tuple[list[str], list[str]]:
    answer = await client.get(f"/vm-instances/{uuid}/starting-target-hosts")
    assert answer.status == 200, answer
    return tuple([one["uuid"] for one in answer.body[name]] for name in ("hosts", "clusters"))  # type: ignore[return-value]


async def test_the_candidates_are_where_a_start_would_go(world: World) -> None:
    await world.share()
    tenant = await world.tenant()
    vm = await world.vm(tenant)
    await world.act(vm, "stopVmInstance", tenant)
    assert await candidates(tenant, vm["uuid"]) == ([world.host], [world.cluster])
    roomy = await world.admin.create(
        "/hosts/simulators", name="h", managementIp="10.0.0.77", clusterUuid=world.cluster
    )
    await world.service.db.execute(
        "UPDATE hosts SET available_memory_capacity = total_memory_capacity / 2 WHERE uuid = $1", world.host
    )
    hosts, _ = await candidates(world.admin, vm["uuid"])
    assert hosts == [roomy["uuid"], world.host]
    for uuid in hosts:
        body = {"changeHostState": {"stateEvent": "disable"}}
        assert (await world.admin.job("PUT", f"/hosts/{uuid}/actions", body)).status == 200
    assert await candidates(tenant, vm["uuid"]) == ([], [])
    assert (await world.act(vm, "startVmInstance", tenant)).code == "VM.1001"
    other = await world.tenant("other")
    assert (await other.get(f"/vm-instances/{vm['uuid']}/starting-target-hosts")).code == "SYS.1003"


async def told(client: Client, path: str, **params: str) -> list[str]:
    answer = await client.get(path, params=params)
    assert answer.status == 200, answer
    shown = answer.body["inventories"]
    assert len(answer.body["schema"]) >= len(shown)
    return sorted(one["uuid"] for one in shown)


async def second_network(world: World) -> str:
    """A network of addresses on the VM's L2 network, for everybody."""
    l3 = await world.admin.create("/l3-networks", name="public", l2NetworkUuid=world.l2)
    path = f"/l3-networks/{l3['uuid']}/ip-ranges/by-cidr"
    await world.admin.create(path, name="r", networkCidr="9.9.9.0/24")
    body = {"resourceUuids": [l3["uuid"]], "toPublic": True}
    await world.admin.job("PUT", "/accounts/resources/actions", {"shareResource": body})
    return l3["uuid"]


async def test_candidates_for_a_data_volume_are_the_vms_that_take_it(world: World) -> None:
    await world.share()
    tenant = await world.tenant()
    await world.vm()  # another account's
    vm, gone = await world.vm(tenant), await world.vm(tenant)
    assert (await tenant.job("DELETE", f"/vm-instances/{gone['uuid']}")).status == 200
    volume = await tenant.create("/volumes/data", name="v", diskOfferingUuid=world.disk)
    vms, volumes = f"/volumes/{volume['uuid']}/candidate-vm-instances", "data-volume-candidates"
    assert await told(tenant, vms) == await told(world.admin, vms) == [vm["uuid"]]
    assert await told(tenant, f"/vm-instances/{vm['uuid']}/{volumes}") == [volume["uuid"]]
    assert await told(tenant, f"/vm-instances/{gone['uuid']}/{volumes}") == []
    attach = f"/volumes/{volume['uuid']}/vm-instances"
    assert (await tenant.job("POST", f"{attach}/{gone['uuid']}")).code == "VM.1010"
    assert (await tenant.job("POST", f"{attach}/{vm['uuid']}")).status == 200
    assert await told(tenant, vms) == []
    assert await told(tenant, f"/vm-instances/{vm['uuid']}/{volumes}") == []


async def test_candidates_for_a_nic_are_the_networks_of_the_vms_place(world: World) -> None:
    await world.share()
    tenant = await world.tenant()
    vm = await world.vm(tenant)
    path = f"/vm-instances/{vm['uuid']}/l3-networks-candidates"
    assert await told(tenant, path) == []
    other = await second_network(world)
    elsewhere = await world.admin.create(
        "/l2-networks/no-vlan", name="l2", zoneUuid=world.zone, physicalInterface="eth1"
    )
    await world.admin.create("/l3-networks", name="far", l2NetworkUuid=elsewhere["uuid"])
    assert await told(tenant, path) == await told(world.admin, path) == [other]
    assert (await tenant.job("POST", f"/vm-instances/{vm['uuid']}/l3-networks/{other}")).status == 200
    assert await told(tenant, path) == []


async def test_candidates_for_an_eip_are_the_nics_that_take_it(world: World) -> None:
    await world.share()
    tenant = await world.tenant()
    vm = await world.vm(tenant, name="web-1")
    nic = vm["vmNics"][0]["uuid"]
    vip = await tenant.create("/vips", name="v", l3NetworkUuid=await second_network(world))
    eip = await tenant.create("/eips", name="e", vipUuid=vip["uuid"])
    own = await tenant.create("/vips", name="w", l3NetworkUuid=world.l3)
    useless = await tenant.create("/eips", name="f", vipUuid=own["uuid"])
    nics, eips = (
        f"/eips/{eip['uuid']}/vm-instances/candidate-nics",
        f"/vm-instances/nics/{nic}/candidate-eips",
    )
    assert await told(tenant, nics) == await told(tenant, nics, vmUuid=vm["uuid"], vmName="WEB") == [nic]
    assert await told(tenant, nics, vmName="db") == []
    assert await told(tenant, f"/eips/{useless['uuid']}/vm-instances/candidate-nics") == []
    assert await told(tenant, eips) == await told(world.admin, eips) == [eip["uuid"]]
    assert (await tenant.get(eips, params={"ipVersion": "6"})).status == 400
    assert (await tenant.job("POST", f"/eips/{eip['uuid']}/vm-instances/nics/{nic}")).status == 200
    assert await told(tenant, nics) == await told(tenant, eips) == []


async def test_candidates_for_new_volumes_are_the_storages(world: World) -> None:
    await world.share()
    tenant = await world.tenant()
    params = {"imageUuid": world.image, "l3NetworkUuids": world.l3, "dataDiskOfferingUuids": world.disk}
    answer = await tenant.get("/vm-instances/candidate-storages", params=params)
    assert [one["uuid"] for one in answer.body["rootVolumePrimaryStorages"]] == [PRIMARY_STORAGE]
    assert [one["uuid"] for one in answer.body["dataVolumePrimaryStorages"][world.disk]] == [PRIMARY_STORAGE]
