"""Workers are killed while VMs start: each VM runs once, no address is given twice, and the counters are
right.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Iterable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))
sys.path.insert(0, str(Path(__file__).parent))

from stack import Stack, eventually, running_stack
from world import World, build

from app import Answer, Client, Service
from zstack_mgmt.config import Settings

pytestmark = pytest.mark.faults
COUNT = 200


@pytest.fixture
async def cloud() -> AsyncIterator[tuple[Stack, World]]:
    """The small cloud in a service of real processes, on hosts that take 0.2 s for each action."""
    async with running_stack(WORKER_PROCESSES="2", SIMULATOR_LATENCY_S="0.2") as stack:
        db = await stack.db()
        admin = Client(stack.http, stack.base, stack.token)
        service = Service(Settings(), stack.origin, stack.http, Client(stack.http, stack.base), admin, db)
        yield stack, await build(service)
        await db.close()


async def some_at_once(calls: Iterable[Awaitable[Answer]]) -> list[Answer]:
    """The answers; no more calls at once than the client has connections, as each has to end in 20 s."""
    gate = asyncio.Semaphore(80)

    async def one(call: Awaitable[Answer]) -> Answer:
        async with gate:
            return await call

    return await asyncio.gather(*(one(call) for call in calls))


async def check_all_run_once(world: World) -> None:
    db = world.service.db

    async def all_run() -> bool:
        rows = await db.fetch("SELECT state, count(*) AS n FROM vm_instances GROUP BY state")
        return {row["state"]: row["n"] for row in rows} == {"Running": COUNT}

    await eventually(all_run, 120, "every VM runs")
    domains = await db.fetch("SELECT vm_uuid, power, starts FROM simulator_domains")
    assert len(domains) == len({row["vm_uuid"] for row in domains}) == COUNT
    assert {(row["power"], row["starts"]) for row in domains} == {("Running", 1)}
    assert await db.fetchval("SELECT count(DISTINCT ip) FROM vm_nics") == COUNT
    assert await db.fetchval("SELECT count(*) FROM volumes") == COUNT
    assert await db.fetchval("SELECT count(*) FROM stray_domains") == 0
    assert await db.fetchval("SELECT count(*) FROM api_jobs WHERE claims > 1") > 0  # some ran twice
    await world.check_counters()


async def kill_a_worker(stack: Stack, world: World, state: str) -> None:
    """Kill -9 a worker as soon as twenty VMs are in the state, in the middle of its jobs."""

    async def under_way() -> bool:
        query = "SELECT count(*) FROM vm_instances WHERE state = $1"
        return await world.service.db.fetchval(query, state) >= 20

    await eventually(under_way, 60, f"VMs are {state}")
    os.kill(stack.pids("worker")[0], signal.SIGKILL)


async def test_a_worker_is_killed_while_200_vms_are_created(cloud: tuple[Stack, World]) -> None:
    stack, world = cloud
    posts = [world.admin.call("POST", "/vm-instances", {"params": world.vm_params()}) for _ in range(COUNT)]
    answers = await some_at_once(posts)
    assert {answer.status for answer in answers} == {202}
    await kill_a_worker(stack, world, "Starting")
    results = await some_at_once(world.admin.result(a.body["location"], 120) for a in answers)
    assert {result.status for result in results} == {200}
    assert len({result.inventory["uuid"] for result in results}) == COUNT
    await check_all_run_once(world)


async def test_a_worker_is_killed_while_200_vms_start(cloud: tuple[Stack, World]) -> None:
    stack, world = cloud
    params = {"params": world.vm_params(strategy="JustCreate")}
    made = await some_at_once(world.admin.job("POST", "/vm-instances", params) for _ in range(COUNT))
    body = {"startVmInstance": {}}
    answers = await some_at_once(
        world.admin.call("PUT", f"/vm-instances/{vm.inventory['uuid']}/actions", body) for vm in made
    )
    await kill_a_worker(stack, world, "Starting")
    results = await some_at_once(world.admin.result(a.body["location"], 120) for a in answers)
    assert {result.status for result in results} == {200}
    await check_all_run_once(world)
