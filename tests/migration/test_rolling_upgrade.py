"""The upgrade of `docs/operations.md` under load: every call that was accepted ends once.

It does not matter which release took the call, ran it, or told its end.
"""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from migration.conftest import empty_database
from migration.releases import ROOT, Release, end, unpack_previous
from receivers import receiver
from services import Services
from zstack_mgmt import schema

pytestmark = pytest.mark.faults

CLIENTS = 8
PHASE_S = 3.0
AWAY = (aiohttp.ClientError, OSError, TimeoutError)


@dataclass
class Load:
    """Clients at whichever API is up: new zones, new accounts, and changes of one zone, until they stop."""

    http: aiohttp.ClientSession
    bases: list[str]
    hook: str
    token: str = ""
    zone: str = ""
    accepted: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    stopping: bool = False

    async def log_in(self) -> None:
        body = {"logInByAccount": {"accountName": "admin", "password": "password"}}
        async with self.http.put(f"{self.bases[0]}/accounts/login", json=body) as reply:
            self.token = (await reply.json())["inventory"]["uuid"]

    async def call(self, method: str, path: str, body: Any = None, job: str = "") -> tuple[int, Any]:
        """One exchange at one of the APIs, repeated there as long as it is up, until it answers."""
        base = random.choice(self.bases)
        headers = {"Authorization": f"OAuth {self.token}"}
        if job:
            headers |= {"X-Job-UUID": job, "X-Web-Hook": self.hook}
        while True:
            base = base if base in self.bases else random.choice(self.bases)
            try:
                async with self.http.request(method, f"{base}{path}", json=body, headers=headers) as reply:
                    return reply.status, await reply.json()
            except AWAY:
                await asyncio.sleep(0.05)

    async def job(self, method: str, path: str, body: Any) -> Any:
        """Have a call accepted, wait for its end; the inventory."""
        job = uuid.uuid4().hex
        status, reply = await self.call(method, path, body, job)
        assert status == 202, reply
        self.accepted.append(job)
        while status == 202:
            status, reply = await self.call("GET", f"/api-jobs/{job}")
            await asyncio.sleep(0.02)
        assert status == 200, reply
        return reply["inventory"]

    async def client(self) -> None:
        while not self.stopping:
            await self.round()

    async def round(self) -> None:
        """A new zone, a new account, and a change of the zone that all share."""
        made = await self.job("POST", "/zones", {"params": {"name": "rolling"}})
        self.made.append(made["uuid"])
        await self.job("POST", "/accounts", {"params": {"name": made["uuid"], "password": "secret"}})
        change = {"updateZone": {"description": made["uuid"]}}
        assert (await self.job("PUT", f"/zones/{self.zone}/actions", change))["uuid"] == self.zone


@asynccontextmanager
async def under(load: Load) -> AsyncIterator[None]:
    """Clients at work meanwhile; what one of them meets fails the test."""
    load.zone = (await load.job("POST", "/zones", {"params": {"name": "shared"}}))["uuid"]
    clients = [asyncio.create_task(load.client()) for _ in range(CLIENTS)]
    try:
        yield
    finally:
        load.stopping = True
        async with asyncio.timeout(60):
            await asyncio.gather(*clients)


async def test_the_older_release_works_after_each_step(
    services: Services, redis_prefix: str, tmp_path: Path
) -> None:
    """A step may wait for its locks for a minute: what the ones before it have left must do for the older."""
    (tmp_path / "code").mkdir()
    (tmp_path / "data").mkdir()
    unpack_previous(tmp_path / "code")
    async with (
        empty_database(services) as db,
        receiver() as sink,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http,
    ):
        old = Release(tmp_path / "code", await settings_for(services, db, redis_prefix, tmp_path))
        await old.run("schema")
        processes = [await old.start("serve"), await old.start("worker", "jobs")]
        await old.ready(http)
        load = Load(http, [old.base], f"{sink.url}/hook")
        await load.log_in()
        load.zone = (await load.job("POST", "/zones", {"params": {"name": "shared"}}))["uuid"]
        while await schema.missing(db):
            await schema._next(db, after=False)
            async with asyncio.timeout(20):
                await asyncio.gather(*(load.round() for _ in range(CLIENTS)))
        await end(*processes)


async def settings_for(
    services: Services, db: "asyncpg.Connection[Any]", redis_prefix: str, folder: Path
) -> dict[str, str]:
    """The environment of the processes of both releases."""
    return {
        "DATABASE_URL": services.url_of(await db.fetchval("SELECT current_database()")),
        "REDIS_URL": services.redis_url,
        "REDIS_PREFIX": redis_prefix,
        "DATA_DIR": str(folder / "data"),
        "ADMIN_PASSWORD": "password",
        "WEBHOOK_ALLOW": "127.0.0.0/8",
        "LOG_LEVEL": "warning",
    }


async def test_both_releases_at_work(services: Services, redis_prefix: str, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "data").mkdir()
    unpack_previous(tmp_path / "code")
    async with (
        empty_database(services) as db,
        receiver() as sink,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http,
    ):
        env = await settings_for(services, db, redis_prefix, tmp_path)
        old, new = Release(tmp_path / "code", env), Release(ROOT, env)
        await old.run("schema")
        old_api = await old.start("serve")
        old_workers = [await old.start("worker", kind) for kind in ("jobs", "webhooks")]
        await old.ready(http)
        load = Load(http, [old.base], f"{sink.url}/hook")
        await load.log_in()
        async with under(load):
            await asyncio.sleep(PHASE_S)
            await new.run("schema", "--before")
            await old.ready(http)
            new_workers = [await new.start("worker", kind) for kind in ("jobs", "webhooks")]
            await asyncio.sleep(PHASE_S)  # the old API, the workers of both
            new_api = await new.start("serve")
            await new.ready(http)
            load.bases.append(new.base)
            await asyncio.sleep(PHASE_S)  # both of everything
            await end(*old_workers)
            await asyncio.sleep(PHASE_S)  # the old API, the new workers
            load.bases.remove(old.base)
            await end(old_api)
            await new.run("schema")
            await asyncio.sleep(PHASE_S)
        await assert_ended_once(db, load)
        await sink.wait_for(len(load.accepted), timeout_s=30)
        assert {received.headers["x-job-uuid"] for received in sink.requests} == set(load.accepted)
        await end(new_api, *new_workers)


async def assert_ended_once(db: "asyncpg.Connection[Any]", load: Load) -> None:
    """Each call that was accepted has one end, one effect and one line in the audit trail."""
    assert len(load.accepted) > 100
    states = await db.fetch(
        "SELECT state, count(*) FROM api_jobs WHERE uuid = ANY ($1) GROUP BY state", load.accepted
    )
    assert dict(states) == {"succeeded": len(load.accepted)}
    zones = await db.fetch("SELECT uuid FROM zones WHERE name = 'rolling'")
    assert sorted(uuid for (uuid,) in zones) == sorted(load.made)
    assert await db.fetchval("SELECT count(*) FROM audits WHERE job_uuid = ANY ($1)", load.accepted) == len(
        load.accepted
    )
