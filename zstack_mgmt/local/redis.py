"""A Valkey (or Redis) server as a child process, its data in one folder."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from zstack_mgmt.local.binaries import find_redis
from zstack_mgmt.local.processes import (
    LINUX,
    Child,
    Leftover,
    LocalError,
    end_leftovers,
    log_tail,
    open_log,
    process_command,
    processes_in,
    spawn,
    stop,
)

START_LIMIT_S = 60.0
PROGRAMS = ("valkey-server", "redis-server")
SETTINGS: Mapping[str, str] = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": '""',
    "maxmemory-policy": "noeviction",  # an evicted wake-up or session would be a silent loss
    "daemonize": "no",
}


@dataclass(frozen=True, slots=True)
class LocalRedis:
    """One data directory and the program that serves it."""

    folder: Path
    log: Path
    program: Path
    password: str = field(repr=False)
    settings: Mapping[str, str]

    def url(self, port: int) -> str:
        """The address for redis-py, password included."""
        return f"redis://:{self.password}@127.0.0.1:{port}/0"

    async def start(self, port: int) -> subprocess.Popen[bytes]:
        """Start the server and wait until it has read its data and answers.

        Raises: LocalError, also when another program listens there.
        """
        await end_leftovers(self.leftovers)
        config = self._write_config(port)
        with open_log(self.log) as log:
            start = log.tell()
            process = spawn(
                [self.program, config],
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                output=log,
                death_signal=signal.SIGTERM,
                cwd=self.folder,
            )
        try:
            ready = await self._wait_ready(process, port)
        except BaseException:
            await self.stop(process)
            raise
        if not ready:
            tail = log_tail(self.log, start)
            raise LocalError(
                f"{self.program.name} did not start on port {port}; its log {self.log} ends with:\n{tail}"
            )
        return process

    async def stop(self, process: Child, grace_s: float = 1.2) -> None:
        """Stop the server; it writes its log of changes first."""
        await stop(process, (signal.SIGTERM, grace_s))

    def leftovers(self) -> list[Leftover]:
        """The server of an earlier run that still holds the folder."""
        if LINUX:
            return processes_in(self.folder, PROGRAMS, signal.SIGTERM)
        try:
            pid = int((self.folder / "server.pid").read_text())
        except (OSError, ValueError):
            return []
        command = process_command(pid)
        return (
            [Leftover(pid, "redis", signal.SIGTERM)]
            if command and any(name in command for name in PROGRAMS)
            else []
        )

    def _write_config(self, port: int) -> Path:
        # A file, because everybody on the machine can read a command line and the password in it.
        lines = [
            "bind 127.0.0.1",
            f"port {port}",
            f"requirepass {self.password}",
            "dir ./",
            "pidfile ./server.pid",
            *(f"{name} {value}" for name, value in self.settings.items()),
        ]
        config = self.folder / "server.conf"
        config.unlink(missing_ok=True)
        with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("\n".join(lines) + "\n")
        return config

    async def _wait_ready(self, process: subprocess.Popen[bytes], port: int) -> bool:
        clock = asyncio.get_running_loop().time
        deadline = clock() + START_LIMIT_S
        # By its number: a thread would look a name up, and `forks.fork` wants none.
        client = Redis(
            host="127.0.0.1", port=port, password=self.password, socket_timeout=2, socket_connect_timeout=2
        )
        try:
            while process.poll() is None:
                if await _answers_as(client, process.pid):
                    return True
                if clock() > deadline:
                    raise LocalError(
                        f"{self.program.name} is not ready after {START_LIMIT_S:.0f} s; see {self.log}."
                    )
                await asyncio.sleep(0.01)
            return False
        finally:
            await client.aclose()


async def _answers_as(client: Redis, pid: int) -> bool:
    # The number proves that it is our server and not one that was there before.
    try:
        server = cast("dict[str, object]", await client.info("server"))  # pyright: ignore[reportUnknownMemberType]
        await client.ping()  # pyright: ignore[reportUnknownMemberType]  # refused while it still reads its data
    except (RedisError, OSError):
        return False
    return str(server.get("process_id")) == str(pid)


def prepare_redis(data_dir: Path, *, settings: Mapping[str, str] | None = None) -> LocalRedis:
    """Make `data_dir/redis` if it is not there, with a generated password."""
    folder = data_dir / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    config = folder / "server.conf"
    known = re.search(r"^requirepass (\S+)$", config.read_text(), re.MULTILINE) if config.exists() else None
    return LocalRedis(
        folder=folder,
        log=data_dir / "logs" / "redis.log",
        program=find_redis(),
        password=known[1] if known else secrets.token_urlsafe(24),
        settings={**SETTINGS, **(settings or {})},
    )
