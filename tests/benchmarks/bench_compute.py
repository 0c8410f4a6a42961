"""Speed of the compute inventory on the simulator.

    make bench ARGS=tests/benchmarks/bench_compute.py

First part: a service of real processes, 2 workers, fsync on, one host and one /16 network; 1,000 VMs are
created, stopped and started, 64 calls in flight: how long a call with its result takes, and VMs per second.
Then 1,000 starts accepted at one instant: the time until all run. Beside the times stands the processor time
of a call in all processes of the service, which a busy machine changes less. Second part, one connection:
taking an address of a /16 with 60,000 in use (the free one at the end, and a gap), choosing among 1,000
hosts, and reserving for an account with 10,000 VMs.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))
sys.path.insert(0, str(Path(__file__).parents[1] / "compute"))

from stack import Stack, running_stack
from world import build

from app import Client, Service
from benchmarks.bench_engine import cpu_s
from benchmarks.sitting import Sitting
from zstack_mgmt.config import Settings
from zstack_mgmt.identity.quotas.usage import reserve

pytestmark = pytest.mark.bench

COUNT = 1000
AT_ONCE = 64


def processor_s(pid: int) -> float:
    """What a process and those below it have used."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return cpu_s(pid) + sum(processor_s(int(child)) for child in children)
    except (OSError, IndexError):  # it has ended
        return 0.0


def of_service(stack: Stack) -> float:
    assert stack.process is not None
    return processor_s(stack.process.pid)


