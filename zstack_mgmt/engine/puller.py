"""Pulls work out of PostgreSQL: the one loop under jobs, deliveries, due triggers and periodic work.

A kind of work says how it is claimed, run and finished. The puller says when: as soon as the bell rings, when
something will be due, and once a second in any case, so that a lost ring costs time only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from zstack_mgmt import db, tasks
from zstack_mgmt.engine.lease import Lease
from zstack_mgmt.tasks import passed

log = structlog.get_logger()

LOOK_S = 1.0
_BACK_OFF_S, _BACK_OFF_MAX_S = 0.05, 1.0


class Puller:
    """Runs one kind of work until `stop`. While PostgreSQL is away it waits.

    Args:
        pull: claims what there is room for and starts it; returns the seconds until more is due, if known.
        drop: stops everything at once, when the lease is lost and others have it.
        drain: lets what was started end within so many seconds, and stops the rest. No `pull` comes after it.
    """

    def __init__(
        self,
        name: str,
        lease: Lease,
        pull: Callable[[], Awaitable[float | None]],
        drop: Callable[[], None] | None = None,
        drain: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self._name = name
        self._lease = lease
        self._pull = pull
        self._drain = drain
        self._rung = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        if drop is not None:
            lease.on_loss.append(drop)

    def wake(self) -> None:
        """Look now. Harmless at any time."""
        self._rung.set()

    def start(self) -> asyncio.Task[None]:
        """Begin. The task ends at `stop`, or with an error that nobody foresaw."""
        self._task = asyncio.create_task(self._run(), name=self._name)
        return self._task

    async def stop(self, grace_s: float) -> None:
        """Claim nothing more, end or stop what was started. What is still held goes back with the lease."""
        loop = asyncio.get_running_loop()
        until = loop.time() + grace_s
        self._stopping.set()
        self._rung.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=grace_s)  # a claim may be under way
            await tasks.end(self._task)
        if self._drain is not None:
            await self._drain(max(0.0, until - loop.time()))

    async def _run(self) -> None:
        pause_s = _BACK_OFF_S
        while not self._stopping.is_set():
            await passed(self._lease.held, LOOK_S)
            if not self._lease.held.is_set():
                continue
            self._rung.clear()
            try:
                due_s = await self._pull()
            except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
                if isinstance(error, db.UNAVAILABLE):
                    self._lease.absence.lost(error)
                else:
                    log.warning("work cannot be claimed", action="claim", work=self._name, error=repr(error))
                await passed(self._stopping, pause_s)
                pause_s = min(2 * pause_s, _BACK_OFF_MAX_S)
                continue
            pause_s = _BACK_OFF_S
            await passed(self._rung, LOOK_S if due_s is None else min(due_s, LOOK_S))
