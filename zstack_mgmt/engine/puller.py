"""Pulls work out of PostgreSQL: the one loop under jobs, deliveries, due triggers and periodic work.

A kind of work says how it is claimed, run and finished. The puller says when: as soon as the bell rings, when
something will be due, and once a second in any case, so that a lost ring costs time only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import asyncpg
import structlog

from zstack_mgmt import db, tasks
from zstack_mgmt.engine.lease import Lease
from zstack_mgmt.tasks import passed

log = structlog.get_logger()

LOOK_S = 1.0
_BACK_OFF_S, _BACK_OFF_MAX_S = 0.05, 1.0


class Kind(Protocol):
    """A kind of work, for one process."""

    wake: Callable[[], None]
    """Has `pull` called at once; the puller sets it."""

    async def pull(self) -> float | None:
        """Claim what there is room for and start it; returns the seconds until more will be due, if known."""
        ...

    def drop(self) -> None:
        """Stop everything at once: the lease was lost, and others hold it now."""
        ...

    async def drain(self, grace_s: float) -> None:
        """Let what was started end within the grace, and stop the rest. `pull` is not called any more."""
        ...


class Puller:
    """Runs one kind of work until `stop`. While PostgreSQL is away it waits."""

    def __init__(self, kind: Kind, lease: Lease) -> None:
        self._kind = kind
        self._lease = lease
        self._rung = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        kind.wake = self.wake
        lease.on_loss.append(kind.drop)

    def wake(self) -> None:
        """Look now. Harmless at any time."""
        self._rung.set()

    def start(self) -> asyncio.Task[None]:
        """Begin. The task ends at `stop`, or with an error that nobody foresaw."""
        self._task = asyncio.create_task(self._run(), name=type(self._kind).__name__)
        return self._task

    async def stop(self, grace_s: float) -> None:
        """Claim nothing more, end or stop what was started. What is still held goes back with the lease."""
        self._stopping.set()
        self._rung.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=grace_s)  # a claim may be under way
            await tasks.end(self._task)
        await self._kind.drain(grace_s)

    async def _run(self) -> None:
        pause_s = _BACK_OFF_S
        while not self._stopping.is_set():
            await passed(self._lease.held, LOOK_S)
            if not self._lease.held.is_set():
                continue
            self._rung.clear()
            try:
                due_s = await self._kind.pull()
            except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
                log.warning(
                    "work cannot be claimed",
                    action="claim",
                    kind=type(self._kind).__name__,
                    error=type(error).__name__,
                )
                await passed(self._stopping, pause_s)
                pause_s = min(2 * pause_s, _BACK_OFF_MAX_S)
                continue
            pause_s = _BACK_OFF_S
            await passed(self._rung, LOOK_S if due_s is None else min(due_s, LOOK_S))
