"""Many consoles, many tokens, and an agent that is killed: an agent as a process of its own."""

import asyncio
import os
import signal
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from viewer import HEIGHT, WIDTH, Viewer, ask, closing_reason, opened
from world import World

from app import agent_answers
from zstack_mgmt.config import Settings

pytestmark = pytest.mark.faults
CONSOLES = 200
TOKENS = 5000


@asynccontextmanager
async def agent_process(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """An agent, from its first sign of life on; ended when the block ends."""
    env = os.environ | {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "DATA_DIR": str(settings.data_dir),
        "CONSOLE_PORT": str(settings.console_port),
        "CONSOLE_ACCOUNT_CONNECTIONS": "500",
        "LOG_LEVEL": "error",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "zstack_mgmt", "console", env=env)
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            while not await agent_answers(http, settings.console_port):
                assert process.returncode is None
                await asyncio.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def memory_kib(pid: int) -> int:
    """What the process has in memory and shares with none."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


async def test_a_stalled_reader_among_200_consoles_takes_little_memory(
    lonely: World, settings: Settings
) -> None:
    vm = await lonely.vm()
    async with agent_process(settings) as process, AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        viewers: list[Viewer] = []

        async def view() -> None:
            ws = await stack.enter_async_context(opened(lonely, (await ask(lonely, vm)).inventory, http=http))
            viewer = Viewer(ws)
            await viewer.greet()
            await viewer.update(incremental=False)
            viewers.append(viewer)

        for _ in range(CONSOLES // 10):
            await asyncio.gather(*(view() for _ in range(10)))
        stalled = await stack.enter_async_context(
            opened(lonely, (await ask(lonely, vm)).inventory, http=http)
        )
        await Viewer(stalled).greet()
        for viewer in viewers[:50]:  # what follows once before, so that it is not counted
            await viewer.press("x")
            await viewer.update()
        before = memory_kib(process.pid)
        for _ in range(200):  # of a megabyte each, and nobody reads them
            await stalled.send_bytes(struct.pack(">BBHHHH", 3, 0, 0, 0, WIDTH, HEIGHT))
        for viewer in viewers[:50]:
            await viewer.press("x")
            await viewer.update()
        grown = memory_kib(process.pid) - before
        print(f"\n{CONSOLES} consoles open: {before} KiB; a stalled reader adds {grown} KiB (aim 1024)")
        assert grown < 8 * 1024  # of 200 MB; other work on the machine moves it by a megabyte or two


async def test_5000_tokens_in_a_minute_leave_few_and_hold_nobody_up(
    lonely: World, settings: Settings
) -> None:
    vm = await lonely.vm()
    other = await lonely.tenant("other")
    gate = asyncio.Semaphore(100)

    async def one() -> None:
        async with gate:
            assert (await ask(lonely, vm)).status == 200

    async with agent_process(settings), asyncio.timeout(60):
        asking = asyncio.gather(*(one() for _ in range(TOKENS)))
        made = await other.create("/accounts/users", name="beside", password="secret")
        assert made["name"] == "beside"
        assert not asking.done()
        await asking
    # Ten, and perhaps some that were made at the same moment.
    assert await lonely.service.db.fetchval("SELECT count(*) FROM console_tokens") < 100


async def test_a_killed_agent_is_disconnected_and_its_consoles_are_closed(
    lonely: World, settings: Settings
) -> None:
    vm = await lonely.vm()
    async with agent_process(settings) as process:
        unused = (await ask(lonely, vm)).inventory
        async with opened(lonely, (await ask(lonely, vm)).inventory) as ws:
            await Viewer(ws).greet()
            process.send_signal(signal.SIGKILL)
            assert (await closing_reason(ws))[0] in (None, 1006)

    async def status() -> str:
        return (await lonely.admin.get("/consoles/agents")).body["inventories"][0]["status"]

    async with asyncio.timeout(15):
        while await status() != "Disconnected":
            await asyncio.sleep(0.1)
    assert (await ask(lonely, vm)).code == "SYS.1006"
    async with agent_process(settings), opened(lonely, unused) as ws:  # any agent takes any token
        await Viewer(ws).greet()


async def test_a_frozen_database_closes_nothing_at_once(lonely: World, settings: Settings) -> None:
    vm = await lonely.vm()
    async with agent_process(settings), opened(lonely, (await ask(lonely, vm)).inventory) as ws:
        viewer = Viewer(ws)
        await viewer.greet()
        await lonely.service.db.execute(
            """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE application_name = 'zstack-console' AND datname = current_database()
                """
        )
        await viewer.update(incremental=False)
        await viewer.press("still here")
        await viewer.update()
