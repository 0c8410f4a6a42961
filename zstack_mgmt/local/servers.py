"""Start PostgreSQL and Redis for one machine: for `run`, and for the tests."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import subprocess
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from zstack_mgmt.local.postgres import LocalPostgres, prepare_postgres, start_on_free_port
from zstack_mgmt.local.processes import LocalError, free_port
from zstack_mgmt.local.redis import LocalRedis, prepare_redis

DATABASE = "zstack_mgmt"


@dataclass(slots=True)
class RunningPostgres:
    """A PostgreSQL server of ours that answers."""

    server: LocalPostgres
    process: subprocess.Popen[bytes]
    port: int

    @property
    def database_url(self) -> str:
        return self.server.url(self.port, DATABASE)

    async def restart(self) -> None:
        """Start it again on the same port after it died."""
        self.process = await self.server.start(self.port)

    async def stop(self) -> None:
        await self.server.stop(self.process)


@dataclass(slots=True)
class RunningRedis:
    """A Redis server of ours that answers."""

    server: LocalRedis
    process: subprocess.Popen[bytes]
    port: int

    @property
    def redis_url(self) -> str:
        return self.server.url(self.port)

    async def restart(self) -> None:
        """Start it again on the same port after it died."""
        self.process = await self.server.start(self.port)

    async def stop(self) -> None:
        await self.server.stop(self.process)


def prepare_data_dir(data_dir: Path) -> Path:
    """Make the folder, closed to others, and return its absolute path."""
    try:
        data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise LocalError(f"DATA_DIR={data_dir} cannot be made: {error}") from error
    return data_dir.resolve()


class InUseError(LocalError):
    """Another process of ours runs on the folder."""


@contextlib.contextmanager
def only_one(data_dir: Path) -> Generator[None]:
    """Have the folder to oneself. Raises InUseError.

    The lock goes with the process, however it ends; children do not inherit the file.
    """
    with (data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise InUseError(
                f"DATA_DIR={data_dir} is in use by another run (pid {lock.read().strip() or 'unknown'}). "
                "Stop it, or set DATA_DIR and PORT to others."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


async def start_postgres(
    data_dir: Path, *, settings: Mapping[str, str] | None = None, major: int | None = None
) -> RunningPostgres:
    """Start the server of `data_dir/postgres`, on its last port if that is free, with our database in it."""
    server = await prepare_postgres(data_dir, settings=settings, major=major)
    process, port = await start_on_free_port(server, _ports(data_dir).get("postgres"))
    running = RunningPostgres(server, process, port)
    try:
        await server.create_database(port, DATABASE)
        _remember(data_dir, "postgres", port)
    except BaseException:
        await running.stop()
        raise
    return running


async def start_redis(data_dir: Path, *, settings: Mapping[str, str] | None = None) -> RunningRedis:
    """Start the server of `data_dir/redis` on the port that it had, if that is free."""
    server = prepare_redis(data_dir, settings=settings)
    preferred = _ports(data_dir).get("redis")
    for attempt in range(5):
        port = free_port(preferred=preferred)
        try:
            process = await server.start(port)
        except LocalError:
            # Only a port that was taken between the look and the start is worth another try.
            if attempt == 4 or free_port(preferred=port) == port:
                raise
            preferred = None
            continue
        _remember(data_dir, "redis", port)
        return RunningRedis(server, process, port)
    raise AssertionError("unreachable")


async def start_both(
    data_dir: Path, *, postgres_settings: Mapping[str, str] | None = None, major: int | None = None
) -> tuple[RunningPostgres, RunningRedis]:
    """Start both at the same time; when one fails the other is stopped."""
    postgres, redis = await asyncio.gather(
        start_postgres(data_dir, settings=postgres_settings, major=major),
        start_redis(data_dir),
        return_exceptions=True,
    )
    if isinstance(postgres, BaseException):
        if not isinstance(redis, BaseException):
            await redis.stop()
        raise postgres
    if isinstance(redis, BaseException):
        await postgres.stop()
        raise redis
    return postgres, redis


def write_json(path: Path, value: object) -> None:
    """Replace a file at once: a reader sees the old text or the new one, also after a crash."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)
    with unfinished.open("w") as file:
        file.write(json.dumps(value, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _ports(data_dir: Path) -> dict[str, int]:
    try:
        stored = json.loads((data_dir / "ports.json").read_text())
    except (OSError, ValueError):
        return {}
    return {name: port for name, port in stored.items() if isinstance(port, int)}


def _remember(data_dir: Path, name: str, port: int) -> None:
    write_json(data_dir / "ports.json", {**_ports(data_dir), name: port})
