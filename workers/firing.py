"""Fires the scheduler's due jobs; every worker process runs one of these beside its job loop."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import structlog

from zstack_mgmt import db
from zstack_mgmt.config import Settings
from zstack_mgmt.jobs.bell import Bell
from zstack_mgmt.registry import Conn, Services
from zstack_mgmt.scheduler import due, firing

log = structlog.get_logger()

_LOOK_S = 1.0  # the longest time between two looks: how late an attached or enabled job is noticed
_BATCH = 1000
_RETRY_S = 0.2
_TAKEN_S = 0.02  # another worker is firing what is due
_SETTLE_S = 2.0
_PURGE_S = 3600.0
_KEEP_DAYS = 90


class FiringLoop:
    """Sleeps until the next due time, at most a second, and fires what is due."""

    def __init__(self, pool: db.Pool, settings: Settings, services: Services, bell: Bell) -> None:
        self._pool = pool
        self._settings = settings
        self._services = services
        self._bell = bell
        self._wake = asyncio.Event()
        self._stopping = False
        self._fired = 0  # and not rung for
        self._settled_at = 0.0
        self._purged_at = time.monotonic()

    def wake(self) -> None:
        """Look now. Harmless at any time."""
        self._wake.set()

    async def run(self) -> None:
        """Fire until `stop`; survives the loss of PostgreSQL."""
        while not self._stopping:
            self._wake.clear()
            try:
                wait_s = await self._look()
            except (*db.UNAVAILABLE, *db.CONFLICTS, asyncpg.PostgresError) as error:
                log.warning("due jobs cannot be fired", action="fire", error=type(error).__name__)
                wait_s = _RETRY_S
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def stop(self, grace_s: float) -> None:
        """Start no further round; the one under way ends by itself."""
        self._stopping = True
        self._wake.set()

    async def _look(self) -> float:
        """Fire a batch of what is due; returns how long nothing more is to be done.

        The job loops, which share this process, are woken when all is fired: the fires have a time to keep.
        """
        async with self._pool.acquire() as conn:
            wait_s = await due.wait_s(conn)
            if wait_s is None or wait_s > 0:
                self._ring()
                await self._tidy(conn)
                return min(wait_s or _LOOK_S, _LOOK_S)
            async with conn.transaction():
                done = await firing.fire_due(conn, self._services, _BATCH)
            self._fired += done.fired
            return 0.0 if done.claimed else _TAKEN_S

    def _ring(self) -> None:
        if self._fired:
            self._bell.ring("jobs")
            log.info("due jobs were fired", action="fire", jobs=self._fired)
            self._fired = 0

    async def _tidy(self, conn: Conn) -> None:
        now = time.monotonic()
        if now - self._settled_at >= _SETTLE_S:
            self._settled_at = now
            await due.settle(conn, _BATCH * 2)
        if now - self._purged_at >= _PURGE_S:
            self._purged_at = now
            await due.forget_old(conn, _KEEP_DAYS, _BATCH * 10)
