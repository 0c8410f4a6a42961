"""Sends webhooks. The outbox in PostgreSQL holds the truth; losing this process or Redis only delays.

One loop claims, one records, and as many tasks as are in flight send. A receiver is owned by one sender at
a time through a lease row, so its limit of requests in flight holds over all processes; the leases of the
claimed rows end with it. A delivery is started only while its lease outlasts the longest exchange, so a
paused process sends nothing of another's.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol
from uuid import uuid4

import aiohttp
import asyncpg
import structlog

from zstack_mgmt import tasks
from zstack_mgmt.config import Settings
from zstack_mgmt.core.registry import Sealer
from zstack_mgmt.db import UNAVAILABLE, Pool
from zstack_mgmt.webhooks import outbox
from zstack_mgmt.webhooks.backlog import Backlog, Receiver
from zstack_mgmt.webhooks.egress import guarded_session
from zstack_mgmt.webhooks.model import Delivery, Exchange
from zstack_mgmt.webhooks.outbox import Record
from zstack_mgmt.webhooks.recording import LaneChange, write
from zstack_mgmt.webhooks.schedule import Breaker, Step, next_step
from zstack_mgmt.webhooks.secrets import KeyCache
from zstack_mgmt.webhooks.sender import send

log = structlog.get_logger()

LEASE_S = 30.0
POLL_S = 1.0
KEYS_FOR_S = 1.0
_MARGIN_S = 2.0  # between the end of the longest exchange and the end of its lease
_SPACING_S = 0.01  # between two looks into the outbox, so that a burst of rings costs one
_REST = 3
_GATHER_S = 0.02  # what finishes together is recorded together
_RECEIVERS_PER_CLAIM = 256
_RECORDS_PER_BATCH = 500
_QUIET_S = 0.5  # a receiver that gave nothing is not asked again at once
_PAUSE_MAX_S = 1.0
_LAST_RECORD_S = 2.0
# asyncpg's internal error is what a connection may say that was cut in the middle of a statement.
_DATABASE_ERRORS = (*UNAVAILABLE, asyncpg.PostgresError, asyncpg.InternalClientError)


class Metrics(Protocol):
    """Where the attempts are counted."""

    def attempt(self, outcome: str) -> None: ...


class DeliveryLoop:
    """One sender. Several may run at once, in one process or in many."""

    def __init__(self, pool: Pool, settings: Settings, sealer: Sealer, metrics: Metrics) -> None:
        self._pool = pool
        self._settings = settings
        self._metrics = metrics
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._lease_s = max(LEASE_S, 2 * settings.webhook_total_timeout_s)
        self._backlog = Backlog(
            settings.webhook_concurrency,
            settings.webhook_per_receiver,
            self._lease_s - settings.webhook_total_timeout_s - _MARGIN_S,
        )
        self._session: aiohttp.ClientSession | None = None
        self._loops: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()  # sending
        self._done: list[Record] = []
        self._changed: dict[tuple[str, str], bool] = {}  # lanes to save; whether an open breaker has closed
        self._empty_handed: set[str] = set()  # receivers claimed in vain, to be released
        self._quiet: dict[str, float] = {}
        self._keys = KeyCache(sealer, KEYS_FOR_S)
        self._database = asyncio.Lock()  # claims and records see each other's effects whole
        self._keys_lock = asyncio.Lock()
        self._bell = asyncio.Event()
        self._finished = asyncio.Event()
        self._ended = asyncio.Event()
        self._look_s = 0.0  # what the last look took
        self._clock_offset = 0.0  # from the loop's clock to the database's
        self._holding = False  # the database is away: start nothing whose end could not be recorded
        self._stopping = False
        self._closing = False

    async def run(self) -> None:
        """Deliver until `stop`. While PostgreSQL is away it waits, and goes on when it is back."""
        try:
            async with guarded_session(self._settings) as self._session, asyncio.TaskGroup() as group:
                self._loops = [
                    group.create_task(self._repeat(self._claim_once, lambda: self._stopping)),
                    group.create_task(self._repeat(self._record_once, lambda: self._closing)),
                ]
        finally:
            await tasks.end(*self._tasks)
            self._ended.set()

    def wake(self) -> None:
        """Look into the outbox now; called as often as one likes."""
        self._bell.set()

    async def stop(self, grace_s: float) -> None:
        """Claim nothing more, let what is in flight end within the grace, hand the rest back, end `run`."""
        self._stopping = True
        self._backlog.drain()
        self._bell.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        await tasks.end(*self._tasks)
        self._closing = True
        self._finished.set()
        try:
            async with asyncio.timeout(_LAST_RECORD_S):
                await self._ended.wait()
        except TimeoutError:
            await tasks.end(*self._loops)  # the database hangs; the leases end by themselves

    # The two loops

    async def _repeat(self, step: Callable[[], Awaitable[None]], is_over: Callable[[], bool]) -> None:
        pause = 0.05
        while not is_over():
            try:
                await step()
                pause = 0.05
            except _DATABASE_ERRORS as error:
                log.warning("webhook database error", error=type(error).__name__, retry_in_s=pause)
                self._holding = True
                if self._closing:
                    return  # what is held passes on when its lease ends
                await asyncio.sleep(pause)
                pause = min(2 * pause, _PAUSE_MAX_S)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Any, None]:
        async with self._database, self._pool.acquire() as conn:
            yield conn
        if self._holding:
            self._holding = False
            self._start_sending()

    async def _claim_once(self) -> None:
        loop = asyncio.get_running_loop()
        self._bell.clear()
        now = loop.time()
        next_s = await self._claim(now)
        # With very many lanes a look takes long; the database is to have rest in between.
        spacing_s = max(_SPACING_S, _REST * self._look_s)
        await asyncio.sleep(max(0.0, now + spacing_s - loop.time()))
        if not self._stopping and (next_s is None or next_s > 0):
            try:
                async with asyncio.timeout(POLL_S if next_s is None else min(next_s, POLL_S)):
                    await self._bell.wait()
            except TimeoutError:
                pass

    async def _claim(self, now: float) -> float | None:
        """Claim what is due. Returns the seconds until something else will be, as far as that is known."""
        loop, backlog = asyncio.get_running_loop(), self._backlog
        self._quiet = {name: until for name, until in self._quiet.items() if until > now}
        if backlog.is_full:
            return None
        async with self._connection() as conn:
            skip = [*self._quiet, *backlog.well_stocked()]
            asked_at = loop.time()
            due, next_s = await outbox.discover(conn, self.owner, skip, _RECEIVERS_PER_CLAIM)
            self._look_s = loop.time() - asked_at
            wants = backlog.wants(due)
            if self._stopping or not wants:
                return next_s
            claimed = await outbox.claim(conn, self.owner, self._lease_s, wants, now)
            if claimed.clock:
                self._clock_offset = claimed.clock - loop.time()
            backlog.add(wants, claimed.deliveries, claimed.breakers, now)
            for name, _ in wants:
                if name not in backlog.receivers:
                    self._quiet[name] = now + _QUIET_S
            self._empty_handed.update(name for name in claimed.receivers if name not in backlog.receivers)
            if self._empty_handed:
                self._finished.set()
            await self._keys.load(conn, {delivery.account_uuid for delivery in claimed.deliveries}, now)
            if self._stopping:
                backlog.drain()
        self._start_sending()
        return 0.0 if len(due) == _RECEIVERS_PER_CLAIM else next_s

    # Sending

    def _start_sending(self) -> None:
        now = asyncio.get_running_loop().time()
        while not self._holding and (delivery := self._backlog.next(now)) is not None:
            task = asyncio.create_task(self._send_on(delivery))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._hand_back()

    async def _send_on(self, delivery: Delivery | None) -> None:
        """Send this delivery and then whichever is next, until there is none."""
        loop = asyncio.get_running_loop()
        while delivery is not None:
            exchange: Exchange | None = None
            try:
                exchange = await self._attempt(delivery)
            finally:  # cancelled by `stop`: handed back, no attempt used up
                self._settle(delivery, exchange)
            delivery = None if self._holding or self._stopping else self._backlog.next(loop.time())
            self._hand_back()

    async def _attempt(self, delivery: Delivery) -> Exchange | None:
        """One attempt; None when the database went away before anything was sent."""
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        try:
            keys = self._keys.get(delivery.account_uuid, started_at)
            if keys is None:
                keys = await self._fresh_keys(delivery.account_uuid)
            if not keys or self._session is None:
                return Exchange("failed", started_at, loop.time(), error="no-signing-key")
            return await send(self._session, delivery, keys, int(loop.time() + self._clock_offset))
        except _DATABASE_ERRORS:
            self._holding = True
            return None
        except Exception:
            # The boundary: one delivery's surprise must not stop the others.
            log.exception("webhook attempt broke", delivery_id=delivery.id, job_uuid=delivery.job_uuid)
            return Exchange("failed", started_at, loop.time(), error="internal")

    async def _fresh_keys(self, account_uuid: str) -> tuple[bytes, ...]:
        async with self._keys_lock:
            now = asyncio.get_running_loop().time()
            keys = self._keys.get(account_uuid, now)
            if keys is None:
                async with self._connection() as conn:
                    await self._keys.load(conn, self._backlog.active_accounts() | {account_uuid}, now)
                keys = self._keys.get(account_uuid, now)
            return keys or ()

    def _settle(self, delivery: Delivery, exchange: Exchange | None) -> None:
        receiver = self._backlog.finish(delivery)
        if exchange is None:
            step = Step("pending", delivery.attempts)
        else:
            self._metrics.attempt(exchange.outcome)
            settings = self._settings
            chance = random.random()  # noqa: S311 - jitter
            step = next_step(
                settings.webhook_schedule_s, delivery, exchange, settings.webhook_probe_s, chance
            )
            self._judge(receiver, delivery, exchange, step)
        self._done.append(Record(delivery, step, exchange))
        self._finished.set()
        if self._backlog.runs_low(receiver):
            self._bell.set()

    def _judge(self, receiver: Receiver, delivery: Delivery, exchange: Exchange, step: Step) -> None:
        lane = (receiver.name, delivery.account_uuid)
        fields = {"receiver": receiver.name, "account_uuid": delivery.account_uuid}
        breaker = receiver.breakers.get(delivery.account_uuid)
        if exchange.outcome != "failed":
            if breaker is not None and breaker.failures:
                closed = breaker.succeed()
                self._changed[lane] = closed or self._changed.get(lane, False)
                if closed:
                    log.info("webhook breaker closed", **fields)
            return
        breaker = receiver.breakers.setdefault(delivery.account_uuid, Breaker())
        opened = breaker.fail(probe=delivery.probe, took_s=exchange.ended_at - exchange.started_at)
        self._changed.setdefault(lane, False)
        log.info(
            "webhook attempt failed",
            delivery_id=delivery.id,
            job_uuid=delivery.job_uuid,
            error=exchange.error,
            status=exchange.status,
            attempts=step.attempts,
            retry_in_s=step.delay_s,
            **fields,
        )
        if opened:
            log.warning("webhook breaker opened", **fields)
        if step.state == "dead":
            log.warning("webhook given up", delivery_id=delivery.id, job_uuid=delivery.job_uuid, **fields)

    def _hand_back(self) -> None:
        returned, self._backlog.returned = self._backlog.returned, []
        if returned:
            self._done.extend(Record(d, Step("pending", d.attempts)) for d in returned)
            self._finished.set()

    # Recording

    async def _record_once(self) -> None:
        await self._finished.wait()
        if self._backlog.in_flight and len(self._done) < _RECORDS_PER_BATCH and not self._closing:
            await asyncio.sleep(_GATHER_S)
        self._finished.clear()
        await self._record()
        while self._closing and self._done:
            await self._record()
        if self._done:
            self._finished.set()

    async def _record(self) -> None:
        """Write one batch; when that fails it stays to be written."""
        async with self._connection() as conn:
            self._hand_back()
            batch = self._done[:_RECORDS_PER_BATCH]
            counts = Counter(done.delivery.receiver for done in batch)
            idle = [
                name for name, count in counts.items() if self._backlog.receivers[name].is_idle_after(count)
            ]
            vain = self._empty_handed - self._backlog.receivers.keys()
            changed, self._changed = self._changed, {}
            changes = {
                (name, account): LaneChange(self._backlog.receivers[name].breakers[account], closed)
                for (name, account), closed in changed.items()
            }
            now = asyncio.get_running_loop().time()
            try:
                soonest = await write(conn, self._settings, self.owner, batch, changes, [*idle, *vain], now)
            except BaseException:
                for lane, closed in changed.items():
                    self._changed[lane] = closed or self._changed.get(lane, False)
                raise
            # Nothing was claimed meanwhile, so what was idle still is.
            del self._done[: len(batch)]
            for name, count in counts.items():
                self._backlog.receivers[name].unrecorded -= count
            for name in idle:
                del self._backlog.receivers[name]
            self._empty_handed.clear()
        if any(changed.values()):
            self._bell.set()  # a breaker has closed: what it held back is due
        elif soonest is not None and soonest < POLL_S:  # the poll finds the others in time
            asyncio.get_running_loop().call_later(soonest, self._bell.set)
