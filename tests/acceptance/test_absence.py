"""The log of a process whose servers go and return: a line each, with the address."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from app import Client
from operations.processes import Processes, eventually, processes
from zstack_mgmt import __version__
from zstack_mgmt.bootstrap import prepare_database
from zstack_mgmt.config import Settings
from zstack_mgmt.local.processes import free_port
from zstack_mgmt.local.servers import RunningPostgres, RunningRedis, start_both

pytestmark = pytest.mark.faults
LOGS = ("serve", "worker-jobs", "worker-webhooks", "console")
AWAY_S = 4


class Alone:
    """Every kind of process on servers of their own."""

    def __init__(
        self, running: Processes, postgres: RunningPostgres, redis: RunningRedis, admin: Client
    ) -> None:
        self.running = running
        self.postgres = postgres
        self.redis = redis
        self.admin = admin

    def lines(self, log: str) -> list[dict[str, Any]]:
        text = (self.running.folder / log).read_text().splitlines()
        assert all(line.startswith("{") for line in text), text
        return [json.loads(line) for line in text]


@pytest.fixture
async def alone(settings: Settings, tmp_path: Path) -> AsyncIterator[Alone]:
    folder = Path(tempfile.mkdtemp(prefix="zstack-absence-"))
    postgres, redis = await start_both(folder)
    try:
        own = Settings(
            database_url=postgres.database_url,
            redis_url=redis.redis_url,
            data_dir=tmp_path,
            admin_password="password",
        )
        await prepare_database(own)
        port = free_port()
        async with processes(own, tmp_path) as running, aiohttp.ClientSession() as http:
            await running.api(port)
            await running.service("worker", "jobs")
            await running.service("worker", "webhooks")
            await running.service("console", CONSOLE_PORT=str(free_port()))
            admin = await Client(http, f"http://127.0.0.1:{port}/zstack/v1").log_in()
            await admin.create("/zones", name="zone")
            made = Alone(running, postgres, redis, admin)

            async def all_connected() -> bool:
                return all("connected" in [line["event"] for line in made.lines(log)] for log in LOGS)

            await eventually(all_connected, "each process has begun")
            yield made
    finally:
        await postgres.stop()
        await redis.stop()
        shutil.rmtree(folder)


async def gone_and_back(alone: Alone, server: str) -> dict[str, list[str]]:
    """Kill a server, call meanwhile, start it again; what each process has logged of it."""
    ours: Any = alone.redis if server == "redis" else alone.postgres
    ours.process.kill()
    ours.process.wait()
    for _ in range(AWAY_S * 2):
        await alone.admin.call("POST", "/zones", {"params": {"name": "zone"}})
        await asyncio.sleep(0.5)
    await ours.restart()

    async def works() -> bool:
        return (await alone.admin.job("POST", "/zones", {"params": {"name": "after"}})).status == 200

    await eventually(works, "jobs run again")

    def told() -> dict[str, list[str]]:
        return {
            log: [
                line["event"]
                for line in alone.lines(log)
                if line.get("server") == server or line["level"] in ("warning", "error")
            ]
            for log in LOGS
        }

    async def all_back() -> bool:
        return all(
            events.count("a server is lost") == events.count("a server is back") for events in told().values()
        )

    await eventually(all_back, "each process says that it is back")
    await asyncio.sleep(1)
    addresses = {line["address"] for log in LOGS for line in alone.lines(log) if line.get("server") == server}
    assert addresses == {f"127.0.0.1:{ours.port}/{'0' if server == 'redis' else 'zstack_mgmt'}"}
    return told()


async def test_a_lost_redis_is_two_lines(alone: Alone) -> None:
    told = await gone_and_back(alone, "redis")
    assert told == {log: [] if log == "console" else ["a server is lost", "a server is back"] for log in LOGS}


async def test_a_lost_database_is_two_lines(alone: Alone) -> None:
    told = await gone_and_back(alone, "postgresql")
    for log, events in told.items():
        assert events.count("a server is lost") == 1, (log, events)
        assert len(events) <= 4, (log, events)  # a lease may be lost, and a host's check fail


async def test_the_first_line_says_what_starts_on_what(alone: Alone) -> None:
    for log in LOGS:
        first = next(line for line in alone.lines(log) if not line["event"].startswith("waiting"))
        assert (first["event"], first["version"], first["process"]) == ("connected", __version__, log)
        assert first["database"] == f"127.0.0.1:{alone.postgres.port}/zstack_mgmt"
        assert alone.postgres.server.password not in (alone.running.folder / log).read_text()
