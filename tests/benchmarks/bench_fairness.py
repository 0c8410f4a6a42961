"""One tenant against another: how long an idle tenant's job takes beside the loads of a busy one.

    make bench ARGS=tests/benchmarks/bench_fairness.py

One API process and two workers. The busy tenant's jobs are posted at once; from then on, until they have
ended or a minute has passed, the idle tenant posts one small job after the other and waits for its result.

    hashing    2,000 jobs that each check a password, on 50 users
    cheap      20,000 jobs that each insert a row
    creations  400 VMs on hosts that take 2 s for each action
    blocked    400 changes of one user, which wait for each other, each checking a password
    idle       nothing
"""

import asyncio
import json
import os
import statistics
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))
sys.path.insert(0, str(Path(__file__).parents[1] / "compute"))

from bench_engine import load, request_of
from stack import Stack, running_stack
from world import build

from app import Client, Service
from zstack_mgmt.config import Settings

pytestmark = pytest.mark.bench

AIM_MS = 250
PATIENCE_S = 60.0
SAMPLES = 150
Post = Callable[[Client], Coroutine[Any, Any, None]]


async def many(count: int, post: Callable[[int], Awaitable[Any]]) -> None:
    gate = asyncio.Semaphore(64)

    async def one(number: int) -> None:
        async with gate:
            answer = await post(number)
            assert answer.status == 202, answer

    await asyncio.gather(*(one(number) for number in range(count)))


async def users(client: Client, count: int) -> list[str]:
    async def one(number: int) -> Any:
        return await client.create("/accounts/users", name=f"u{number}-{uuid.uuid4().hex}", password="secret")

    return [made["uuid"] for made in await asyncio.gather(*(one(number) for number in range(count)))]


async def checks(client: Client, count: int, people: list[str]) -> None:
    async def one(number: int) -> Any:
        body = {"updateUser": {"uuid": people[number % len(people)], "oldPassword": "wrong"}}
        return await client.call("PUT", "/accounts/users/actions", body)

    await many(count, one)


async def hashing(client: Client) -> None:
    await checks(client, 2000, await users(client, 50))


async def blocked(client: Client) -> None:
    await checks(client, 400, await users(client, 1))


async def cheap(client: Client) -> None:
    """Posted from a process of its own, so that the idle tenant's client has its event loop to itself."""
    body = {"params": {"name": "t", "schedulerType": "simple", "schedulerInterval": 3600}}
    request = request_of("POST", "/zstack/v1/scheduler/triggers", json.dumps(body), client.token)
    port = int(client.base.partition("://")[2].partition("/")[0].rpartition(":")[2])
    sent = 0.0
    while sent < 20_000:
        sent += (await load(port, 32, 1.0, request))["requests"]


async def nothing(client: Client) -> None:
    pass


async def tenant(admin: Client, name: str) -> Client:
    await admin.create("/accounts", name=name, password="secret")
    return await Client(admin.http, admin.base).log_in(name, "secret")


async def measure(stack: Stack, name: str, busy: Client, idle: Client, post: Post) -> None:
    db = await stack.db()
    unfinished = "SELECT count(*) FROM api_jobs WHERE state IN ('queued', 'running')"
    posting = asyncio.create_task(post(busy))
    for _ in range(200):  # the busy tenant's jobs have begun to come
        await asyncio.sleep(0.05)
        if posting.done() or await db.fetchval(unfinished) > 100:
            break
    times: list[float] = []
    started = time.monotonic()
    while len(times) < SAMPLES and time.monotonic() - started < PATIENCE_S:
        body = {"params": {"name": f"mine-{len(times)}-{uuid.uuid4().hex}"}}
        began = time.perf_counter()
        answer = await idle.call("POST", "/accounts/groups", body, headers={"Prefer": "wait=15"})
        while answer.status == 202:
            answer = await idle.get(answer.body["location"], headers={"Prefer": "wait=15"})
        times.append((time.perf_counter() - began) * 1000)
        assert answer.status == 200, answer
        await asyncio.sleep(0.05)
        if posting.done() and name != "nothing" and not await db.fetchval(unfinished):
            break
    posting.cancel()
    await asyncio.gather(posting, return_exceptions=True)
    left = await db.fetchval(unfinished)
    await db.close()
    times.sort()
    p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
    p50 = statistics.median(times)
    print(f"| {name} | {len(times)} | {p50:,.0f} | {p99:,.0f} | {times[-1]:,.0f} | {left} |", flush=True)
    if not os.environ.get("NO_AIM"):
        assert p99 <= AIM_MS


@pytest.mark.parametrize("post", [nothing, hashing, blocked, cheap], ids=lambda post: post.__name__)
async def test_idle_tenant_beside_a_busy_one(post: Post) -> None:
    async with running_stack(WORKER_PROCESSES="2", WEBHOOK_PROCESSES="0") as stack:
        admin = Client(stack.http, stack.base, stack.token)
        busy, idle = await tenant(admin, "busy"), await tenant(admin, "idle")
        print("\n| load | idle tenant's jobs | p50 ms | p99 ms | max ms | unfinished at the end |")
        await measure(stack, post.__name__, busy, idle, post)


async def test_idle_tenant_beside_creations_on_slow_hosts() -> None:
    env = {"WORKER_PROCESSES": "2", "WEBHOOK_PROCESSES": "0", "SIMULATOR_LATENCY_S": "2"}
    async with running_stack(**env) as stack:
        admin = Client(stack.http, stack.base, stack.token)
        db = await stack.db()
        service = Service(Settings(), stack.origin, stack.http, Client(stack.http, stack.base), admin, db)
        world = await build(service)
        idle = await tenant(admin, "idle")

        async def creations(_: Client) -> None:
            await many(400, lambda _: admin.call("POST", "/vm-instances", {"params": world.vm_params()}))

        print("\n| load | idle tenant's jobs | p50 ms | p99 ms | max ms | unfinished at the end |")
        await measure(stack, "creations", admin, idle, creations)
        await db.close()
