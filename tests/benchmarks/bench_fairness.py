"""One tenant against another: how long an idle tenant's job takes beside the loads of a busy one.

    make bench ARGS=tests/benchmarks/bench_fairness.py

One API process and two workers. The busy tenant's jobs are posted at once; from then on, until they have
ended or a minute has passed, the idle tenant posts one small job after the other and waits for its result.

    hashing    2,000 jobs that each check a password, on 50 users
    cheap      20,000 jobs that each insert a row
    creations  400 VMs on hosts that take 2 s for each action
    blocked    400 changes of one user, which wait for each other, each checking a password
    keys       the same, and a share that names a group of the idle tenant, which changes that group meanwhile
    idle       nothing

Then how long a revocation takes beside the jobs of the revoked user, how long reads and logins take beside
readers, queries, scrapes and connections of others, how much memory these take, and how many jobs one tenant
and several get done.
"""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))
sys.path.insert(0, str(Path(__file__).parents[1] / "compute"))

from bench_engine import load, request_of
from stack import Stack, running_stack
from world import build

from app import Client, Service
from benchmarks.sitting import Sitting, p99
from zstack_mgmt.config import Settings

pytestmark = pytest.mark.bench

AIM_MS = 250
PATIENCE_S = 60.0
TRIGGER = json.dumps(
    {"params": {"name": "t", "schedulerType": "simple", "schedulerInterval": 3600, "startTime": 0}}
)
SAMPLES = 150
Post = Callable[[Client], Coroutine[Any, Any, None]]
Call = Callable[[Client], Coroutine[Any, Any, Any]]


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
    request = request_of("POST", "/zstack/v1/scheduler/triggers", TRIGGER, client.token)
    port = int(client.base.partition("://")[2].partition("/")[0].rpartition(":")[2])
    sent = 0.0
    while sent < 20_000:
        sent += (await load(port, 32, 1.0, request))["requests"]


async def nothing(client: Client) -> None:
    pass


async def tenant(admin: Client, name: str) -> Client:
    await admin.create("/accounts", name=name, password="secret")
    return await Client(admin.http, admin.base).log_in(name, "secret")


async def new_group(idle: Client) -> Any:
    """The small job of an idle tenant; its answer, when it has ended."""
    body = {"params": {"name": f"mine-{uuid.uuid4().hex}"}}
    return await done(idle, "POST", "/accounts/groups", body)


async def done(client: Client, method: str, path: str, body: Any = None) -> Any:
    answer = await client.call(method, path, body, headers={"Prefer": "wait=15"})
    while answer.status == 202:
        answer = await client.get(answer.body["location"], headers={"Prefer": "wait=15"})
    return answer


async def measure(stack: Stack, busy: Client, idle: Client, post: Post, job: Call = new_group) -> None:
    db = await stack.db()
    unfinished = "SELECT count(*) FROM api_jobs WHERE state IN ('queued', 'running')"
    posting = asyncio.create_task(post(busy))
    for _ in range(200):  # the busy tenant's jobs have begun to come
        await asyncio.sleep(0.05)
        if posting.done() or await db.fetchval(unfinished) > 100:
            break
    sitting = Sitting(f"an idle tenant beside {post.__name__}", "ms")
    started = time.monotonic()
    for _ in range(SAMPLES):
        began = time.perf_counter()
        answer = await job(idle)
        sitting.add("its job", (time.perf_counter() - began) * 1000)
        assert answer.status == 200, answer
        await asyncio.sleep(0.05)
        ended = posting.done() and post is not nothing and not await db.fetchval(unfinished)
        if ended or time.monotonic() - started > PATIENCE_S:
            break
    posting.cancel()
    await asyncio.gather(posting, return_exceptions=True)
    sitting.add("jobs unfinished at the end", await db.fetchval(unfinished))
    await db.close()
    sitting.aim("its job", at_most=AIM_MS, of=p99)
    sitting.report()


