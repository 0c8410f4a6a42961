"""PostgreSQL fails over: a primary and a synchronous standby, of which the primary is killed under load."""

import asyncio
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
import pytest

from acceptance.stack import BROKEN, eventually, running_stack
from zstack_mgmt.local.postgres import LocalPostgres
from zstack_mgmt.local.processes import free_port
from zstack_mgmt.local.servers import DATABASE, RunningPostgres, prepare_data_dir, start_postgres

pytestmark = pytest.mark.faults


@dataclass
class Pair:
    """Two servers; the second repeats what the first does before the first says that it is done."""

    primary: RunningPostgres
    standby: RunningPostgres

    @property
    def url(self) -> str:
        """Both, the standby first: the one that takes writes has to be found."""
        server, ports = self.primary.server, (self.standby.port, self.primary.port)
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"postgresql://postgres:{server.password}@{hosts}/{DATABASE}"

    def kill_primary(self) -> None:
        """It dies as a machine does, and does not come back."""
        self.primary.process.kill()
        self.primary.process.wait()

    async def promote(self) -> None:
        conn = await asyncpg.connect(self.standby.database_url)
        await conn.execute("SELECT pg_promote()")
        await conn.close()


@asynccontextmanager
async def pair() -> AsyncIterator[Pair]:
    folder = prepare_data_dir(Path(tempfile.mkdtemp(prefix="zstack-pair-")))
    folder.chmod(0o711)  # the servers may belong to another user
    primary = await start_postgres(folder, settings={"max_connections": "100"})
    standby: RunningPostgres | None = None
    try:
        standby = await _standby_of(primary, folder / "standby")
        conn = await asyncpg.connect(primary.database_url)
        await conn.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await conn.execute("SELECT pg_reload_conf()")

        async def is_synchronous() -> bool:
            return await conn.fetchval("SELECT sync_state FROM pg_stat_replication") == "sync"

        await eventually(is_synchronous, 20, "the standby is synchronous")
        await conn.close()
        yield Pair(primary, standby)
    finally:
        if standby is not None:
            await standby.stop()
        await primary.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _standby_of(primary: RunningPostgres, folder: Path) -> RunningPostgres:
    """A server that follows the primary; once promoted it waits for no standby of its own."""
    source = primary.server.url(primary.port, "")
    copy = Path(primary.server.binaries.postgres).with_name("pg_basebackup")
    command = [str(copy), "-d", source, "-D", str(folder / "postgres"), "-R", "-X", "stream", "-c", "fast"]
    owner = primary.server.owner
    folder.mkdir()
    if owner is not None:
        shutil.chown(folder, owner.uid, owner.gid)
    identity = {} if owner is None else {"user": owner.uid, "group": owner.gid, "extra_groups": []}
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, **identity)
    settings = {**primary.server.settings, "synchronous_standby_names": ""}
    server: LocalPostgres = replace(
        primary.server, folder=folder / "postgres", log=folder / "log", settings=settings
    )
    port = free_port()
    return RunningPostgres(server, await server.start(port), port)


async def test_a_lost_primary_costs_seconds_and_no_job() -> None:
    async with pair() as servers, running_stack(DATABASE_URL=servers.url, WORKER_PROCESSES="2") as stack:
        before = await stack.accept("before", 200)
        accepting = asyncio.create_task(stack.accept("during", 600))
        async with asyncio.timeout(30):
            while not await stack.states(before):
                await asyncio.sleep(0.02)
        servers.kill_primary()
        await asyncio.sleep(1)  # whoever watches the servers takes his time
        await servers.promote()
        promoted = time.monotonic()

        async def accepted() -> bool:
            try:
                return await stack.post_zone("after", uuid.uuid4().hex) == 202
            except BROKEN:
                return False

        await eventually(accepted, 30, "a call is accepted by the new primary")
        took_s = time.monotonic() - promoted
        during = await accepting
        print(f"the first call was accepted {took_s:.2f} s after the promotion (aim 10)")
        await stack.finished(before + during, 60, "all jobs have ended")
        await stack.assert_exactly_once("before", before)
        await stack.assert_exactly_once("during", during)


async def test_queries_that_may_be_late_are_answered_by_a_standby() -> None:
    async with pair() as servers:
        reads = servers.url  # the standby is the first of the two
        env = {"DATABASE_URL": servers.url, "READ_DATABASE_URL": reads, "WORKER_PROCESSES": "1"}
        async with running_stack(**env) as stack:
            assert await stack.post_zone("z", uuid.uuid4().hex) == 202

            async def is_there() -> bool:
                async with stack.http.get(f"{stack.base}/zones", headers=stack.headers()) as reply:
                    return [zone["name"] for zone in (await reply.json())["inventories"]] == ["z"]

            await eventually(is_there, 20, "the zone is found")
            conn = await asyncpg.connect(servers.standby.database_url)
            busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'zstack-reads'"
            assert await conn.fetchval(busy) >= 1
            await conn.close()
            await servers.standby.stop()
            assert await is_there()  # by the primary, which is named last