async def drive(sitting: Sitting, stack: Stack, name: str, one: Callable[[int], Awaitable[Any]]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def timed(number: int) -> None:
        async with gate:
            started = time.perf_counter()
            answer = await one(number)
            assert answer.status == 200, answer
            sitting.add(f"{name}, ms", 1000 * (time.perf_counter() - started))

    started, before = time.perf_counter(), of_service(stack)
    await asyncio.gather(*(timed(number) for number in range(COUNT)))
    sitting.add(f"{name}, VMs/s", COUNT / (time.perf_counter() - started))
    sitting.add(f"{name}, ms of the processor", 1000 * (of_service(stack) - before) / COUNT)


async def test_power_actions() -> None:
    async with running_stack(WORKER_PROCESSES="2") as stack:
        db = await stack.db()
        admin = Client(stack.http, stack.base, stack.token)
        world = await build(Service(Settings(), stack.origin, stack.http, admin, admin, db))
        wait = {"Prefer": "wait=30"}
        params = {"params": world.vm_params()}
        sitting = Sitting("VMs")
        await drive(
            sitting, stack, "create a VM", lambda _: admin.call("POST", "/vm-instances", params, headers=wait)
        )
        rows = await db.fetch("SELECT uuid FROM vm_instances")
        paths = [f"/vm-instances/{row['uuid']}/actions" for row in rows]
        for action in ("stopVmInstance", "startVmInstance", "stopVmInstance"):
            await drive(
                sitting, stack, action, lambda n, a=action: admin.call("PUT", paths[n], {a: {}}, headers=wait)
            )
        started, before = time.perf_counter(), of_service(stack)
        await asyncio.gather(*(admin.call("PUT", path, {"startVmInstance": {}}) for path in paths))
        sitting.add("1,000 starts at one instant, s until accepted", time.perf_counter() - started)
        while await db.fetchval("SELECT count(*) FROM vm_instances WHERE state <> 'Running'"):
            await asyncio.sleep(0.1)
        sitting.add("1,000 starts at one instant, s until all run", time.perf_counter() - started)
        spent_s = of_service(stack) - before
        sitting.add("1,000 starts at one instant, ms of the processor each", 1000 * spent_s / COUNT)
        await world.check_counters()
        await db.close()
    sitting.report()


async def measure(
    conn: Any, sitting: Sitting, name: str, act: Callable[[], Awaitable[Any]], times: int = 200
) -> None:
    for _ in range(times):
        transaction = conn.transaction()
        await transaction.start()
        started = time.perf_counter()
        await act()
        sitting.add(name, 1000 * (time.perf_counter() - started))
        await transaction.rollback()


async def test_statements(database_url: str) -> None:
    conn = await asyncpg.connect(database_url, server_settings={"jit": "off"})
    await conn.execute(
        """
        INSERT INTO accounts (uuid, name, type, password_hash) VALUES ('a', 'a', 'Normal', '');
        INSERT INTO quotas (uuid, name, identity_uuid, value)
        SELECT name, name, 'a', 9e18 FROM quota_defaults;
        INSERT INTO zones (uuid, name) VALUES ('z', 'z');
        INSERT INTO clusters (uuid, name, hypervisor_type, zone_uuid)
        SELECT 'c' || i, 'c', 'Simulator', 'z' FROM generate_series(0, 9) i;
        INSERT INTO l2_networks (uuid, name, zone_uuid, physical_interface, type)
        VALUES ('l2', 'l2', 'z', 'e', 'L2NoVlanNetwork');
        INSERT INTO l2_network_clusters SELECT 'l2', 'c' || i FROM generate_series(0, 9) i;
        INSERT INTO hosts (uuid, name, zone_uuid, cluster_uuid, management_ip, hypervisor_type, status,
                           total_cpu_capacity, available_cpu_capacity, total_memory_capacity,
                           available_memory_capacity)
        SELECT 'h' || i, 'h', 'z', 'c' || i % 10, 'h' || i, 'Simulator', 'Connected', 999, 999, 9999, 9999
        FROM generate_series(0, 999) i;
        INSERT INTO l3_networks (uuid, name, zone_uuid, l2_network_uuid) VALUES ('l3', 'l3', 'z', 'l2');
        INSERT INTO ip_ranges (uuid, name, l3_network_uuid, start_ip, end_ip, netmask, gateway, network_cidr,
                               start_value, end_value, next_value)
        VALUES ('r', 'r', 'l3', '10.0.0.2', '10.0.255.254', '255.255.0.0', '10.0.0.1', '10.0.0.0/16',
                167772162, 167837694, 167832162);
        INSERT INTO vips (uuid, name, l3_network_uuid, ip, gateway, netmask)
        SELECT 'v' || i, 'v', 'l3', 'x', 'g', 'n' FROM generate_series(1, 60000) i;
        INSERT INTO used_ips (l3_network_uuid, value, ip_range_uuid, vip_uuid)
        SELECT 'l3', 167772161 + i, 'r', 'v' || i FROM generate_series(1, 60000) i;
        INSERT INTO vm_instances (uuid, name, platform, memory_size, cpu_num, state, host_uuid)
        SELECT 'm' || i, 'm', 'Linux', 10, 1, 'Running', 'h' || i % 1000 FROM generate_series(1, 10000) i;
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
        SELECT 'm' || i, 'VmInstanceVO', 'a' FROM generate_series(1, 10000) i;
        """
    )
    await conn.execute("VACUUM ANALYZE")
    sitting = Sitting("statements of compute", "ms")
    take = "SELECT * FROM take_address('l3')"
    await measure(conn, sitting, "take an address behind 60,000", lambda: conn.fetchrow(take))
    await conn.execute("UPDATE ip_ranges SET next_value = start_value")
    await measure(conn, sitting, "the same with the hint at the start", lambda: conn.fetchrow(take), 20)
    await conn.execute("DELETE FROM vips WHERE uuid = 'v30000'")
    await conn.execute("UPDATE ip_ranges SET next_value = start_value + 29999")
    await measure(conn, sitting, "take the gap in the middle", lambda: conn.fetchrow(take))
    choose = "SELECT * FROM choose_host('m1', NULL, NULL)"
    await measure(conn, sitting, "choose among 1,000 hosts", lambda: conn.fetchrow(choose))
    more = {"vm.num": 1, "vm.cpuNum": 1, "vm.memorySize": 1}
    await measure(
        conn, sitting, "reserve beside 10,000 VMs", lambda: reserve(conn, "a", more, is_admin=False), 50
    )
    await conn.close()
    sitting.report()
