"""A worker is killed while it fires: each due time becomes one job all the same, and each job ends once."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))

from stack import Stack, eventually, running_stack

from app import Client, Service
from compute.world import World, build
from scheduler.rows import insert_due
from zstack_mgmt.config import Settings
from zstack_mgmt.db import Lock, fetch_one

pytestmark = pytest.mark.faults

GROUPS, GROUP = 3, 100  # VMs: each group is due at one moment
EARLY = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
async def cloud() -> AsyncIterator[tuple[Stack, World]]:
    """The small cloud in a service of real processes; a dead worker's jobs are taken back after 5 s."""
    async with running_stack(WORKER_PROCESSES="2", LEASE_S="5", LEASE_RENEW_S="1") as stack:
        db = await stack.db()
        admin = Client(stack.http, stack.base, stack.token)
        service = Service(Settings(), stack.origin, stack.http, Client(stack.http, stack.base), admin, db)
        yield stack, await build(service)
        await db.close()


async def stopped_vms(world: World, count: int) -> list[str]:
    gate = asyncio.Semaphore(32)

    async def one() -> str:
        async with gate:
            return (await world.vm(strategy="JustCreate"))["uuid"]

    return await asyncio.gather(*(one() for _ in range(count)))


async def make_due(db: Any, vms: list[str]) -> None:
    """The jobs of these VMs are due now."""
    await db.execute(
        """
        UPDATE scheduler_job_triggers r SET next_fire_at = now(), grid_start = now()
        FROM scheduler_jobs j WHERE j.uuid = r.scheduler_job_uuid AND j.target_resource_uuid = ANY ($1)
        """,
        vms,
    )


async def test_a_worker_is_killed_while_it_fires(cloud: tuple[Stack, World]) -> None:
    stack, world = cloud
    db, gate = await stack.db(), await stack.db()
    vms = await stopped_vms(world, GROUPS * GROUP)
    await insert_due(db, vms, ago_s=-86_400)
    await db.execute("UPDATE scheduler_triggers SET repeat_count = 1, scheduler_interval = NULL")
    fired = "SELECT count(*) = $1 FROM scheduler_executions"
    late = "SELECT max(extract(epoch FROM fired_at - greatest(due_at, $1)))::float8 FROM scheduler_executions"

    async def standing_still() -> int:
        return await db.fetchval(
            """
            SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
            WHERE l.locktype = 'advisory' AND l.classid = $1 AND NOT l.granted
              AND a.application_name = 'zstack-jobs'
            """,
            Lock.JOB_KEYS,
        )

    async def one_stands_still() -> bool:
        return await standing_still() == 1

    async def both_stand_still() -> bool:
        return await standing_still() == 2

    # One target in each of the later groups is held, so that the worker that fires the group stands still in
    # the middle of it, with the group's rows locked. At last both do, and whichever is killed was firing.
    async with gate.transaction():
        for vm in (vms[GROUP], vms[2 * GROUP]):
            await gate.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", Lock.JOB_KEYS, vm)
        await make_due(db, vms[:GROUP])
        await eventually(lambda: db.fetchval(fired, GROUP), 10, "the first group is fired")
        assert await db.fetchval(late, EARLY) <= 2
        await make_due(db, vms[GROUP : 2 * GROUP])
        await eventually(one_stands_still, 10, "one worker is firing")
        await make_due(db, vms[2 * GROUP :])
        await eventually(both_stand_still, 10, "both workers are firing")
        os.kill(stack.pids("worker")[0], signal.SIGKILL)
    released = await db.fetchval("SELECT clock_timestamp()")

    await eventually(lambda: db.fetchval(fired, len(vms)), 10, "every due time is fired")
    ended = "SELECT count(*) = $1 FROM scheduler_executions WHERE state <> 'Fired'"
    await eventually(lambda: db.fetchval(ended, len(vms)), 20, "every fired job has ended")

    once = await db.fetchrow(
        """
        SELECT count(*) AS rows, count(DISTINCT (job_trigger_uuid, due_at)) AS due_times,
               count(DISTINCT api_job_uuid) AS jobs, array_agg(DISTINCT state) AS states
        FROM scheduler_executions
        """
    )
    assert (once["rows"], once["due_times"], once["jobs"]) == (len(vms),) * 3
    assert once["states"] == ["Succeeded"]
    assert await db.fetchval(late, released) <= 2
    jobs = await db.fetch("SELECT uuid FROM api_jobs WHERE remote = 'scheduler' AND state = 'succeeded'")
    assert len(jobs) == len(vms)
    audited = "SELECT count(*), count(DISTINCT job_uuid) FROM audits WHERE job_uuid = ANY ($1)"
    assert tuple(await fetch_one(db, audited, [row["uuid"] for row in jobs])) == (len(vms), len(vms))
    assert (
        await db.fetchval("SELECT count(*) FROM scheduler_job_triggers WHERE next_fire_at IS NOT NULL") == 0
    )
    domains = await db.fetch("SELECT DISTINCT power, starts FROM simulator_domains")
    assert [tuple(row) for row in domains] == [("Running", 1)]
    assert await db.fetchval("SELECT count(*) FROM simulator_domains") == len(vms)
    await gate.close()
    await db.close()
