"""Processes of this release and of the one before it, on one database and one Redis."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from zstack_mgmt.local.processes import free_port

ROOT = Path(__file__).parents[2]
PREVIOUS = "8b25798"  # the commit of the release before this one


def unpack_previous(folder: Path) -> None:
    """Write the code of the previous release into the folder; the repository must have its history."""
    archive = subprocess.run(
        ["git", "archive", PREVIOUS, "schema.sql", "workers", "zstack_mgmt"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True)


@dataclass
class Release:
    """The code in a folder, run with the settings of one installation."""

    folder: Path
    env: dict[str, str]
    port: int = field(default_factory=free_port)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/zstack/v1"

    async def start(self, *command: str) -> asyncio.subprocess.Process:
        """Start `python -m zstack_mgmt <command>`."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "zstack_mgmt", *command),
            cwd=self.folder,
            env=os.environ | self.env | {"PYTHONPATH": str(self.folder), "PORT": str(self.port)},
        )

    async def run(self, *command: str) -> None:
        """The same, and wait for its good end."""
        process = await self.start(*command)
        assert await asyncio.wait_for(process.wait(), 60) == 0, command

    async def ready(self, http: aiohttp.ClientSession) -> None:
        """Wait until the API answers that it can work."""
        async with asyncio.timeout(30):
            while True:
                try:
                    async with http.get(f"http://127.0.0.1:{self.port}/readyz") as reply:
                        if reply.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)


async def end(*processes: asyncio.subprocess.Process) -> None:
    """SIGTERM, and wait for the good end of each."""
    for process in processes:
        process.terminate()
    for process in processes:
        assert await asyncio.wait_for(process.wait(), 15) == 0
