"""Two machines behind nginx: all their processes are replaced under load, and links are cut in silence."""

import asyncio
import ssl
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest

from app import Client, Service
from compute.world import World, build
from operations.check_nginx import HOST, Here, configured
from operations.machines import API_PORTS, NETWORK, Machine, machines
from operations.processes import Process, Processes, eventually, processes, program
from receivers import receiver
from zstack_mgmt.bootstrap import prepare_database
from zstack_mgmt.config import Settings
from zstack_mgmt.local.processes import free_port

LEASE_S = 5
KINDS = (("worker", "jobs"), ("worker", "webhooks"))


@dataclass
class Cloud:
    """Two machines, what runs on them, and clients."""

    running: Processes
    machines: list[Machine]
    apis: dict[tuple[int, int], Process]
    workers: dict[tuple[int, str], Process]
    admin: Client  # through nginx
    db: Any

    def client(self, machine: Machine) -> Client:
        """A client of one machine's first API process, past nginx."""
        base = f"http://{machine.address}:{API_PORTS[0]}/zstack/v1"
        return Client(self.admin.http, base, self.admin.token)

    async def world(self) -> World:
        anonymous = Client(self.admin.http, self.admin.base)
        origin = self.admin.base.removesuffix("/zstack/v1")
        return await build(Service(Settings(), origin, self.admin.http, anonymous, self.admin, self.db))

    async def ended_once(self, jobs: list[str]) -> bool:
        """Whether all jobs have succeeded."""
        query = "SELECT count(*) FROM api_jobs WHERE uuid = ANY ($1) AND state = 'succeeded'"
        return await self.db.fetchval(query, jobs) == len(jobs)

    async def assert_exactly_once(self, jobs: list[str]) -> None:
        """Each job of a zone has made one zone and one line in the audit trail."""
        told = "SELECT result::json -> 'inventory' ->> 'uuid' FROM api_jobs WHERE uuid = ANY ($1)"
        zones = {row[0] for row in await self.db.fetch(told, jobs)}
        made = {row[0] for row in await self.db.fetch("SELECT uuid FROM zones WHERE name = 'load'")}
        assert (len(zones), made) == (len(jobs), zones)
        audited = "SELECT count(*) FROM audits WHERE job_uuid = ANY ($1)"
        assert await self.db.fetchval(audited, jobs) == len(jobs)


@pytest.fixture
async def cloud(settings: Settings, tmp_path: Path) -> AsyncIterator[Cloud]:
    await prepare_database(replace(settings, secret_key="5e" * 32))
    port, console = free_port(), free_port()
    async with processes(settings, tmp_path) as running, machines_of(running) as both:
        apis = [f"{machine.address}:{each}" for machine in both for each in API_PORTS]
        frame = configured(tmp_path, apis, port, console)
        trusted = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
        connector = aiohttp.TCPConnector(ssl=trusted, resolver=Here(), limit=0)
        running.env |= {
            "SECRET_KEY": "5e" * 32,
            "TRUSTED_PROXIES": NETWORK,
            "WEBHOOK_ALLOW": NETWORK,
            "LEASE_S": str(LEASE_S),
            "LEASE_RENEW_S": "1",
        }
        db = await asyncpg.connect(settings.database_url)
        async with aiohttp.ClientSession(connector=connector) as http:
            found = Cloud(running, both, {}, {}, Client(http, f"https://{HOST}:{port}/zstack/v1"), db)
            for machine in both:
                for each in API_PORTS:
                    found.apis[machine.number, each] = await machine.api(sys.executable, each)
                for kind in KINDS:
                    found.workers[machine.number, kind[1]] = await machine.service(sys.executable, *kind)
            proxy = await running.run(program("nginx"), "-p", str(tmp_path), "-c", str(frame), log="nginx")

            async def passes() -> bool:
                assert proxy.returncode is None, (tmp_path / "nginx").read_text()
                try:
                    async with http.get(f"https://{HOST}:{port}/healthz") as reply:
                        return reply.status == 200
                except aiohttp.ClientError:
                    return False

            async def all_joined() -> bool:
                return await db.fetchval("SELECT count(*) FROM workers") == len(found.workers)

            await eventually(passes, "nginx passes requests on")
            await eventually(all_joined, "the workers have joined", 60)
            found.admin = await found.admin.log_in()
            yield found
        await db.close()


