"""Ten tenants, one of them hostile in every way that we know of at once, while processes are killed.

    make test-faults ARGS=tests/acceptance/test_soak.py        three minutes; SOAK_S=20 for fewer

The nine others see no error but a documented 503 around a kill, none of their jobs is lost or doubled, and
the memory of every process stays below MAX_MB. How long their calls take is printed: it says as much about
the machine as about the service.
"""

import asyncio
import os
import random
import signal
import statistics
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from bench_fairness import anonymous_mb, bodies, children_of, logins, queries, readers, scrapes, tenant, users
from stack import BROKEN, Stack, running_stack

from app import Answer, Client

pytestmark = [pytest.mark.faults]

SOAK_S = float(os.environ.get("SOAK_S", "180"))
KILL_EVERY_S = 15.0
KILLED = ("worker", "api", "webhook", "redis", "postgres")
AROUND_A_KILL_S = 12.0
MAX_MB = {"api": 500.0, "worker": 400.0, "webhook": 400.0, "postgres": 1500.0}


class Faults:
    """When processes were killed."""

    def __init__(self) -> None:
        self.last = 0.0

    @property
    def near(self) -> bool:
        return time.monotonic() - self.last < AROUND_A_KILL_S


class Tenant:
    """One of the nine: it makes policies, each under a job uuid that it repeats until it has the result."""

    def __init__(self, client: Client, address: str, faults: Faults) -> None:
        self.client = client
        self.address = address
        self.faults = faults
        self.made: list[str] = []
        self.refused: Counter[str] = Counter()
        self.times: dict[str, list[float]] = {"read": [], "job": []}

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer | None:
        """The answer; None for one that a kill has cut off or refused."""
        began_near = self.faults.near
        try:
            sent = {"X-Forwarded-For": self.address, **headers}
            answer = await self.client.call(method, path, body, headers=sent)
        except BROKEN:
            assert began_near or self.faults.near, f"{method} {path} was cut off without a kill"
            return None
        if answer.status in (200, 202):
            return answer
        assert answer.status == 503, answer
        assert answer.code in ("SYS.1010", "SYS.1000"), answer
        assert began_near or self.faults.near, answer
        self.refused[answer.code] += 1
        return None

    async def work(self, until: float) -> None:
        while time.monotonic() < until:
            await self.timed("read", self.read)
            await self.timed("job", self.make)
            await asyncio.sleep(random.uniform(0.1, 0.3))

    async def timed(self, kind: str, work: Callable[[], Awaitable[bool]]) -> None:
        """Do it until it is done; the time counts when no kill was near."""
        near, began = self.faults.near, time.perf_counter()
        while not await work():
            await asyncio.sleep(0.2)
        if not near and not self.faults.near:
            self.times[kind].append((time.perf_counter() - began) * 1000)

    async def read(self) -> bool:
        return await self.ask("GET", "/accounts/policies?limit=1&fields=name") is not None

    async def make(self) -> bool:
        name, job = uuid.uuid4().hex, uuid.uuid4().hex
        statement = {"effect": "Allow", "actions": ["identity:read"]}
        body = {"params": {"name": name, "statements": [statement]}}
        while await self.ask("POST", "/accounts/policies", body, **{"X-Job-UUID": job}) is None:
            await asyncio.sleep(0.2)
        while True:
            answer = await self.ask("GET", f"/api-jobs/{job}", Prefer="wait=10")
            if answer is not None and answer.status == 200:
                assert answer.inventory["name"] == name
                self.made.append(name)
                return True
            await asyncio.sleep(0.05)


class Hostile:
    """What one tenant does to the others, all at once, whatever it is answered."""

    def __init__(self, client: Client, victims: list[str], hook: str) -> None:
        self.client = client
        self.victims = victims
        self.hook = hook

    def all(self) -> list[Callable[[Client], Awaitable[None]]]:
        return [self.hashing, self.naming, self.tags, self.hooks, self.streams,
                readers, queries, scrapes, logins, bodies]  # fmt: skip

    async def hashing(self, client: Client) -> None:
        people = await users(client, 5)
        while True:
            body = {"updateUser": {"uuid": random.choice(people), "oldPassword": "wrong"}}
            await client.call("PUT", "/accounts/users/actions", body)

    async def naming(self, client: Client) -> None:
        """Shares that name what belongs to others."""
        while True:
            body = {"shareResource": {"resourceUuids": self.victims, "toPublic": True}}
            await client.call("PUT", "/accounts/resources/actions", body)

    async def tags(self, client: Client) -> None:
        """Requests that are as large as they may be, and larger."""
        while True:
            body = {
                "params": {"name": "n", "description": "d" * 2000},
                "userTags": [f"{i}{'t' * 600}" for i in range(101)],
            }
            await client.call("POST", "/accounts/groups", body)
            await client.call(
                "POST", "/accounts/policies", {"params": {"name": "p", "statements": ["x" * 900_000]}}
            )

    async def hooks(self, client: Client) -> None:
        """Jobs whose results go to a receiver that never ends its answer."""
        while True:
            body = {"params": {"name": uuid.uuid4().hex}}
            await client.call("POST", "/accounts/groups", body, headers={"X-Web-Hook": self.hook})
            await asyncio.sleep(0.01)

    async def streams(self, client: Client) -> None:
        """Events of a job that nobody reads to their end."""
        accepted = await client.call("POST", "/accounts/groups", {"params": {"name": uuid.uuid4().hex}})
        path = f"{accepted.body['location']}/events"
        while True:
            await asyncio.gather(*(client.get(path) for _ in range(50)), return_exceptions=True)

    async def everything(self) -> None:
        """All of it, until the process is ended."""
        await asyncio.gather(*(self.again(way) for way in self.all()))

    async def again(self, way: Callable[[Client], Awaitable[None]]) -> None:
        """Go on with one way, whatever breaks."""
        while True:
            with suppress(*BROKEN, AssertionError, KeyError, TypeError, ValueError):
                await way(self.client)
            await asyncio.sleep(0.05)


