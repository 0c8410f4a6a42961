"""Processes of the service and of other programs, each ended when the test ends."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from zstack_mgmt.config import Settings

ROOT = Path(__file__).parents[2]
OTHERS = ("DATABASE_URL", "REDIS_URL", "METRICS_DIR", "ADMIN_PASSWORD", "ZSTACK_TEST_SERVICES")
Process = asyncio.subprocess.Process


def program(name: str) -> str:
    """A program of the machine; without it the test fails, and says what is missing."""
    folders = f"{os.environ['PATH']}:/usr/sbin:/sbin:/usr/local/sbin"
    found = shutil.which(name, path=folders)
    assert found, f"this test needs {name}; Debian's packages for it are named in docs/contributing.md"
    return found


async def eventually(condition: Callable[[], Awaitable[Any]], what: str, timeout_s: float = 30) -> Any:
    """The first true value of the condition."""
    async with asyncio.timeout(timeout_s):
        while True:
            if value := await condition():
                return value
            await asyncio.sleep(0.05)
    raise AssertionError(what)


class Processes:
    """What a test has started."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.folder = folder
        self.env = {name: value for name, value in os.environ.items() if name not in OTHERS} | {
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "REDIS_PREFIX": settings.redis_prefix,
            "DATA_DIR": str(settings.data_dir),
            "PASSWORD_MEMORY_KIB": "64",
            "LOG_LEVEL": "info",
            "WEBHOOK_ALLOW": "127.0.0.0/8",
        }
        self.started: list[Process] = []

    async def run(self, *command: str, log: str = "log", **env: str) -> Process:
        """Start a program; its output goes to a file of this name."""
        with (self.folder / log).open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=self.env | env, stdout=output, stderr=output
            )
        self.started.append(process)
        return process

    async def service(self, *command: str, **env: str) -> Process:
        """Start a process of the service."""
        return await self.run(sys.executable, "-m", "zstack_mgmt", *command, log="-".join(command), **env)

    async def api(self, port: int, **env: str) -> Process:
        """Start an API process, and wait until it answers."""
        process = await self.service("serve", PORT=str(port), **env)
        await answers(f"http://127.0.0.1:{port}/healthz", process)
        return process

    async def stop(self, process: Process, number: signal.Signals = signal.SIGTERM) -> None:
        """End one of them."""
        if process.returncode is None:
            process.send_signal(number)
            async with asyncio.timeout(20):
                await process.wait()


async def answers(url: str, process: Process) -> None:
    """Wait for 200."""

    async def ready() -> bool:
        assert process.returncode is None, f"the process of {url} has ended"
        try:
            async with aiohttp.ClientSession() as http, http.get(url) as reply:
                return reply.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    await eventually(ready, f"{url} answers", 90)


@asynccontextmanager
async def processes(settings: Settings, folder: Path) -> AsyncIterator[Processes]:
    """Start processes in the block; none of them outlives it."""
    made = Processes(settings, folder)
    try:
        yield made
    finally:
        for process in made.started:
            if process.returncode is None:
                process.kill()
                await process.wait()
