"""`deploy/pgbouncer.ini` before PostgreSQL: everything works through it, and its death costs no job."""

import asyncio
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp
import asyncpg
import pytest

from acceptance.stack import BROKEN
from app import Client, Service
from compute.world import build
from operations.processes import ROOT, Process, Processes, eventually, processes, program
from receivers import receiver
from scheduler.rows import insert_due
from zstack_mgmt.config import Settings
from zstack_mgmt.local.processes import free_port

SAMPLE = ROOT / "deploy/pgbouncer.ini"
SESSIONS = 6  # of the database, for all processes: fewer than they have connections, so that they must share
LEASES = 3


@dataclass
class Pooled:
    """A service behind PgBouncer."""

    running: Processes
    settings: Settings
    bouncer: Process
    config: Path
    admin: Client
    db: Any  # past PgBouncer

    async def sessions(self) -> dict[bool, int]:
        """The sessions of the service in its database: those of leases, and the others."""
        rows = await self.db.fetch(
            """
            SELECT application_name = 'zstack-lease' AS lease, count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() GROUP BY 1
            """
        )
        return {row["lease"]: row["count"] for row in rows}


def configured(folder: Path, settings: Settings, port: int) -> Path:
    """The sample with the addresses and the login of this test, and fewer sessions."""
    server = urlsplit(settings.database_url)
    users = folder / "userlist.txt"
    users.write_text(f'"{unquote(server.username or "")}" "{unquote(server.password or "")}"\n')
    text = SAMPLE.read_text()
    for old, new in (
        (
            "zstack_mgmt = host=127.0.0.1 port=5432",
            f"{server.path[1:]} = host={server.hostname} port={server.port}",
        ),
        ("listen_port = 6432", f"listen_port = {port}"),
        ("/etc/pgbouncer/userlist.txt", str(users)),
        ("default_pool_size = 40", f"default_pool_size = {SESSIONS}"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    config = folder / "pgbouncer.ini"
    config.write_text(text)
    return config


def through(settings: Settings, port: int) -> str:
    """The address of the database at PgBouncer's port."""
    server = urlsplit(settings.database_url)
    place = f"{server.netloc.rpartition('@')[0]}@127.0.0.1:{port}"
    return urlunsplit(server._replace(netloc=place))


async def bounce(running: Processes, config: Path) -> Process:
    """Start PgBouncer, which refuses to be root."""
    return await running.run(program("pgbouncer"), "-u", "nobody", str(config), log="pgbouncer")


@pytest.fixture
def folder() -> Any:
    """A folder that PgBouncer can read."""
    with tempfile.TemporaryDirectory(prefix="zstack-pooled-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@asynccontextmanager
async def pooled(settings: Settings, folder: Path) -> AsyncIterator[Pooled]:
    port, api = free_port(), free_port()
    config = configured(folder, settings, port)
    async with processes(settings, folder) as running, aiohttp.ClientSession() as http:
        running.env |= {
            "DATABASE_URL": through(settings, port),
            "DIRECT_DATABASE_URL": settings.database_url,
            "ADMIN_PASSWORD": "password",
        }
        bouncer = await bounce(running, config)
        schema = await running.service("schema")
        assert await schema.wait() == 0, (folder / "schema").read_text()
        await running.api(api)
        for kind in ("jobs", "jobs", "webhooks"):
            await running.service("worker", kind)
        admin = await Client(http, f"http://127.0.0.1:{api}/zstack/v1").log_in()
        db = await asyncpg.connect(settings.database_url)
        try:
            yield Pooled(running, settings, bouncer, config, admin, db)
        finally:
            await db.close()


@pytest.fixture
async def cloud(settings: Settings, folder: Path) -> AsyncIterator[Pooled]:
    async with pooled(settings, folder) as made:
        yield made


async def test_everything_works_through_it_on_few_sessions(cloud: Pooled) -> None:
    """Logins, jobs beside each other, queries, hypervisor actions, webhooks and the scheduler."""
    admin = cloud.admin
    base = admin.base.removesuffix("/zstack/v1")
    service = Service(cloud.settings, base, admin.http, Client(admin.http, admin.base), admin, cloud.db)
    world = await build(service)
    async with receiver() as hook:

        async def one(number: int) -> None:
            client = await service.anonymous.log_in()
            for turn in range(5):
                name = f"zone-{number}-{turn}"
                body = {"params": {"name": name}}
                made = await client.job("POST", "/zones", body, headers={"X-Web-Hook": hook.url})
                assert made.status == 200, made
                found = await client.get(f"/zones?q=name={name}")
                assert [zone["uuid"] for zone in found.body["inventories"]] == [made.inventory["uuid"]]

        started = time.monotonic()
        await asyncio.gather(*(one(number) for number in range(40)))
        print(f"200 logins, jobs and queries took {time.monotonic() - started:.1f} s")
        vms = [
            vm["uuid"] for vm in await asyncio.gather(*(world.vm(strategy="JustCreate") for _ in range(8)))
        ]
        await insert_due(cloud.db, vms)

        async def all_run() -> bool:
            found = await admin.get("/vm-instances?q=state=Running")
            return {vm["uuid"] for vm in found.body["inventories"]} == set(vms)

        await eventually(all_run, "the scheduler has started every VM")
        await hook.wait_for(200, timeout_s=30)
        assert len(set(hook.ids)) == 200
    sessions = await cloud.sessions()
    assert sessions[True] == LEASES
    assert 1 < sessions[False] <= SESSIONS


async def test_what_needs_a_session_goes_past_it(cloud: Pooled, tmp_path: Path) -> None:
    """While PgBouncer is frozen, the schema and a backup are done, and every lease is renewed."""

    async def all_there() -> bool:
        return await cloud.db.fetchval("SELECT count(*) FROM workers") == LEASES

    await eventually(all_there, "the workers have joined")
    cloud.bouncer.send_signal(signal.SIGSTOP)
    try:
        for command in (("schema",), ("backup", str(tmp_path / "dump"))):
            done = await cloud.running.run(sys.executable, "-m", "zstack_mgmt", *command, log=command[0])
            async with asyncio.timeout(30):
                assert await done.wait() == 0, (cloud.running.folder / command[0]).read_text()
        known = dict(await cloud.db.fetch("SELECT owner, lease_until FROM workers"))
        assert len(known) == LEASES

        async def all_renewed() -> bool:
            now = dict(await cloud.db.fetch("SELECT owner, lease_until FROM workers"))
            return now.keys() == known.keys() and all(now[owner] > known[owner] for owner in known)

        await eventually(all_renewed, "every lease has been renewed")
    finally:
        cloud.bouncer.send_signal(signal.SIGCONT)
    assert (await cloud.admin.job("POST", "/zones", {"params": {"name": "after"}})).status == 200


async def test_its_death_under_load_costs_no_job(cloud: Pooled) -> None:
    jobs: list[str] = []
    refused = 0
    over = asyncio.Event()

    async def accepted(job: str, hook: str) -> bool:
        headers = {"X-Job-UUID": job, "X-Web-Hook": hook}
        try:
            answer = await cloud.admin.call("POST", "/zones", {"params": {"name": "load"}}, headers=headers)
        except BROKEN:
            return False
        assert answer.status in (202, 503), answer
        return answer.status == 202

    async def client(hook: str) -> None:
        nonlocal refused
        while not over.is_set():
            jobs.append(job := uuid.uuid4().hex)
            while not await accepted(job, hook):
                refused += 1
                await asyncio.sleep(0.1)

    async def ended() -> int:
        return await cloud.db.fetchval("SELECT count(*) FROM api_jobs WHERE state = 'succeeded'")

    async with receiver() as hook:
        async with asyncio.TaskGroup() as group:
            for _ in range(16):
                group.create_task(client(hook.url))
            for _ in range(2):
                before = await ended()

                async def goes_on(before: int = before) -> bool:
                    return await ended() > before + 100

                await eventually(goes_on, "jobs end")
                await cloud.running.stop(cloud.bouncer, signal.SIGKILL)
                await asyncio.sleep(1)  # whoever watches it takes his time
                cloud.bouncer = await bounce(cloud.running, cloud.config)
            await eventually(goes_on, "jobs end again")
            over.set()

        async def all_ended() -> bool:
            query = "SELECT count(*) FROM api_jobs WHERE uuid = ANY ($1) AND state = 'succeeded'"
            return await cloud.db.fetchval(query, jobs) == len(jobs)

        await eventually(all_ended, "every job has ended", 60)
        print(f"{len(jobs)} jobs were accepted over two deaths of PgBouncer, {refused} tries refused")

        async def all_told() -> bool:
            return {request.headers["x-job-uuid"] for request in hook.requests} == set(jobs)

        await eventually(all_told, "every job is told to its receiver", 60)
    assert await cloud.db.fetchval("SELECT count(*) FROM zones WHERE name = 'load'") == len(jobs)
    audited = "SELECT count(*) FROM audits WHERE job_uuid = ANY ($1)"
    assert await cloud.db.fetchval(audited, jobs) == len(jobs)
    said = (cloud.running.folder / "worker-jobs").read_text()
    assert "the lease was lost" not in said
    assert 1 <= said.count("a server is lost") <= 4, "each of two workers says it once per death"


async def test_a_pgbouncer_without_the_limits_is_refused(settings: Settings, folder: Path) -> None:
    port = free_port()
    config = configured(folder, settings, port)
    config.write_text(config.read_text().replace("SET lock_timeout = 8000; ", ""))
    async with processes(settings, folder) as running:
        running.env |= {"DATABASE_URL": through(settings, port), "DIRECT_DATABASE_URL": settings.database_url}
        await bounce(running, config)
        api = await running.service("serve", PORT=str(free_port()))
        async with asyncio.timeout(20):
            assert await api.wait() == 2
        last = (folder / "serve").read_text().strip().splitlines()[-1]
        assert (
            "DATABASE_URL: PgBouncer lacks connect_query='SET statement_timeout = 10000; SET lock_timeout"
            in last
        )