@asynccontextmanager
async def endless_receiver() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse()
        await reply.prepare(request)
        while True:
            await reply.write(b"x" * 1000)
            await asyncio.sleep(0.05)

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def attack(base: str, token: str, *victims: str) -> None:
    """What the hostile tenant's own process does, so that the others' times are not those of its loop."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=60)
    async with (
        endless_receiver() as hook,
        aiohttp.ClientSession(connector=connector, timeout=timeout) as many_at_a_time,
    ):
        await Hostile(Client(many_at_a_time, base, token), list(victims), hook).everything()


@asynccontextmanager
async def attacked(busy: Client, victims: list[str]) -> AsyncIterator[None]:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    words = (sys.executable, __file__, busy.base, busy.token, *victims)
    # Its receiver is cut off in the middle of its answers, which it would tell of.
    attacker = await asyncio.create_subprocess_exec(*words, env=env, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield
        assert attacker.returncode is None, "the attack ended by itself"
    finally:
        with suppress(ProcessLookupError):
            attacker.kill()
        await attacker.wait()


async def kill_some(stack: Stack, faults: Faults, until: float) -> Counter[str]:
    """Kill one process after the other; they start again by themselves."""
    killed: Counter[str] = Counter()
    while time.monotonic() + KILL_EVERY_S < until:
        await asyncio.sleep(KILL_EVERY_S)
        kind = KILLED[killed.total() % len(KILLED)]
        faults.last = time.monotonic()
        with suppress(ProcessLookupError):
            os.kill(random.choice(stack.pids(kind)), signal.SIGKILL)
            killed[kind] += 1
    return killed


async def watch_memory(stack: Stack) -> dict[str, float]:
    """The most megabytes that a process of each kind has had, until cancelled; PostgreSQL's all together."""
    most = dict.fromkeys(MAX_MB, 0.0)
    try:
        while True:
            await asyncio.sleep(1)
            for kind in most:
                for pid in stack.pids(kind):
                    with suppress(OSError, ValueError):
                        family = [pid, *children_of(pid)] if kind == "postgres" else [pid]
                        most[kind] = max(most[kind], anonymous_mb(family))
    except asyncio.CancelledError:
        return most


def centile(times: list[float], part: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


async def test_nine_tenants_beside_a_hostile_one() -> None:
    settings = {"WORKER_PROCESSES": "2", "TRUSTED_PROXIES": "127.0.0.0/8", "WEBHOOK_ALLOW": "127.0.0.0/8"}
    async with running_stack(**settings) as stack:
        admin = Client(stack.http, stack.base, stack.token)
        faults = Faults()
        nine = [Tenant(await tenant(admin, f"t{i}"), f"192.0.2.{i}", faults) for i in range(8)]
        nine.append(Tenant(await tenant(admin, "idle"), "192.0.2.9", faults))  # whose login is guessed at
        victims = [(await t.client.create("/accounts/groups", name="g"))["uuid"] for t in nine]
        busy = await tenant(admin, "busy")
        until = time.monotonic() + SOAK_S
        memory = asyncio.create_task(watch_memory(stack))
        try:
            async with attacked(busy, victims):
                killing = asyncio.create_task(kill_some(stack, faults, until))
                await asyncio.gather(*(t.work(until) for t in nine))
        finally:
            memory.cancel()
        most = await memory
        db = await stack.db()
        rows = await db.fetch(
            "SELECT name, count(*) FROM policies WHERE name ~ '^[0-9a-f]{32}$' GROUP BY name"
        )
        await db.close()
    refused: Counter[str] = Counter()
    for t in nine:
        refused.update(t.refused)
    print(f"\nkilled {dict(await killing)}; refused around kills {dict(refused)}; memory in MB {most}")
    for kind, aim in (("read", 100), ("job", 500)):
        times = [at for t in nine for at in t.times[kind]]
        p50, p99 = statistics.median(times), centile(times, 0.99)
        print(f"{kind}: {len(times)} times, p50 {p50:.0f} ms, p99 {p99:.0f} ms (aim {aim} ms)", flush=True)
    made = [name for t in nine for name in t.made]
    assert len(made) > 9 * SOAK_S / 20
    assert {row["name"]: row["count"] for row in rows} == dict.fromkeys(made, 1)
    assert {kind: mb for kind, mb in most.items() if mb > MAX_MB[kind]} == {}


if __name__ == "__main__":
    asyncio.run(attack(*sys.argv[1:]))
