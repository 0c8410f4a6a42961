"""The servers that the tests run on: given by DATABASE_URL and REDIS_URL, else started for this run alone.

    DATABASE_URL, REDIS_URL   servers to use; the role must be allowed to create databases
    POSTGRES_MAJOR            version of the started PostgreSQL, if several are installed

With pytest-xdist the controlling process owns the servers and hands their addresses to the workers.
"""

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from zstack_mgmt import schema
from zstack_mgmt.local.processes import LocalError
from zstack_mgmt.local.servers import RunningPostgres, RunningRedis, start_postgres, start_redis

# Tests may lose their data in a power cut. The ones that kill servers start their own, which fsync.
FAST: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "max_wal_size": "256MB",
}
# A copy of the template is a thousand files: 15 ms in memory, 300 ms on a disk.
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 4 << 30


class ServiceMissing(Exception):
    """A server that the tests need is not there: the run fails, it does not skip."""


@dataclass(frozen=True)
class Services:
    """Addresses of the servers, and the database that each test gets a copy of."""

    database_url: str
    redis_url: str
    template: str = ""

    def url_of(self, database: str) -> str:
        return urlunsplit(urlsplit(self.database_url)._replace(path=f"/{database}"))

    def to_environment(self) -> None:
        os.environ["ZSTACK_TEST_SERVICES"] = "\n".join((self.database_url, self.redis_url, self.template))

    @classmethod
    def from_environment(cls) -> "Services | None":
        text = os.environ.get("ZSTACK_TEST_SERVICES")
        return cls(*text.split("\n")) if text else None


class Owner:
    """Starts what is missing, and puts everything away."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._postgres: RunningPostgres | None = None
        self._redis: RunningRedis | None = None
        self._services: Services | None = None

    def start(self) -> Services:
        try:
            return asyncio.run(self._start())
        except (LocalError, OSError, asyncpg.PostgresError) as error:
            self.stop()
            raise ServiceMissing(f"The tests need PostgreSQL and Redis: {error}") from error

    def stop(self) -> None:
        asyncio.run(self._stop())

    async def _start(self) -> Services:
        database_url = os.environ.get("DATABASE_URL", "")
        redis_url = os.environ.get("REDIS_URL", "")
        folder = self._folder = Path(tempfile.mkdtemp(prefix="zstack-tests-", dir=memory()))
        if not database_url:
            major = os.environ.get("POSTGRES_MAJOR")
            self._postgres = await start_postgres(folder, settings=FAST, major=int(major) if major else None)
            database_url = self._postgres.server.url(self._postgres.port)
        if not redis_url:
            self._redis = await start_redis(folder, settings={"appendonly": "no"})
            redis_url = self._redis.redis_url
        services = Services(database_url, redis_url)
        self._services = replace(services, template=await make_template(services))
        return self._services

    async def _stop(self) -> None:
        if self._postgres is not None:
            await self._postgres.stop()
        elif self._services is not None:
            await drop_database(self._services, self._services.template)
        if self._redis is not None:
            await self._redis.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def memory() -> Path | None:
    """Where files are kept in memory, if there is room for the databases of a run."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES else None


async def make_template(services: Services) -> str:
    """Create a database with the whole schema, to be copied."""
    name = await create_database(services, "template0")
    connection = await asyncpg.connect(services.url_of(name))
    try:
        await schema.apply(connection)
    finally:
        await connection.close()
    return name


async def clone_template(services: Services) -> str:
    """Create a copy of the template; its name."""
    return await create_database(services, services.template)


async def create_database(services: Services, template: str) -> str:
    """Create a copy of a database; its name."""
    name = f"zstack_test_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(services.database_url)
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    finally:
        await connection.close()
    return name


async def drop_database(services: Services, name: str) -> None:
    """Drop a database, whoever is still connected.

    PostgreSQL looks every 100 ms whether the last sessions have gone; most go within a few.
    """
    connection = await asyncpg.connect(services.database_url)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                while await connection.fetchval("SELECT 1 FROM pg_stat_activity WHERE datname = $1", name):
                    await asyncio.sleep(0.002)
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await connection.close()
