"""The lease of a worker process: one row that says it lives, for everything that it has claimed.

The heartbeat has a connection of its own, so that nothing the worker does can hold it up. A process that
cannot be sure of its lease any more stops what it holds and begins again under another name.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

import asyncpg
import structlog

from zstack_mgmt import absence, db
from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import JobCanceled
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.engine import store
from zstack_mgmt.engine.bell import Bell, Queue
from zstack_mgmt.engine.model import failure_body

log = structlog.get_logger()

_RETRY_S = 0.2
CANCELED = failure_body(JobCanceled("the job was canceled while it ran"))


class Lease:
    """The name under which this process claims, and until when. A claim after the end brings nothing."""

    def __init__(
        self, settings: Settings, bell: Bell, lease_s: float | None = None, kind: Queue = "jobs"
    ) -> None:
        self._settings = settings
        self._bell = bell
        self._lease_s = lease_s or settings.lease_s
        self._kind: Queue = kind
        self._conn: db.RawConnection | None = None
        self._joined = False
        self._abandoned: list[str] = []
        self.owner = _name()
        self.absence = absence.of_database(settings.database_url)  # for those who work under the lease
        self._absence = absence.of_database(settings.session_url)
        self.until = 0.0  # by the clock of the event loop
        self.held = asyncio.Event()
        self.on_loss: list[Callable[[], None]] = []

    async def run(self) -> None:
        """Keep the lease until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            asked_at = loop.time()
            try:
                async with asyncio.timeout_at(self.until if self._joined else asked_at + self._lease_s):
                    kept = await self._keep()
            except (TimeoutError, *db.UNAVAILABLE, asyncpg.PostgresError) as error:
                self._absence.lost(error)
                log.debug("the lease is not renewed", action="lease", error=type(error).__name__)
                self._hang_up()
                if self._joined and loop.time() >= self.until:
                    self._lose()
                await asyncio.sleep(_RETRY_S)
                continue
            self._absence.back()
            if kept:
                self.until = asked_at + self._lease_s
                self.held.set()
                await asyncio.sleep(self._settings.lease_renew_s)
            else:
                self._lose()

    async def leave(self) -> None:
        """Give back what is still held: no claim counts against it. Call it when nothing claims any more."""
        self.held.clear()
        if self._joined:
            self._abandoned.append(self.owner)
        try:
            async with asyncio.timeout(2):
                await self._settle()
        except (TimeoutError, *db.UNAVAILABLE, asyncpg.PostgresError) as error:
            log.warning("the lease could not be given back", action="stop", error=type(error).__name__)
        finally:
            self._hang_up()

    async def _keep(self) -> bool:
        await self._settle()
        conn = await self._connection()
        with db.losses():
            if self._joined:
                return await store.beat(conn, self.owner, self._lease_s)
            await store.join(conn, self.owner, self._lease_s, self._kind)
            self._joined = True
            return True

    async def _settle(self) -> None:
        """Give back what was held under names that are no longer used."""
        while self._abandoned:
            conn = await self._connection()
            with db.losses():
                ended = await store.leave(
                    conn, self._abandoned[-1], CANCELED, float(self._settings.job_retention_s)
                )
            self._abandoned.pop()
            self._bell.tell(ended)
            self._bell.ring("jobs")
            self._bell.ring("webhooks")

    async def _connection(self) -> db.RawConnection:
        if self._conn is None or self._conn.is_closed():
            self._conn = await db.connect(self._settings, application="zstack-lease", direct=True)
        return self._conn

    def _hang_up(self) -> None:
        if self._conn is not None:
            self._conn.terminate()
            self._conn = None

    def _lose(self) -> None:
        log.warning("the lease was lost", action="lease", owner=self.owner)
        self.held.clear()
        self._abandoned.append(self.owner)
        self.owner, self._joined, self.until = _name(), False, 0.0
        for stop in self.on_loss:
            stop()


def _name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{new_uuid()[:8]}"
