"""Webhook deliveries as a kind of work. The outbox in PostgreSQL holds the truth.

One puller claims, another records, and as many tasks as are in flight send. A receiver belongs to one worker
at a time, so its limit of requests in flight holds over all processes. A delivery is started only while the
worker's lease outlasts the longest exchange, so a paused process sends nothing of another's.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import structlog

from zstack_mgmt import db, tasks, tracing
from zstack_mgmt.auth.results import shown
from zstack_mgmt.config import Settings
from zstack_mgmt.core.registry import Sealer
from zstack_mgmt.engine import traces
from zstack_mgmt.engine.lease import Lease
from zstack_mgmt.engine.puller import LOOK_S
from zstack_mgmt.webhooks import outbox
from zstack_mgmt.webhooks.backlog import Backlog, Receiver
from zstack_mgmt.webhooks.client import Client
from zstack_mgmt.webhooks.model import Delivery, Exchange
from zstack_mgmt.webhooks.outbox import Record
from zstack_mgmt.webhooks.recording import LaneChange, write
from zstack_mgmt.webhooks.schedule import Breaker, Step, next_step
from zstack_mgmt.webhooks.secrets import KeyCache
from zstack_mgmt.webhooks.sender import send

log = structlog.get_logger()

LEASE_S = 30.0
KEYS_FOR_S = 1.0
_MARGIN_S = 2.0  # between the end of the longest exchange and the end of the lease
_SPACING_S = 0.01  # between two looks into the outbox, so that a burst of rings costs one
_REST = 3
_GATHER_S = 0.02  # what finishes together is recorded together
_RECEIVERS_PER_CLAIM = 256
_RECORDS_PER_BATCH = 500
_QUIET_S = 0.5  # a receiver that gave nothing is not asked again at once
_LAST_RECORD_S = 2.0
_AWAY = (*db.UNAVAILABLE, asyncpg.PostgresError)


def lease_s(settings: Settings) -> float:
    """The lease of a worker that sends."""
    return max(LEASE_S, settings.lease_s, 2 * settings.webhook_total_timeout_s)


class Deliveries:
    """The deliveries of one worker process."""

    def __init__(
        self,
        pool: db.Pool,
        settings: Settings,
        sealer: Sealer,
        lease: Lease,
        count: Callable[[str], None],
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._lease = lease
        self.wake: Callable[[], None] = lambda: None
        self.wake_recording: Callable[[], None] = lambda: None
        self._count = count  # an attempt, by its outcome
        self._client = Client(settings)
        self._sealer = sealer
        self._keys = KeyCache(sealer, KEYS_FOR_S)
        self._database = asyncio.Lock()  # claims and records see each other's effects whole
        self._keys_lock = asyncio.Lock()
        self._looked_at = -LOOK_S
        self._look_s = 0.0  # what the last look took
        self._clock_offset = 0.0  # from the loop's clock to the database's
        self._unsure = (
            False  # the answer to a claim was lost: the database may name us owner of what we do not know
        )
        self._holding = False  # the database is away: start nothing whose end could not be recorded
        self._begin()

    def _begin(self) -> None:
        settings = self._settings
        self._backlog = Backlog(settings.webhook_concurrency, settings.webhook_per_receiver)
        self._tasks: set[asyncio.Task[None]] = set()  # sending
        self._done: list[Record] = []
        self._changed: dict[tuple[str, str], bool] = {}  # lanes to save; whether an open breaker has closed
        self._empty_handed: set[str] = set()  # receivers claimed in vain, to be released
        self._quiet: dict[str, float] = {}

    async def pull(self) -> float | None:
        """Claim what is due and start to send it."""
        loop = asyncio.get_running_loop()
        # With very many lanes a look takes long; the database is to have rest in between.
        await asyncio.sleep(self._looked_at + max(_SPACING_S, _REST * self._look_s) - loop.time())
        self._looked_at = loop.time()
        due_s = await self._claim(self._looked_at)
        self._start_sending()
        return due_s

    def drop(self) -> None:
        """Stop sending, and forget what was claimed: others have it now."""
        for task in self._tasks:
            task.cancel()
        self._begin()

    async def drain(self, grace_s: float) -> None:
        """Let what is in flight end within the grace, and hand the rest back."""
        self._backlog.drain()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        await tasks.end(*self._tasks)
        try:
            async with asyncio.timeout(_LAST_RECORD_S):
                self._hand_back()
                while self._done or self._empty_handed:
                    await self._record()
        except (TimeoutError, *_AWAY):
            pass  # the rest goes back with the lease
        self._client.close()

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[db.Connection]:
        try:
            async with self._database, self._pool.acquire() as conn:
                yield conn
        except _AWAY:
            self._holding = True
            raise
        self._holding = False

    async def _claim(self, now: float) -> float | None:
        """Claim what is due. Returns the seconds until something else will be, as far as that is known."""
        loop, backlog = asyncio.get_running_loop(), self._backlog
        self._quiet = {name: until for name, until in self._quiet.items() if until > now}
        if backlog.is_full:
            return None
        async with self._connection() as conn:
            owner = self._lease.owner
            if self._unsure:
                known = backlog.keys | {record.delivery.key for record in self._done}
                await outbox.give_back_others(conn, owner, known)
                self._unsure = False
            skip = [*self._quiet, *backlog.well_stocked()]
            due, next_s = await outbox.discover(conn, owner, skip, _RECEIVERS_PER_CLAIM)
            self._look_s = loop.time() - now
            self._lease.absence.back()
            wants = backlog.wants(due)
            if not wants:
                return next_s
            self._unsure = True
            claimed = await outbox.claim(conn, owner, lease_s(self._settings), wants)
            self._unsure = False
            if backlog is not self._backlog:
                return 0.0
            if claimed.clock:
                self._clock_offset = claimed.clock - loop.time()
            backlog.add(wants, claimed.deliveries, claimed.breakers, now)
            for name, _ in wants:
                if name not in backlog.receivers:
                    self._quiet[name] = now + _QUIET_S
            self._empty_handed.update(name for name in claimed.receivers if name not in backlog.receivers)
            if self._empty_handed:
                self.wake_recording()
            await self._keys.load(conn, {delivery.account_uuid for delivery in claimed.deliveries}, now)
        return 0.0 if len(due) == _RECEIVERS_PER_CLAIM else next_s

    # Sending

    def _may_send(self, now: float) -> bool:
        longest_s = self._settings.webhook_total_timeout_s + _MARGIN_S
        return not self._holding and now + longest_s <= self._lease.until

    def _start_sending(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._may_send(now) and (delivery := self._backlog.next()) is not None:
            task = asyncio.create_task(self._send_on(self._backlog, delivery))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._hand_back()

    async def _send_on(self, backlog: Backlog, delivery: Delivery | None) -> None:
        """Send this delivery and then whichever is next, until there is none."""
        loop = asyncio.get_running_loop()
        while delivery is not None:
            exchange: Exchange | None = None
            try:
                exchange = await self._attempt(delivery)
            finally:  # cancelled by `drain`: handed back, no attempt used up
                if backlog is self._backlog:
                    self._settle(delivery, exchange)
            now = loop.time()
            delivery = backlog.next() if backlog is self._backlog and self._may_send(now) else None
            self._hand_back()

    async def _attempt(self, delivery: Delivery) -> Exchange | None:
        """One attempt; None when the database went away before anything was sent."""
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        try:
            keys = self._keys.get(delivery.account_uuid, started_at)
            if keys is None:
                keys = await self._fresh_keys(delivery.account_uuid)
            if not keys:
                return Exchange("failed", started_at, loop.time(), error="no-signing-key")
            body = shown(self._sealer, delivery.job_uuid, delivery.body.decode()).encode()
            told = delivery if body == delivery.body else replace(delivery, body=body)
            cause = (await traces.causes(self._pool, [delivery.job_uuid])).get(delivery.job_uuid)
            with tracing.span("webhook", "CLIENT", cause, {"zstack.job": delivery.job_uuid}):
                exchange = await send(self._client, told, keys, int(loop.time() + self._clock_offset))
            # A receiver may repeat what it was sent, and others read the log.
            return exchange if told is delivery else replace(exchange, reply=b"")
        except _AWAY:
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
            self._count(exchange.outcome)
            settings = self._settings
            chance = random.random()  # noqa: S311 - jitter
            step = next_step(
                settings.webhook_schedule_s, delivery, exchange, settings.webhook_probe_s, chance
            )
            self._judge(receiver, delivery, exchange, step)
        self._done.append(Record(delivery, step, exchange))
        self.wake_recording()
        if self._backlog.runs_low(receiver):
            self.wake()

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
            self.wake_recording()

    # Recording

    async def record(self) -> float | None:
        """Write down what has ended."""
        if self._backlog.in_flight and len(self._done) < _RECORDS_PER_BATCH:
            await asyncio.sleep(_GATHER_S)
        self._hand_back()
        if self._done or self._empty_handed or self._changed:
            await self._record()
        return 0.0 if self._done else None

    async def _record(self) -> None:
        """Write one batch; when that fails it stays to be written."""
        async with self._connection() as conn:
            backlog = self._backlog
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
                owner = self._lease.owner
                soonest = await write(conn, self._settings, owner, batch, changes, [*idle, *vain], now)
            except BaseException:
                for lane, closed in changed.items():
                    self._changed[lane] = closed or self._changed.get(lane, False)
                raise
            if backlog is not self._backlog:
                return
            # Nothing was claimed meanwhile, so what was idle still is.
            del self._done[: len(batch)]
            for name, count in counts.items():
                self._backlog.receivers[name].unrecorded -= count
            for name in idle:
                del self._backlog.receivers[name]
            self._empty_handed.clear()
        if any(changed.values()):
            self.wake()  # a breaker has closed: what it held back is due
        elif soonest is not None and soonest < LOOK_S:  # the next look finds the others in time
            asyncio.get_running_loop().call_later(soonest, self.wake)
