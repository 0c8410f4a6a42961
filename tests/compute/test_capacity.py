"""Quotas, addresses and the room on hosts under parallel creation."""

import asyncio
from collections import Counter

import pytest
from world import GIB, World

from app import Client
from zstack_mgmt.compute.vms.store import get_vm, place
from zstack_mgmt.core.errors import OperationError


async def create_many(world: World, client: Client, count: int) -> list[str]:
    """The outcome of so many creations at once: `ok` or the error's code."""

    async def one(number: int) -> str:
        answer = await client.job("POST", "/vm-instances", {"params": world.vm_params(name=f"vm{number}")})
        return "ok" if answer.status == 200 else answer.code

    return await asyncio.gather(*(one(number) for number in range(count)))


async def rows_left(world: World) -> dict[str, int]:
    tables = ("vm_instances", "vm_nics", "volumes", "used_ips", "simulator_domains")
    return {t: await world.service.db.fetchval(f"SELECT count(*) FROM {t}") for t in tables}


async def test_of_200_creations_against_a_quota_of_20_exactly_20_succeed(shared_world: World) -> None:
    tenant = await shared_world.tenant()
    outcomes = Counter(await create_many(shared_world, tenant, 200))
    assert outcomes == {"ok": 20, "ID.1003": 180}
    assert set((await rows_left(shared_world)).values()) == {20}
    owned = await shared_world.service.db.fetch(
        "SELECT resource_type, count(*) n FROM resource_owners WHERE resource_type LIKE ANY ($1) GROUP BY 1",
        ["Vm%", "Vol%"],
    )
    assert {row["resource_type"]: row["n"] for row in owned} == {
        "VmInstanceVO": 20,
        "VmNicVO": 20,
        "VolumeVO": 20,
    }
    usages = (await tenant.get(f"/accounts/quota/{await account_of(tenant)}/usages")).body["usages"]
    used = {usage["name"]: usage["used"] for usage in usages}
    assert used["vm.num"] == used["vm.totalNum"] == used["vm.cpuNum"] == 20
    assert used["vm.memorySize"] == 20 * GIB
    await shared_world.check_counters()


async def account_of(client: Client) -> str:
    refs = await client.get("/accounts/resources/refs?limit=1")
    return refs.body["inventories"][0]["accountUuid"]


async def test_a_host_is_filled_exactly(world: World) -> None:
    await world.service.db.execute(
        "UPDATE hosts SET total_cpu_capacity = 5, available_cpu_capacity = 5 WHERE uuid = $1", world.host
    )
    outcomes = Counter(await create_many(world, world.admin, 12))
    assert outcomes == {"ok": 5, "SYS.1006": 7}
    assert (await rows_left(world))["vm_instances"] == 5
    await world.check_counters()


async def test_addresses_are_given_once_gaps_are_filled_and_the_end_is_said(world: World) -> None:
    await world.admin.job("DELETE", f"/l3-networks/ip-ranges/{world.ip_range}")
    path = f"/l3-networks/{world.l3}/ip-ranges"
    range_ = {
        "startIp": "10.1.0.10",
        "endIp": "10.1.0.19",
        "netmask": "255.255.255.0",
        "gateway": "10.1.0.1",
    }
    made = await world.admin.create(path, name="r", **range_)
    assert made["networkCidr"] == "10.1.0.0/24"
    outcomes = Counter(await create_many(world, world.admin, 14))
    assert outcomes == {"ok": 10, "SYS.1006": 4}
    rows = await world.service.db.fetch("SELECT ip, vm_instance_uuid FROM vm_nics ORDER BY ip")
    assert [row["ip"] for row in rows] == [f"10.1.0.{n}" for n in range(10, 20)]
    for freed in ("10.1.0.17", "10.1.0.12"):
        uuid = next(row["vm_instance_uuid"] for row in rows if row["ip"] == freed)
        await world.admin.job("DELETE", f"/vm-instances/{uuid}")
        await world.act({"uuid": uuid}, "expungeVmInstance")
    assert [(await world.vm())["vmNics"][0]["ip"] for _ in range(2)] == ["10.1.0.12", "10.1.0.17"]
    in_use = await world.admin.job("DELETE", f"/l3-networks/ip-ranges/{made['uuid']}")
    assert in_use.code == "SYS.1006"
    capacity = await world.admin.get(f"/ip-capacity?l3NetworkUuids={world.l3}")
    assert capacity.body == {"totalCapacity": 10, "availableCapacity": 0, "usedIpAddressNumber": 10}
    await world.check_counters()


async def test_a_stopped_vm_starts_again_only_within_the_quota(shared_world: World) -> None:
    tenant = await shared_world.tenant()
    account = await account_of(tenant)
    body = {"identityUuid": account, "name": "vm.num", "value": 1}
    assert (
        await shared_world.admin.job("PUT", "/accounts/quotas/actions", {"updateQuota": body})
    ).status == 200
    first = await shared_world.vm(tenant)
    assert (await shared_world.act(first, "stopVmInstance", tenant)).status == 200
    second = await shared_world.vm(tenant)
    refused = await shared_world.act(first, "startVmInstance", tenant)
    assert refused.code == "ID.1003"
    assert await shared_world.state(first) == "Stopped"
    assert await shared_world.state(second) == "Running"
    await shared_world.check_counters()


async def test_full_hosts_are_not_looked_at_one_by_one(world: World) -> None:
    conn = world.service.db
    await conn.execute(
        """
        INSERT INTO hosts (uuid, name, zone_uuid, cluster_uuid, management_ip, hypervisor_type, status,
                           total_cpu_capacity, available_cpu_capacity, total_memory_capacity,
                           available_memory_capacity)
        SELECT 'full' || i, '', $1, $2, i::text, 'Simulator', 'Connected', 0, 0, 0, 0
        FROM generate_series(1, 50) i
        """,
        world.zone,
        world.cluster,
    )
    uuid = (await world.vm(strategy="JustCreate"))["uuid"]
    asked: list[str] = []
    conn.add_query_logger(lambda record: asked.append(record.query))
    transaction = conn.transaction()
    await transaction.start()
    vm = await place(conn, await get_vm(conn, uuid), "Starting", "start", "job")
    assert vm.host_uuid == world.host
    await transaction.rollback()
    await conn.execute("UPDATE hosts SET available_cpu_capacity = 0")
    vm = await get_vm(conn, uuid)
    asked.clear()
    with pytest.raises(OperationError, match="no host has 1 CPUs"):
        await place(conn, vm, "Starting", "start", "job")
    assert len(asked) < 5
