"""Redis behind sentinels: the master is killed, and the bell rings at the next one."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from acceptance.stack import eventually
from app import running_service
from zstack_mgmt.config import Settings
from zstack_mgmt.engine.bell import heard, wake_channel
from zstack_mgmt.local.binaries import find_redis
from zstack_mgmt.local.processes import free_port

pytestmark = pytest.mark.faults
MASTER = "cloud"


@dataclass
class Watched:
    """A master, its replica and three sentinels."""

    master: "subprocess.Popen[bytes]"
    sentinels: list[int]
    ports: tuple[int, int]

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return f"redis+sentinel://:secret@{places}/{MASTER}/1"

    async def master_port(self) -> int:
        client: Any = Redis(port=self.sentinels[0], decode_responses=True)
        try:
            return int((await client.sentinel_get_master_addr_by_name(MASTER))[1])
        finally:
            await client.aclose()


async def _answers(port: int, password: str | None = None) -> bool:
    client: Any = Redis(port=port, password=password)
    try:
        return await client.ping()
    except (RedisError, OSError):
        return False
    finally:
        await client.aclose()


@asynccontextmanager
async def watched() -> AsyncIterator[Watched]:
    folder = Path(tempfile.mkdtemp(prefix="zstack-sentinel-"))
    program, processes = str(find_redis()), list[subprocess.Popen[bytes]]()

    async def start(config: str, *more: str, password: str | None = None) -> int:
        port = free_port()
        place = folder / str(port)
        place.mkdir()
        file = place / "conf"
        file.write_text(f"port {port}\nbind 127.0.0.1\ndir {place}\nlogfile {place}/log\n{config}")
        processes.append(subprocess.Popen([program, str(file), *more]))
        await eventually(lambda: _answers(port, password), 20, "the server answers")
        return port

    try:
        login = 'requirepass secret\nmasterauth secret\nsave ""\n'
        master = await start(login, password="secret")
        replica = await start(f"{login}replicaof 127.0.0.1 {master}\n", password="secret")
        watch = (
            f"sentinel monitor {MASTER} 127.0.0.1 {master} 2\nsentinel auth-pass {MASTER} secret\n"
            f"sentinel down-after-milliseconds {MASTER} 500\nsentinel failover-timeout {MASTER} 3000\n"
        )
        sentinels = [await start(watch, "--sentinel") for _ in range(3)]

        async def all_know() -> bool:
            client: Any = Redis(port=sentinels[0], decode_responses=True)
            try:
                found = (await client.sentinel_masters())[MASTER]
                return found["num-other-sentinels"] == 2 and found["num-slaves"] == 1
            finally:
                await client.aclose()

        await eventually(all_know, 30, "the sentinels know each other and the replica")
        yield Watched(processes[0], sentinels, (master, replica))
    finally:
        for process in processes:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


async def test_the_bell_rings_at_the_next_master(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(watched())
        there = replace(settings, redis_url=servers.url)
        service = await stack.enter_async_context(running_service(there))

        async def made(name: str) -> Any:
            return await service.admin.create("/zones", name=name)

        async def rung(name: str) -> None:
            async with asyncio.timeout(30), aclosing(heard(there, wake_channel(there, "jobs"))) as rings:
                assert await anext(rings) == b""  # the listening has begun
                zone = asyncio.create_task(made(name))
                assert await anext(rings) == b"1"
                await zone

        await rung("before")
        assert await servers.master_port() == servers.ports[0]
        servers.master.kill()
        await asyncio.gather(*(made(f"meanwhile-{i}") for i in range(20)))

        async def is_next() -> bool:
            return await servers.master_port() == servers.ports[1]

        await eventually(is_next, 30, "the sentinels have a new master")

        async def is_rung() -> bool:
            try:
                await rung("after")
            except (RedisError, OSError):
                return False
            return True

        await eventually(is_rung, 30, "the bell rings at the new master")
        assert (await service.admin.get("/zones?count=true")).body["total"] >= 22