@asynccontextmanager
async def machines_of(running: Processes) -> AsyncIterator[list[Machine]]:
    """Two machines; their processes end before they go."""
    async with machines(running, 2) as both:
        try:
            yield both
        finally:
            for process in running.started:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


@asynccontextmanager
async def load(
    client: Client, jobs: list[str], hook: str = "", pause_s: float = 0.0
) -> AsyncIterator[list[float]]:
    """Eight clients that make zones and look for them, and accept no refusal. Yields the seconds of each."""
    over = asyncio.Event()
    took: list[float] = []

    async def calls(number: int) -> None:
        while not over.is_set():
            started = time.monotonic()
            job = uuid.uuid4().hex
            headers = {"X-Job-UUID": job} | ({"X-Web-Hook": hook} if hook else {})
            headers |= {"Prefer": "wait=10"} if number % 2 else {}
            made = await client.call("POST", "/zones", {"params": {"name": "load"}}, headers=headers)
            assert made.status in (200, 202), made
            jobs.append(job)
            found = await client.get("/zones?limit=1")
            assert found.status == 200, found
            took.append(time.monotonic() - started)
            await asyncio.sleep(pause_s)

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(calls(number))
        try:
            yield took
        finally:
            over.set()


async def test_no_call_fails_while_every_process_of_both_machines_is_replaced(cloud: Cloud) -> None:
    jobs: list[str] = []
    async with receiver() as hook:
        url = cloud.machines[0].here(hook.url)
        async with load(cloud.admin, jobs, url, 0.2) as took:
            for machine in cloud.machines:
                for port in API_PORTS:
                    key = machine.number, port
                    await cloud.running.stop(cloud.apis[key])
                    assert cloud.apis[key].returncode == 0
                    cloud.apis[key] = await machine.api(sys.executable, port)
                for kind in KINDS:
                    worker = machine.number, kind[1]
                    await cloud.running.stop(cloud.workers[worker])
                    assert cloud.workers[worker].returncode == 0
                    cloud.workers[worker] = await machine.service(sys.executable, *kind)
        await eventually(lambda: cloud.ended_once(jobs), "every job has ended", 60)

        async def all_told() -> bool:
            return {request.headers["x-job-uuid"] for request in hook.requests} == set(jobs)

        await eventually(all_told, "every job is told to its receiver", 60)
    await cloud.assert_exactly_once(jobs)
    print(f"{len(jobs)} calls while 8 processes were replaced, the longest pair took {max(took):.1f} s")


def port_of(url: str) -> int:
    """The port of a server here."""
    port = urlsplit(url).port
    assert port is not None
    return port


