"""Firing, by the service's own processes: one API process, two workers, a PostgreSQL that fsyncs.

make bench ARGS=tests/benchmarks/bench_scheduler.py

due        10,000 triggers due at the same moment; lateness of the fires, which run beside the jobs they make
starts     1,000 start-VM jobs due at one moment; until all VMs run
idle       CPU of both workers and their connections with 100,000 future triggers, and without any
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from app import Client, Service
from benchmarks.sitting import Sitting, p99
from compute.world import build
from scheduler.rows import insert_due
from zstack_mgmt.config import Settings
from zstack_mgmt.core.values import new_uuid

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))
from stack import Stack, eventually, running_stack

pytestmark = pytest.mark.bench

TRIGGERS, STARTS, FUTURE = 10_000, 1_000, 100_000
WINDOW_S = 20.0


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with running_stack(API_PROCESSES="1", WORKER_PROCESSES="2") as running:
        yield running


def cpu_s(pid: int) -> float:
    """CPU that the process has used, to the nanosecond: the ticks of /proc/<pid>/stat are too coarse here."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


async def lateness(db: Any, count: int) -> list[float]:
    """Wait for so many executions; the seconds by which they were late."""
    done = "SELECT count(*) = $1 FROM scheduler_executions"
    await eventually(lambda: db.fetchval(done, count), 120, "all fired")
    rows = await db.fetch(
        "SELECT extract(epoch FROM fired_at - due_at)::float8 AS s FROM scheduler_executions"
    )
    fires = await db.fetchrow(
        """
        SELECT count(DISTINCT (job_trigger_uuid, due_at)) AS fired, count(DISTINCT api_job_uuid) AS jobs
        FROM scheduler_executions
        """
    )
    assert (fires["fired"], fires["jobs"]) == (count, count)
    return [row["s"] for row in rows]


async def test_ten_thousand_at_once(stack: Stack) -> None:
    db = await stack.db()
    await insert_due(db, [new_uuid() for _ in range(TRIGGERS)], ago_s=-15)
    sitting = Sitting("triggers due at once", "s")
    sitting.add(f"lateness of {TRIGGERS}", *await lateness(db, TRIGGERS))
    sitting.aim(f"lateness of {TRIGGERS}", at_most=2, of=p99)
    sitting.report()
    await db.close()


async def test_a_thousand_starts(stack: Stack) -> None:
    db = await stack.db()
    async with aiohttp.ClientSession() as http:
        client = Client(http, stack.base, stack.token)
        world = await build(Service(Settings(), stack.origin, http, client, client, db))
        gate = asyncio.Semaphore(32)

        async def one() -> str:
            async with gate:
                return (await world.vm(strategy="JustCreate"))["uuid"]

        vms = await asyncio.gather(*(one() for _ in range(STARTS)))
        await insert_due(db, list(vms), ago_s=-3)
        due_at = time.monotonic() + 3
        sitting = Sitting("starts due at once", "s")
        sitting.add(f"lateness of {STARTS}", *await lateness(db, STARTS))
        running = "SELECT count(*) = $1 FROM vm_instances WHERE state = 'Running'"
        await eventually(lambda: db.fetchval(running, STARTS), 120, "all VMs run")
        sitting.add("until all VMs run", time.monotonic() - due_at)
        done = "SELECT count(*) = $1 FROM scheduler_executions WHERE state = 'Succeeded'"
        await eventually(lambda: db.fetchval(done, STARTS), 30, "all outcomes kept")
    sitting.aim(f"lateness of {STARTS}", at_most=2, of=p99)
    sitting.report()
    await db.close()


async def idle_percent(stack: Stack, db: Any) -> float:
    """CPU of the workers and of the server processes behind them, in % of a core."""
    rows = await db.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = 'zstack-jobs'")
    pids = [*stack.pids("worker"), *(row["pid"] for row in rows)]
    before, started = {pid: cpu_s(pid) for pid in pids}, time.monotonic()
    await asyncio.sleep(WINDOW_S)
    used = sum(cpu_s(pid) - before[pid] for pid in pids if Path(f"/proc/{pid}").exists())
    return 100 * used / (time.monotonic() - started)


async def test_future_triggers_cost_nothing(stack: Stack) -> None:
    db: asyncpg.Connection[Any] = await stack.db()
    await asyncio.sleep(3)
    sitting = Sitting("idle scheduler", "% of a core")
    sitting.add("without triggers", await idle_percent(stack, db))
    await insert_due(db, [new_uuid() for _ in range(FUTURE)], ago_s=-86_400)
    await db.execute("VACUUM ANALYZE scheduler_job_triggers")
    await asyncio.sleep(3)
    sitting.add(f"with {FUTURE}", await idle_percent(stack, db))
    sitting.aim(f"with {FUTURE}", at_most=1)
    sitting.report()
    await db.close()
