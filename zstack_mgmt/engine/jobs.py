"""API jobs as a kind of work: fair shares of a worker's slots for the accounts, and a slot for suspects.

What is claimed is started at once, so a job that is found with a dead worker had been started. Such a job may
have killed it: it runs alone, in a slot of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from zstack_mgmt import db, metrics, tasks
from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import InternalError
from zstack_mgmt.core.registry import find_api
from zstack_mgmt.engine import store
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.execute import Executor
from zstack_mgmt.engine.lease import CANCELED, Lease
from zstack_mgmt.engine.model import ClaimedJob, Lane, Wish, failure_body
from zstack_mgmt.engine.puller import LOOK_S
from zstack_mgmt.tasks import passed

log = structlog.get_logger()

_MAX_CHUNK = 16
_CHUNK_TARGET_S = 0.04  # jobs that end sooner share a transaction
_FIRST_GUESS_S = 0.01
_SPACING_S = 0.01  # between two looks of a busy worker; what ends meanwhile is followed by one claim
_SUSPECT_S = 2.0  # a suspect that has run for so long makes way for the next one
_LINE = 4  # times an account's slots outside: what it can have there with those that wait for hosts
_KEPT_PACES = 64
_DROPPED = failure_body(
    InternalError("the job broke what runs jobs each time it was run; it is not tried again")
)


class Jobs:
    """The jobs of one worker process. `on_end` hears the APIs of those that have ended."""

    def __init__(
        self,
        pool: db.Pool,
        settings: Settings,
        executor: Executor,
        bell: Bell,
        lease: Lease,
        on_end: Callable[[set[str]], None] = lambda _apis: None,
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._executor = executor
        self._bell = bell
        self._lease = lease
        self.wake: Callable[[], None] = lambda: None
        self._on_end = on_end
        self._running: dict[asyncio.Task[None], list[ClaimedJob]] = {}
        self._inside: Counter[str] = Counter()  # slots taken, by account
        self._outside: Counter[str] = Counter()
        self._paces: dict[str, float] = {}  # seconds for a job, by account
        self._after = ("", "")
        self._suspect: asyncio.Task[None] | None = None
        self._suspects_at = 0.0  # when to look for the next one
        self._unknown: set[str] = set()
        self._dropped: list[tuple[str, int]] = []  # by an error of ours; to be handed back
        self._not_begun: list[
            tuple[str, int]
        ] = []  # to be handed back too: left to others, or never heard of
        self._looked_at = 0.0
        self._rested = asyncio.Event()  # it is no longer busy
        self._checked_at = 0.0
        self._more = False

    async def pull(self) -> float | None:
        """Claim and start jobs, as many as there is room for."""
        if self._is_busy():
            self._rested.clear()
            await passed(self._rested, self._looked_at + _SPACING_S - time.monotonic())
        await self._look_after_claimed()
        wish, owner = self._wish(), self._lease.owner
        if wish is None:
            return LOOK_S
        self._looked_at = time.monotonic()
        async with self._pool.acquire() as conn:
            jobs, self._more = await store.claim(conn, owner, wish)
        if wish.suspects and not any(job.claims > 1 for job in jobs):
            self._suspects_at = time.monotonic() + LOOK_S
        if owner == self._lease.owner:
            await self._start(jobs)
        return 0.0 if self._more else LOOK_S

    def drop(self) -> None:
        """Stop all jobs: other workers have them now."""
        self._dropped.clear()
        self._not_begun.clear()
        for task in self._running:
            task.cancel()

    async def drain(self, grace_s: float) -> None:
        """Give running jobs the grace to end; the others are given back with the lease."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=grace_s)
            await tasks.end(*late)

    def _wish(self) -> Wish | None:
        settings = self._settings
        waiting = self._executor.turns.waiting
        inside = settings.worker_slots - self._inside.total()
        outside = min(
            settings.outside_slots - self._outside.total() + waiting.total(),
            _LINE * settings.outside_slots - self._outside.total(),
        )
        suspects = time.monotonic() >= self._suspects_at
        if inside <= 0 and outside <= 0 and not suspects:
            return None
        lanes = [
            Lane(account, False, settings.account_slots - self._inside[account], self._size(account))
            for account in self._inside.keys() | self._paces.keys()
        ]
        most = settings.account_outside_slots
        lanes += [
            Lane(account, True, min(most - count + waiting[account], _LINE * most - count), 1)
            for account, count in self._outside.items()
        ]
        return Wish(
            max(0, inside),
            max(0, outside),
            suspects,
            self._after,
            (settings.account_slots, most),
            self._size(""),
            lanes,
            list(self._unknown),
        )

    def _is_busy(self) -> bool:
        return 2 * self._inside.total() > self._settings.account_slots

    def _size(self, lane: str) -> int:
        pace_s = self._paces.get(lane, _FIRST_GUESS_S)
        return max(1, min(_MAX_CHUNK, int(_CHUNK_TARGET_S / pace_s)))

    async def _start(self, jobs: Sequence[ClaimedJob]) -> None:
        now = time.time()
        by_account: dict[str, list[ClaimedJob]] = {}
        for job in jobs:
            metrics.WAIT_SECONDS.observe(max(0.0, now - job.accepted_at.timestamp()))
            if find_api(job.api) is None:
                self._unknown.add(job.api)
                self._not_begun.append(job.key)
                log.warning("a job of another release is left to others", action="claim", api=job.api)
            elif job.claims > 1:
                self._suspect = self._launch([job], Counter(), 1)
                self._suspects_at = time.monotonic() + _SUSPECT_S
            elif job.outside:
                self._launch([job], self._outside, self._settings.account_outside_slots)
            else:
                by_account.setdefault(job.lane, []).append(job)
        for lane, mine in by_account.items():
            size = self._size(lane)
            for first in range(0, len(mine), size):
                self._launch(mine[first : first + size], self._inside, self._settings.account_slots)
        self._after = (
            _last([job.lane for job in jobs if not job.outside], self._after[0]),
            _last([job.lane for job in jobs if job.outside], self._after[1]),
        )
        await self._hand_back()

    def _launch(self, chunk: list[ClaimedJob], slots: Counter[str], most: int) -> asyncio.Task[None]:
        lane = chunk[0].lane
        slots[lane] += 1
        task = asyncio.create_task(self._run(chunk))
        self._running[task] = chunk

        def ended(task: asyncio.Task[None]) -> None:
            was_full = slots[lane] >= most
            slots[lane] -= 1
            if not slots[lane]:
                del slots[lane]
            self._ended(task, look=was_full)

        task.add_done_callback(ended)
        return task

    async def _run(self, chunk: list[ClaimedJob]) -> None:
        started = time.perf_counter()
        await self._executor.run(chunk)
        if not chunk[0].outside:
            lane = chunk[0].lane
            # Short jobs take each other's time, so what one of them takes is its part of the whole.
            beside = max(1, self._inside.total())
            each_s = min(1.0, (time.perf_counter() - started) / len(chunk) / beside)
            pace_s = self._paces.pop(lane, _FIRST_GUESS_S)
            self._paces[lane] = max(0.0005, pace_s + 0.2 * (each_s - pace_s))
            if len(self._paces) > _KEPT_PACES:
                del self._paces[next(iter(self._paces))]

    def _ended(self, task: asyncio.Task[None], *, look: bool) -> None:
        chunk = self._running.pop(task)
        if task is self._suspect:
            self._suspect, self._suspects_at = None, 0.0
        if not task.cancelled() and task.exception() is not None:
            log.error("jobs were dropped", action="run", jobs=len(chunk), exc_info=task.exception())
            self._dropped += [job.key for job in chunk]
        if not self._is_busy():
            self._rested.set()
        self._on_end({job.api for job in chunk})
        if look or self._more or any(job.keyed for job in chunk):
            self.wake()

    async def _look_after_claimed(self) -> None:
        """Stop jobs that are to be canceled, and queue again what is not to be run here.

        The answer to a claim can be lost: what is held in the database and not known here was not begun.
        """
        if time.monotonic() - self._checked_at >= LOOK_S:
            self._checked_at = time.monotonic()
            async with self._pool.acquire() as conn:
                held = await store.held(conn, self._lease.owner)
            begun = {job.key for chunk in self._running.values() for job in chunk}
            for key, to_be_canceled in held.items():
                if key not in begun and key not in self._dropped and key not in self._not_begun:
                    self._not_begun.append(key)
                elif to_be_canceled:
                    self._executor.cancel(key)
        await self._hand_back()

    async def _hand_back(self) -> None:
        """Queue again what an error of ours has dropped, which counts against it, and what was not begun.

        They stay to be handed back until that is done.
        """
        for keys, lost in ((self._dropped, _DROPPED), (self._not_begun, None)):
            batch = list(keys)
            if batch:
                async with self._pool.acquire() as conn:
                    ended = await store.hand_back(conn, self._settings, batch, lost, CANCELED)
                del keys[: len(batch)]
                self._bell.tell(ended)


def _last(accounts: Sequence[str], after: str) -> str:
    """The account where the walk that began after `after` has ended; the beginning if it met none."""
    return max(accounts, key=lambda account: (account <= after, account), default="")
