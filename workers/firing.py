"""Fires the scheduler's due jobs; every worker process runs one of these beside its job loop."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import structlog

from zstack_mgmt import db
from zstack_mgmt.config import Settings
from zstack_mgmt.core.registry import Services
from zstack_mgmt.db import Connection
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.scheduler import due, firing

log = structlog.get_logger()

_CHANNEL = "scheduler"  # on which the database tells that something is due sooner than was known
_LOOK_S = 10.0  # the longest time between two looks, lest the clocks go apart
_BATCH = 1000
_RETRY_S = 0.2
_TAKEN_S = 0.02  # another worker is firing what is due
_SETTLE_S, _SETTLE_MAX_S = 2.0, 30.0  # between two looks for outcomes: after a fire, and when none has come
_PURGE_S = 3600.0
_KEEP_DAYS = 90


class FiringLoop:
    """Sleeps until the next due time, or until there is a sooner one, and fires what is due."""

    def __init__(self, pool: db.Pool, settings: Settings, services: Services, bell: Bell) -> None:
        self._pool = pool
        self._settings = settings
        self._services = services
        self._bell = bell
        self._wake = asyncio.Event()
        self._stopping = False
        self._fired = 0  # and not rung for
        self._settle_at = 0.0
        self._settle_s = _SETTLE_S
        self._purged_at = time.monotonic()

    def wake(self) -> None:
        """Look now. Harmless at any time."""
        self._wake.set()

    async def run(self) -> None:
        """Fire until `stop`; survives the loss of PostgreSQL."""
        while not self._stopping:
            try:
                async with self._pool.acquire() as conn:
                    await self._fire_over(conn)
            except (*db.UNAVAILABLE, *db.CONFLICTS, asyncpg.PostgresError) as error:
                log.warning("due jobs cannot be fired", action="fire", error=type(error).__name__)
                await asyncio.sleep(_RETRY_S)

    async def _fire_over(self, conn: db.RawConnection) -> None:
        """Fire over this connection, on which the database also tells of sooner due times, until its loss."""

        def wake(*_: object) -> None:
            self._wake.set()

        conn.add_termination_listener(wake)
        await conn.add_listener(_CHANNEL, wake)
        try:
            while not self._stopping:
                self._wake.clear()
                wait_s = await self._look(conn)
                try:
                    async with asyncio.timeout(wait_s):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        finally:
            conn.remove_termination_listener(wake)
            await conn.remove_listener(_CHANNEL, wake)

    async def stop(self, grace_s: float) -> None:
        """Start no further round; the one under way ends by itself."""
        self._stopping = True
        self._wake.set()

    async def _look(self, conn: Connection) -> float:
        """Fire a batch of what is due; returns how long nothing more is to be done.

        The job loops, which share this process, are woken when all is fired: the fires have a time to keep.
        """
        wait_s = await due.wait_s(conn)
        if wait_s is None or wait_s > 0:
            self._ring()
            return min(_LOOK_S if wait_s is None else wait_s, await self._tidy(conn))
        async with conn.transaction():
            done = await firing.fire_due(conn, self._services, _BATCH)
        if done.fired:
            self._fired += done.fired
            self._settle_soon()
        return 0.0 if done.claimed else _TAKEN_S

    def _settle_soon(self) -> None:
        self._settle_s = _SETTLE_S
        self._settle_at = time.monotonic() + _SETTLE_S

    def _ring(self) -> None:
        if self._fired:
            self._bell.ring("jobs")
            log.info("due jobs were fired", action="fire", jobs=self._fired)
            self._fired = 0

    async def _tidy(self, conn: Connection) -> float:
        """Keep the outcomes of ended jobs, drop old ones; returns how long there is no more of that to do."""
        now = time.monotonic()
        if now >= self._settle_at:
            if await due.settle(conn, _BATCH * 2):
                self._settle_soon()
            else:
                self._settle_at = now + self._settle_s
                self._settle_s = min(2 * self._settle_s, _SETTLE_MAX_S)
        if now - self._purged_at >= _PURGE_S:
            self._purged_at = now
            await due.forget_old(conn, _KEEP_DAYS, _BATCH * 10)
        return min(_LOOK_S, max(0.0, self._settle_at - now))
