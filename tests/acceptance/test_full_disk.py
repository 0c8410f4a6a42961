"""A database whose disk is full: a small one that is mounted for the test, which takes root."""

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app import Service, running_service
from engine.waiting import ended, states, until
from services import FAST
from zstack_mgmt import schema
from zstack_mgmt.config import Settings
from zstack_mgmt.local.servers import prepare_data_dir, start_postgres

pytestmark = pytest.mark.faults
DISK_BYTES = 64 * 1024 * 1024


class Disk:
    """A file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no byte free."""
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def free(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def disk(request: pytest.FixtureRequest) -> Iterator[Disk]:
    folder = Path(tempfile.mkdtemp(prefix="zstack-disk-"))
    size = f"size={DISK_BYTES},mode=777"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        folder.rmdir()
        why = f"The tests of a full disk need to mount a tmpfs, as root does: {mounted.stderr.strip()}"
        request.session.shouldfail = why
        raise pytest.fail.Exception(why, pytrace=False)
    yield Disk(folder)
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


@pytest.fixture
async def settings(settings: Settings, disk: Disk) -> AsyncIterator[Settings]:
    """Settings with a database whose tables, and nothing else of its server, are on the small disk."""
    data_dir = prepare_data_dir(Path(tempfile.mkdtemp(prefix="zstack-full-")))
    postgres = await start_postgres(data_dir, settings=FAST)
    try:
        space = disk.folder / "space"
        space.mkdir()
        if postgres.server.owner is not None:
            os.chown(space, postgres.server.owner.uid, postgres.server.owner.gid)
        conn = await asyncpg.connect(postgres.database_url)
        await conn.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
        await conn.execute("CREATE DATABASE small TABLESPACE small")
        await conn.close()
        url = postgres.server.url(postgres.port, "small")
        conn = await asyncpg.connect(url)
        await schema.apply(conn)
        await conn.close()
        yield replace(settings, database_url=url)
    finally:
        await postgres.stop()
        shutil.rmtree(data_dir, ignore_errors=True)


async def ready(service: Service) -> tuple[int, str]:
    async with service.http.get(f"{service.origin}/readyz") as reply:
        return reply.status, (await reply.json())["status"]


async def post(service: Service) -> Any:
    """Ask for what takes some pages of the disk, in the job and in its effect."""
    statement = {
        "effect": "Allow",
        "actions": ["a"],
        "resources": [secrets.token_hex(500) for _ in range(40)],
    }
    params = {"name": secrets.token_hex(8), "statements": [statement]}
    return await service.admin.call("POST", "/accounts/policies", {"params": params})


async def test_a_full_disk_fails_no_job_and_is_told(settings: Settings, disk: Disk) -> None:
    async with running_service(settings, senders=0) as service:
        async with service.db.transaction():
            await service.db.execute("LOCK TABLE policies IN EXCLUSIVE MODE")  # the jobs begin, and wait
            jobs = [(await post(service)).headers["X-Job-UUID"] for _ in range(50)]

            async def begun() -> bool:
                return "running" in await states(service, jobs)

            await until(begun)
            assert await ready(service) == (200, "ok")
            disk.fill()

            async def refused() -> bool:
                answer = await post(service)
                if answer.status == 202:  # there was room in the files
                    jobs.append(answer.headers["X-Job-UUID"])
                    return False
                assert (answer.status, answer.code) == (503, "SYS.1010")
                assert int(answer.headers["Retry-After"]) > 0
                return True

            await until(refused, 30)

            async def told() -> bool:
                return await ready(service) == (503, "the database has no room left on its disk")

            await until(told, 5)
        undone = await rollbacks(service)

        async def tried() -> bool:
            return await rollbacks(service) > undone + 5

        await until(tried, 30)
        assert not (await states(service, jobs)).keys() - {"queued", "running"}
        disk.free()
        await ended(service, jobs, 30)
        assert await states(service, jobs) == {"succeeded": len(jobs)}
        assert (await post(service)).status == 202

        async def is_ready() -> bool:
            return await ready(service) == (200, "ok")

        await until(is_ready, 5)


async def rollbacks(service: Service) -> int:
    """How many transactions the database has undone so far."""
    return await service.db.fetchval(
        "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    )
