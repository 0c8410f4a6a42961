"""Periodic tasks. arq's cron gives their round to one worker at a time; each is one call into a feature."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import asyncpg
import structlog

from zstack_mgmt import db
from zstack_mgmt.auth import throttle
from zstack_mgmt.compute.vms import reconcile
from zstack_mgmt.compute.volumes import snapshots
from zstack_mgmt.core.registry import Services
from zstack_mgmt.drivers.simulator import Connect
from zstack_mgmt.engine import store as jobs
from zstack_mgmt.identity.audit import trail as audit
from zstack_mgmt.identity.sessions import store as sessions
from zstack_mgmt.webhooks import outbox

log = structlog.get_logger()

Task = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]

_BATCH = 5000


async def expire_results(ctx: dict[str, Any]) -> None:
    """Drop job results past their time, and free jobs whose release was missed."""
    async with ctx["pool"].acquire() as conn:
        while await jobs.expire(conn, float(ctx["settings"].tombstone_retention_s), _BATCH) >= _BATCH:
            continue


async def expire_deliveries(ctx: dict[str, Any]) -> None:
    """Drop webhook deliveries past their time, with their attempts."""
    async with ctx["pool"].acquire() as conn:
        await outbox.purge(conn, float(ctx["settings"].tombstone_retention_s), _BATCH)


async def expire_sessions(ctx: dict[str, Any]) -> None:
    """Drop expired sessions."""
    async with ctx["pool"].acquire() as conn:
        await sessions.delete_expired(conn, _BATCH)


async def nudge(ctx: dict[str, Any]) -> None:
    """Ring for jobs and webhooks whose ring was lost."""
    ctx["bell"].ring("jobs")
    ctx["bell"].ring("webhooks")


async def expire_trails(ctx: dict[str, Any]) -> None:
    """Drop audit lines past their time, and failure counters that no longer count."""
    async with ctx["pool"].acquire() as conn:
        await throttle.forget_old(conn, ctx["settings"])
        await audit.delete_old(conn, ctx["settings"].audit_retention_s, _BATCH)


async def tend_vms(ctx: dict[str, Any]) -> None:
    """Settle VMs and snapshots whose jobs are gone, and destroy domains that should not be there."""
    services, transaction = _means(ctx)
    async with transaction() as conn:
        await snapshots.delete_abandoned(conn)
    await reconcile.settle_abandoned(services, transaction)
    await reconcile.destroy_strays(services, transaction)


async def tend_hosts(ctx: dict[str, Any]) -> None:
    """Ask the hosts whose turn it is for a sign of life."""
    await reconcile.check_hosts(*_means(ctx))


def _means(ctx: dict[str, Any]) -> tuple[Services, Connect]:
    return ctx["services"], partial(db.transaction, ctx["pool"])


async def clean_up(ctx: dict[str, Any]) -> None:
    """Drop what is past its time."""
    for task in (expire_results, expire_deliveries, expire_sessions, expire_trails):
        await _run(task, ctx)


async def tend(ctx: dict[str, Any]) -> None:
    """The round: one job for arq, since idle workers would spend most of their time on passing seven on."""
    await asyncio.gather(*(_run(task, ctx) for task in (nudge, tend_hosts, tend_vms, clean_up)))


async def _run(task: Task, ctx: dict[str, Any]) -> None:
    """Run one task; what goes wrong with it ends none of the others."""
    try:
        await task(ctx)
    except (*db.UNAVAILABLE, *db.CONFLICTS, asyncpg.PostgresError) as error:
        log.warning("a periodic task failed", action="tend", task=task.__name__, error=type(error).__name__)


TASKS = (tend,)