async def test_a_machine_cut_off_from_postgresql_loses_its_jobs_to_others(
    cloud: Cloud,
) -> None:
    """Jobs that are under way on a machine that falls silent end once, elsewhere, after its lease."""
    first, second = cloud.machines
    database = port_of(cloud.running.env["DATABASE_URL"])
    world = await cloud.world()
    vms = await asyncio.gather(*(world.vm(strategy="JustCreate") for _ in range(12)))
    await cloud.running.stop(cloud.workers[second.number, "jobs"])
    lock = cloud.db.transaction()
    jobs: list[str] = []
    await lock.start()
    # Zones cannot be written and VMs not started: the jobs stand still in the middle of their work.
    await cloud.db.execute("LOCK TABLE zones, simulator_domains IN EXCLUSIVE MODE")
    client = cloud.client(second)
    for _ in range(20):
        jobs.append(uuid.uuid4().hex)
        accepted = await client.call(
            "POST", "/zones", {"params": {"name": "load"}}, headers={"X-Job-UUID": jobs[-1]}
        )
        assert accepted.status == 202, accepted
    starts = [uuid.uuid4().hex for _ in vms]
    for vm, job in zip(vms, starts, strict=True):
        path = f"/vm-instances/{vm['uuid']}/actions"
        accepted = await client.call("PUT", path, {"startVmInstance": {}}, headers={"X-Job-UUID": job})
        assert accepted.status == 202, accepted

    async def held() -> bool:
        query = "SELECT count(*) FROM api_jobs WHERE uuid = ANY ($1) AND state = 'running'"
        return await cloud.db.fetchval(query, jobs + starts) >= len(starts)

    await eventually(held, "the first machine holds jobs")
    async with first.cut_off(database):
        cut = time.monotonic()
        await lock.rollback()
        second_worker = await second.service(sys.executable, *KINDS[0])
        cloud.workers[second.number, "jobs"] = second_worker
        await eventually(lambda: cloud.ended_once(jobs + starts), "every job has ended elsewhere", 60)
        took_s = time.monotonic() - cut
        refused = await cloud.client(first).call(
            "POST", "/zones", {"params": {"name": "no"}}, timeout=aiohttp.ClientTimeout(total=60)
        )
        assert refused.status == 503, refused
        refused_s = time.monotonic() - cut - took_s
        print(f"cut off from PostgreSQL: jobs ended elsewhere after {took_s:.1f} s (lease {LEASE_S} s)")
        print(f"a call there was refused after {refused_s:.1f} s")

        async def forgotten() -> bool:
            query = """
                SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'zstack-lease'
                """
            return await cloud.db.fetchval(query) == len(KINDS)

        await eventually(forgotten, "PostgreSQL has ended the sessions of the machine that is silent", 60)
    healed = time.monotonic()

    async def back() -> bool:
        zones = await cloud.client(first).call(
            "POST", "/zones", {"params": {"name": "load"}}, timeout=aiohttp.ClientTimeout(total=60)
        )
        if zones.status == 202:
            jobs.append(zones.body["location"].rpartition("/")[2])
        return zones.status == 202

    await eventually(back, "calls are accepted there again", 200)
    print(f"accepted there again {time.monotonic() - healed:.1f} s after the link was back")

    async def rejoined() -> bool:
        return await cloud.db.fetchval("SELECT count(*) FROM workers") == 4

    await eventually(rejoined, "the worker has joined again", 200)
    print(f"the workers were there again {time.monotonic() - healed:.1f} s after the link was back")
    await cloud.assert_exactly_once(jobs)
    domains = await cloud.db.fetch(
        "SELECT power, starts, count(*) AS vms FROM simulator_domains GROUP BY 1, 2"
    )
    assert [tuple(row) for row in domains] == [("Running", 1, len(vms))]
    assert "the lease was lost" in first.log


async def test_a_machine_cut_off_from_redis_is_slower_and_nothing_else(cloud: Cloud) -> None:
    """Calls, jobs, their webhooks and changes of rights pass all the same, in both directions."""
    first, second = cloud.machines
    redis = port_of(cloud.running.env["REDIS_URL"])
    jobs: list[str] = []
    ended = await Client(cloud.admin.http, cloud.admin.base).log_in()
    async with receiver() as hook:
        async with first.cut_off(redis), load(cloud.client(first), jobs, first.here(hook.url), 0.2) as took:
            there = Client(cloud.admin.http, cloud.client(first).base, ended.token)
            assert (await there.get("/zones?limit=1")).status == 200
            away = Client(cloud.admin.http, cloud.client(second).base, ended.token)
            assert (await away.call("DELETE", f"/accounts/sessions/{ended.token}")).status == 200
            left = time.monotonic()

            async def refused() -> bool:
                return (await there.get("/zones?limit=1")).status != 200

            await eventually(refused, "the session has ended there too", 10)
            ended_s = time.monotonic() - left

            async def noticed() -> bool:
                return "a server is lost" in first.log

            await eventually(noticed, "the worker there has noticed", 60)
            await eventually(lambda: cloud.ended_once(jobs[:100]), "a hundred jobs have ended", 60)
        await eventually(lambda: cloud.ended_once(jobs), "every job has ended", 60)

        async def all_told() -> bool:
            return {request.headers["x-job-uuid"] for request in hook.requests} == set(jobs)

        await eventually(all_told, "every job is told to its receiver", 60)

        async def back() -> bool:
            jobs.append(uuid.uuid4().hex)
            headers = {"X-Job-UUID": jobs[-1]}
            await cloud.admin.call("POST", "/zones", {"params": {"name": "load"}}, headers=headers)
            return "a server is back" in first.log

        healed = time.monotonic()
        await eventually(back, "the worker hears the bell again", 60)
        back_s = time.monotonic() - healed
        await eventually(lambda: cloud.ended_once(jobs), "every job has ended", 60)
    await cloud.assert_exactly_once(jobs)
    took.sort()
    usual_s, most_s = took[len(took) // 2], took[-1]
    print(
        f"cut off from Redis: {len(jobs)} jobs; a pair of calls took {usual_s:.2f} s, {most_s:.2f} s at most"
    )
    print(f"a session ended there after {ended_s:.2f} s; the bell was heard again after {back_s:.1f} s")
