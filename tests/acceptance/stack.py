"""A real service for the fault tests: its own processes, databases that fsync, and clients that survive its
faults.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from zstack_mgmt.local.processes import free_port

ROOT = Path(__file__).parents[2]
OURS = ("DATABASE_URL", "REDIS_URL", "METRICS_DIR", "ADMIN_PASSWORD", "WEBHOOK_ALLOW", "ZSTACK_TEST_SERVICES")
BROKEN = (aiohttp.ClientError, OSError, asyncio.TimeoutError)


async def eventually(condition: Callable[[], Awaitable[Any]], timeout_s: float, what: str) -> Any:
    """The first true value of the condition; fails when none comes in time. Looks again each 50 ms."""
    until = time.monotonic() + timeout_s
    while True:
        value = await condition()
        if value:
            return value
        assert time.monotonic() < until, f"{what}: not within {timeout_s} s (last seen: {value!r})"
        await asyncio.sleep(0.05)


class Stack:
    """One `python -m zstack_mgmt run`, an admin session, and a connection to its database."""

    def __init__(self, data_dir: Path, http: aiohttp.ClientSession) -> None:
        self.data_dir = data_dir
        self.http = http
        self.token = ""
        self.process: asyncio.subprocess.Process | None = None
        self.base = ""
        self.origin = ""

    async def start(self, **env: str) -> None:
        """Start it and log in."""
        port = free_port()
        kept = {name: value for name, value in os.environ.items() if name not in OURS}
        log = (self.data_dir / "log").open("ab")
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "zstack_mgmt", "run"),
            cwd=ROOT,
            env=kept | {"PORT": str(port), "DATA_DIR": str(self.data_dir), "LOG_LEVEL": "warning"} | env,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        log.close()
        assert self.process.stdout is not None
        line = (await asyncio.wait_for(self.process.stdout.readline(), 60)).decode()
        assert line.startswith("ready: "), (self.data_dir / "log").read_text()[-3000:]
        self.base = line.removeprefix("ready: ").strip()
        self.origin = self.base.removesuffix("/zstack/v1")
        await self.log_in()

    async def log_in(self) -> None:
        body = {"logInByAccount": {"accountName": "admin", "password": "password"}}
        async with self.http.put(f"{self.base}/accounts/login", json=body) as reply:
            self.token = (await reply.json())["inventory"]["uuid"]

    @property
    def runtime(self) -> Any:
        return json.loads((self.data_dir / "runtime.json").read_text())

    def pids(self, kind: str) -> list[int]:
        return self.runtime["pids"][kind]

    async def db(self) -> "asyncpg.Connection[Any]":
        """A connection of the test's own."""
        return await asyncpg.connect(self.runtime["database_url"])

    def headers(self, **more: str) -> dict[str, str]:
        return {"Authorization": f"OAuth {self.token}", **more}

    async def post_zone(self, name: str, job: str, **headers: str) -> int:
        """The status of one POST /zones under this job uuid."""
        sent = self.headers(**{"X-Job-UUID": job}, **headers)
        body = {"params": {"name": name}}
        async with self.http.post(f"{self.base}/zones", json=body, headers=sent) as reply:
            await reply.read()
            return reply.status

    async def accept(self, name: str, count: int, **headers: str) -> list[str]:
        """Post so many zones, 32 at a time, through whatever faults; the uuids of the jobs, all accepted."""
        jobs = [uuid.uuid4().hex for _ in range(count)]
        gate = asyncio.Semaphore(32)

        async def one(job: str) -> None:
            async with gate:
                while True:
                    try:
                        status = await self.post_zone(name, job, **headers)
                    except BROKEN:
                        status = 0
                    if status == 202:
                        return
                    assert status in (0, 503), status
                    await asyncio.sleep(0.1)

        await asyncio.gather(*(one(job) for job in jobs))
        return jobs

    async def states(self, jobs: list[str]) -> dict[str, int]:
        """How many of the jobs are in which state."""
        conn = await self.db()
        try:
            rows = await conn.fetch(
                "SELECT state, count(*) FROM api_jobs WHERE uuid = ANY ($1) GROUP BY state", jobs
            )
        finally:
            await conn.close()
        return {row["state"]: row["count"] for row in rows}

    async def finished(self, jobs: list[str], timeout_s: float, what: str) -> float:
        """Wait until all the jobs have succeeded; returns the seconds it took."""
        started = time.monotonic()
        seen: dict[str, int] = {}

        async def done() -> bool:
            nonlocal seen
            try:
                seen = await self.states(jobs)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return False
            return seen.get("succeeded", 0) == len(jobs)

        try:
            await eventually(done, timeout_s, what)
        except AssertionError as error:
            log = (self.data_dir / "log").read_text()[-4000:]
            raise AssertionError(f"{error}; of {len(jobs)} jobs: {seen}\n{log}") from None
        return time.monotonic() - started

    async def assert_exactly_once(self, name: str, jobs: list[str]) -> None:
        """Each job has ended once, with one zone, and each zone is some job's."""
        conn = await self.db()
        try:
            made = await conn.fetch("SELECT uuid FROM zones WHERE name = $1", name)
            told = await conn.fetch(
                "SELECT result::json -> 'inventory' ->> 'uuid' AS uuid FROM api_jobs WHERE uuid = ANY ($1)",
                jobs,
            )
            audited = await conn.fetchval("SELECT count(*) FROM audits WHERE job_uuid = ANY ($1)", jobs)
        finally:
            await conn.close()
        assert len(made) == len(jobs)
        assert {row["uuid"] for row in made} == {row["uuid"] for row in told}
        assert audited == len(jobs)

    @asynccontextmanager
    async def zones_locked(self) -> AsyncIterator[None]:
        """Nobody can write a zone meanwhile: jobs stand still in the middle of their handler."""
        conn = await self.db()
        transaction = conn.transaction()
        await transaction.start()
        await conn.execute("LOCK TABLE zones IN EXCLUSIVE MODE")
        try:
            yield
        finally:
            await transaction.rollback()
            await conn.close()

    async def running_owner(self) -> int:
        """The pid of a worker that holds a running job."""
        conn = await self.db()
        try:

            async def owner() -> Any:
                return await conn.fetchval("SELECT owner FROM api_jobs WHERE state = 'running' LIMIT 1")

            found = await eventually(owner, 10, "a job is running")
        finally:
            await conn.close()
        return int(found.split(":")[1])

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), 15)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


@asynccontextmanager
async def running_stack(**env: str) -> AsyncIterator[Stack]:
    """A service of its own, gone with all its data afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="zstack-faults-"))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
        stack = Stack(folder, http)
        try:
            await stack.start(**env)
            yield stack
        finally:
            await stack.stop()
            shutil.rmtree(folder, ignore_errors=True)
