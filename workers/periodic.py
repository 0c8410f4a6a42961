"""Periodic tasks. arq's cron gives each to one worker at a time; each is one call into a feature."""

from __future__ import annotations

from typing import Any

from zstack_mgmt.audit import trail as audit
from zstack_mgmt.auth import throttle
from zstack_mgmt.jobs import store as jobs
from zstack_mgmt.sessions import store as sessions

_BATCH = 5000


async def expire_results(ctx: dict[str, Any]) -> None:
    """Drop job results past their time, and free jobs whose release was missed."""
    async with ctx["pool"].acquire() as conn:
        while await jobs.expire(conn, float(ctx["settings"].tombstone_retention_s), _BATCH) >= _BATCH:
            continue


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


TASKS = (expire_results, expire_sessions, expire_trails, nudge)