@pytest.mark.parametrize("post", [nothing, hashing, blocked, cheap], ids=lambda post: post.__name__)
async def test_idle_tenant_beside_a_busy_one(post: Post) -> None:
    async with running_stack(WORKER_PROCESSES="2", WEBHOOK_PROCESSES="0") as stack:
        admin = Client(stack.http, stack.base, stack.token)
        busy, idle = await tenant(admin, "busy"), await tenant(admin, "idle")
        await measure(stack, busy, idle, post)


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

        await measure(stack, admin, idle, creations)
        await db.close()


async def test_idle_tenant_whose_group_a_busy_one_names() -> None:
    async with running_stack(WORKER_PROCESSES="2", WEBHOOK_PROCESSES="0") as stack:
        admin = Client(stack.http, stack.base, stack.token)
        busy, idle = await tenant(admin, "busy"), await tenant(admin, "idle")
        group = (await new_group(idle)).inventory["uuid"]

        async def keys(client: Client) -> None:
            people = await users(client, 1)
            await checks(client, 400, people)
            share = {"shareResource": {"resourceUuids": [*people, group], "toPublic": True}}
            assert (await client.call("PUT", "/accounts/resources/actions", share)).status == 202

        async def change(client: Client) -> Any:
            body = {"updateUserGroup": {"uuid": group, "description": uuid.uuid4().hex}}
            return await done(client, "PUT", "/accounts/groups/actions", body)

        await measure(stack, busy, idle, keys, change)


async def test_revocation_beside_the_jobs_of_the_revoked() -> None:
    async with running_stack(WORKER_PROCESSES="2", WEBHOOK_PROCESSES="0") as stack:
        owner = await tenant(Client(stack.http, stack.base, stack.token), "owner")
        sitting = Sitting("revocation beside the jobs of the revoked", "ms")
        for number in range(3):
            made = await owner.create("/accounts/users", name=f"u{number}", password="secret")
            body = {"logInByUser": {"accountName": "owner", "userName": f"u{number}", "password": "secret"}}
            opened = await owner.call("PUT", "/accounts/users/login", body)
            user = Client(owner.http, owner.base, opened.inventory["uuid"])
            change = {"updateUser": {"oldPassword": "secret", "description": "d"}}
            await many(300, lambda _, u=user, c=change: u.call("PUT", "/accounts/users/actions", c))
            began = time.perf_counter()
            assert (await done(owner, "DELETE", f"/accounts/users/{made['uuid']}")).status == 200
            sitting.add("deletion of the user", (time.perf_counter() - began) * 1000)
        sitting.report()


def port_of(client: Client) -> int:
    return int(client.base.partition("://")[2].partition("/")[0].rpartition(":")[2])


async def forever(count: int, work: Callable[[], Awaitable[Any]]) -> None:
    """So many loops that do the same again and again."""

    async def loop() -> None:
        while True:
            await work()

    await asyncio.gather(*(loop() for _ in range(count)))


async def readers(busy: Client) -> None:
    """Ten readers of a page of 20 MB, 45 kB a second each."""

    async def read() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(busy), limit=16384)
        writer.write(request_of("GET", "/zstack/v1/accounts/groups?limit=20000", token=busy.token))
        try:
            while await reader.read(4500):
                await asyncio.sleep(0.1)
        finally:
            writer.close()

    await forever(10, read)


async def queries(busy: Client) -> None:
    """Forty queries at a time of a hundred conditions, all different."""

    async def ask() -> None:
        conditions = "&".join(f"q=description!={uuid.uuid4().hex}" for _ in range(99))
        await busy.get(f"/accounts/groups?count=true&{conditions}")

    await forever(40, ask)


async def scrapes(busy: Client) -> None:
    await forever(20, lambda: busy.get(f"http://127.0.0.1:{port_of(busy)}/metrics"))


async def logins(busy: Client) -> None:
    body = {"logInByAccount": {"accountName": "idle", "password": "wrong"}}
    await forever(250, lambda: busy.call("PUT", "/accounts/login", body))


async def bodies(busy: Client) -> None:
    """Two thousand requests whose bodies never come."""
    head = request_of("POST", "/zstack/v1/accounts/groups", "x" * 1000, busy.token)[:-1000]
    opened: list[asyncio.StreamWriter] = []
    try:
        for _ in range(2000):
            _, writer = await asyncio.open_connection("127.0.0.1", port_of(busy))
            writer.write(head)
            opened.append(writer)
        await asyncio.sleep(3600)
    finally:
        for writer in opened:
            writer.close()


