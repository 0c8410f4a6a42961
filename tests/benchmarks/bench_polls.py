"""Clients that wait by polling: how soon they see the end of a job, and what many held polls cost.

    make bench ARGS=tests/benchmarks/bench_polls.py

seen       a VM's start of 30 ms, seen by a client that polls at once and then every 2 s, as sdk-go does, with
           polls that are held and with polls that are answered at once (POLL_HOLD_S=0), in turn
held       10,000 polls of one unfinished job at once: the rate of other calls meanwhile against the rate
           without them, and the service's connections to PostgreSQL
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))

from bench_engine import load, port_of, request_of
from stack import Stack, running_stack

from app import Client, Service
from benchmarks.sitting import Sitting
from compute.world import build

pytestmark = pytest.mark.bench

STARTS, POLLS, SECONDS, ROUNDS = 15, 10_000, 2.0, 5
PAUSE_S = 2.0  # of the client


async def seen_after(client: Client, path: str) -> float:
    """Seconds from a VM's stop or start to its client's knowledge of the end."""
    started = time.perf_counter()
    action = {"stopVmInstance": {"type": "cold"}} if STOPPED.pop() else {"startVmInstance": {}}
    STOPPED.append("startVmInstance" in action)
    accepted = await client.call("PUT", path, action)
    while (await client.get(accepted.body["location"])).status == 202:
        await asyncio.sleep(PAUSE_S)
    return time.perf_counter() - started


STOPPED = [True]  # whether the VM runs, and the next action stops it


async def vm_of(stack: Stack, conn: "asyncpg.Connection[Any]") -> tuple[Client, str]:
    client = Client(stack.http, stack.base, stack.token)
    world = await build(Service(None, stack.origin, stack.http, client, client, conn))  # pyright: ignore[reportArgumentType]
    vm = await world.vm()
    await conn.execute("INSERT INTO simulator_faults (action, latency_s) VALUES (NULL, 0.03)")
    return client, f"/vm-instances/{vm['uuid']}/actions"


async def test_seen() -> None:
    sitting = Sitting("end of a job seen by polls", "s")
    for hold in ("0.5", "0"):
        async with running_stack(WORKER_PROCESSES="1", WEBHOOK_PROCESSES="0", POLL_HOLD_S=hold) as stack:
            conn = await stack.db()
            client, path = await vm_of(stack, conn)
            STOPPED[:] = [True]
            for _ in range(STARTS):
                sitting.add(f"POLL_HOLD_S={hold}", await seen_after(client, path))
            await conn.close()
    sitting.aim("POLL_HOLD_S=0.5", at_most=0.2)
    sitting.report()


async def held_poll(port: int, request: bytes) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    return writer


async def test_held() -> None:
    sitting = Sitting("reads beside held polls", "calls/s")
    held, connections = f"beside {POLLS:,} held polls", "connections to PostgreSQL"
    env = {
        "WORKER_PROCESSES": "1",
        "WEBHOOK_PROCESSES": "0",
        "POLL_HOLD_S": "30",
        "MAX_CONNECTIONS_PER_ADDRESS": "20000",
    }
    async with running_stack(**env) as stack:
        conn = await stack.db()
        client, path = await vm_of(stack, conn)
        await conn.execute("UPDATE simulator_faults SET latency_s = 600")
        accepted = await client.call("PUT", path, {"stopVmInstance": {"type": "cold"}})
        location = accepted.body["location"].removeprefix(stack.origin)
        read = request_of("GET", "/zstack/v1/zones?limit=1", "", stack.token)
        sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'zstack-api'"
        for _ in range(ROUNDS):
            sitting.add("alone", (await load(port_of(stack), 16, SECONDS, read))["rate"])
        sitting.add(f"{connections}, alone", await conn.fetchval(sql))
        poll = request_of("GET", location, "", stack.token)
        waiting = [await held_poll(port_of(stack), poll) for _ in range(POLLS)]
        for _ in range(ROUNDS):
            sitting.add(held, (await load(port_of(stack), 16, SECONDS, read))["rate"])
        sitting.add(f"{connections}, {held}", await conn.fetchval(sql))
        for writer in waiting:
            writer.close()
        await conn.close()
    sitting.aim(held, over="alone")
    sitting.report()