async def one_row(idle: Client) -> Any:
    return await idle.get("/accounts/groups?limit=1")


async def login(idle: Client) -> Any:
    """From an address of its own, as other people have."""
    body = {"logInByAccount": {"accountName": "idle", "password": "secret"}}
    return await idle.call("PUT", "/accounts/login", body, headers={"X-Forwarded-For": "192.0.2.7"})


def anonymous_mb(pids: list[int]) -> float:
    """The memory of processes that is nobody else's."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize(
    ("load_by", "call"),
    [(readers, one_row), (queries, one_row), (scrapes, one_row), (bodies, one_row), (logins, login)],
    ids=lambda part: part.__name__,
)
async def test_reads_of_an_idle_tenant(load_by: Post, call: Call) -> None:
    async with running_stack(WEBHOOK_PROCESSES="0", TRUSTED_PROXIES="127.0.0.0/8") as stack:
        admin = Client(stack.http, stack.base, stack.token)
        busy, idle = await tenant(admin, "busy"), await tenant(admin, "idle")
        await login(idle)
        db = await stack.db()
        await db.execute(
            """
            INSERT INTO user_groups (uuid, account_uuid, name, description)
            SELECT md5(n::text), uuid, n::text, repeat('d', 1000)
            FROM accounts, generate_series(1, 20000) AS n WHERE name = 'busy'
            """
        )
        await db.execute(
            """
            INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
            SELECT uuid, 'UserGroupVO', account_uuid FROM user_groups ON CONFLICT DO NOTHING
            """
        )
        await db.close()
        sitting = Sitting(f"{call.__name__} beside {load_by.__name__}", "ms")
        note_memory(sitting, stack, "before")
        many_at_a_time = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        working = asyncio.create_task(load_by(Client(many_at_a_time, busy.base, busy.token)))
        await asyncio.sleep(2)
        for _ in range(100):
            began = time.perf_counter()
            answer = await call(idle)
            sitting.add(call.__name__, (time.perf_counter() - began) * 1000)
            assert answer.status == 200, answer
        note_memory(sitting, stack, "meanwhile")
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await many_at_a_time.close()
        sitting.report()


def note_memory(sitting: Sitting, stack: Stack, when: str) -> None:
    (postgres,) = stack.pids("postgres")
    sitting.add(f"API {when}, MB", anonymous_mb(stack.pids("api")))
    sitting.add(f"PostgreSQL {when}, MB", anonymous_mb(children_of(postgres)))


async def test_throughput_of_one_tenant_and_of_four() -> None:
    sitting = Sitting("one tenant and four", "jobs/s")
    async with running_stack(WORKER_PROCESSES="2", WEBHOOK_PROCESSES="0") as stack:
        admin = Client(stack.http, stack.base, stack.token)
        db = await stack.db()
        for count in (1, 4):
            clients = [await tenant(admin, f"t{count}-{number}") for number in range(count)]
            await db.execute("DELETE FROM api_jobs WHERE state NOT IN ('queued', 'running')")
            await asyncio.gather(
                *(
                    load(
                        port_of(c),
                        32 // count,
                        5.0,
                        request_of("POST", "/zstack/v1/scheduler/triggers", TRIGGER, c.token),
                    )
                    for c in clients
                )
            )
            while await db.fetchval("SELECT count(*) FROM api_jobs WHERE state IN ('queued', 'running')"):
                await asyncio.sleep(0.05)
            rate = await db.fetchval(
                """
                SELECT count(*) / extract(epoch FROM max(finished_at) - min(accepted_at))::float8
                FROM api_jobs WHERE api = 'CreateSchedulerTrigger' AND state = 'succeeded'
                """
            )
            sitting.add(f"tenants: {count}", rate)
        await db.close()
    sitting.aim("tenants: 1", over="tenants: 4", at_least=0.95)
    sitting.report()
