"""Accepting jobs: concurrent calls are committed together, and a 202 is sent only for a committed row.

While one multi-row insert is on its way the next batch forms, so one connection serves a whole process, and
no call waits longer than one insert before its own. Jobs that name resources wait for the locks on them, in a
line of their own, and hold up no others.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

import asyncpg
import structlog

from zstack_mgmt import absence, db, tasks
from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import ApiError, BadRequest, InvalidSession, TooBusy
from zstack_mgmt.engine import store
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.model import Submission

log = structlog.get_logger()

_MAX_BATCH = 256
_MAX_PENDING = 10_000
_UNCLEAR_S = 5.0  # how long an unclear commit is asked for again before the caller is told 503
_TRIES = 3
_COUNT_EVERY_S = 1.0
_COUNT_SHARE = 20  # counting takes one part in so many of the time
AWAY = "the job could not be stored; nothing was accepted, try again"
UNCLEAR = "the database was lost while the job was stored; repeat the call with the same X-Job-UUID"
USED_SIGNATURE = "wrong accessKey signature: it has been used already, and opens one change"

Waiting = tuple[Submission, "asyncio.Future[bool]"]


class Acceptor:
    """Stores submissions. One per process; `submit` returns once the row is committed."""

    def __init__(self, settings: Settings, bell: Bell) -> None:
        self._settings = settings
        self._plain, self._keyed = _Way(settings, bell), _Way(settings, bell)
        self._tasks: list[asyncio.Task[None]] = []
        self._queued: Counter[str] = Counter()  # by account, as counted last, and what came since
        self._depth = 0  # of all accounts
        self._laden: set[str] = set()  # accounts whose jobs keep too many bytes

    def start(self) -> list[asyncio.Task[None]]:
        """Begin. The tasks end at `stop` only."""
        self._tasks = [
            asyncio.create_task(self._plain.run(), name="accept"),
            asyncio.create_task(self._keyed.run(), name="accept-keyed"),
            asyncio.create_task(self._count(), name="queue-depth"),
        ]
        return self._tasks

    async def stop(self) -> None:
        await tasks.end(*self._tasks)
        for way in (self._plain, self._keyed):
            way.close()

    def check_room(self, account_uuid: str) -> None:
        """Raise TooBusy while the queue, or the account's part of it, is as deep or as large as it may be."""
        settings = self._settings
        if self._queued[account_uuid] >= settings.max_account_queue_depth:
            raise TooBusy("the account has too many jobs in the queue; nothing was accepted", retry_after_s=5)
        if account_uuid in self._laden:
            raise TooBusy("the account's jobs keep too many bytes; nothing was accepted", retry_after_s=10)
        if (
            self._depth >= settings.max_queue_depth
            or max(len(self._plain.pending), len(self._keyed.pending)) >= _MAX_PENDING
        ):
            raise TooBusy("the job queue is full; nothing was accepted", retry_after_s=5)

    async def submit(self, submission: Submission) -> bool:
        """Store the job, or find that the same call stored it before; whether it is new.

        Raises BadRequest when the uuid belongs to another call, TooBusy when the database is away; its text
        says whether the job may have been stored.
        """
        way = self._plain if submission.keys is None else self._keyed
        self._queued[submission.account_uuid] += 1
        self._depth += 1
        return await way.submit(submission)

    async def _count(self) -> None:
        """Count the queue anew once a second, or less often when that takes long."""
        conn: db.RawConnection | None = None
        try:
            while True:
                started = time.monotonic()
                try:
                    if conn is None or conn.is_closed():
                        conn = await db.connect(self._settings, application="zstack-depth")
                    with db.losses():
                        self._queued = Counter(await store.queued(conn))
                        self._laden = await store.laden(conn, 2 * self._settings.max_account_kept_bytes)
                    self._depth = self._queued.total()
                    absence.of_database(self._settings.database_url).back()
                except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
                    absence.of_database(self._settings.database_url).lost(error)
                    if conn is not None:
                        conn.terminate()
                await asyncio.sleep(max(_COUNT_EVERY_S, _COUNT_SHARE * (time.monotonic() - started)))
        finally:
            if conn is not None:
                conn.terminate()


class _Way:
    """A line of submissions, stored batch by batch on one connection."""

    def __init__(self, settings: Settings, bell: Bell) -> None:
        self._settings = settings
        self._bell = bell
        self._work = asyncio.Event()
        self._conn: db.RawConnection | None = None
        self.pending: list[Waiting] = []

    async def submit(self, submission: Submission) -> bool:
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.pending.append((submission, future))
        self._work.set()
        return await future

    def close(self) -> None:
        _fail(self.pending, AWAY)
        self._hang_up()

    def _hang_up(self) -> None:
        if self._conn is not None:
            self._conn.terminate()
            self._conn = None

    async def run(self) -> None:
        while True:
            await self._work.wait()
            batch = self.pending[:_MAX_BATCH]
            del self.pending[: len(batch)]
            if not self.pending:
                self._work.clear()
            if not batch:
                continue
            try:
                await self._store(batch)
            except Exception as error:
                # The boundary: whatever goes wrong, these callers get an answer and the next ones their turn.
                log.error("a batch was dropped", action="accept", jobs=len(batch), exc_info=error)
                self._hang_up()
                _fail(batch, UNCLEAR)

    async def _store(self, batch: Sequence[Waiting]) -> None:
        """Store a batch, and answer each of it.

        A job is stored once under its uuid, so an unclear commit is simply asked for again; the database
        waits for one that is still under way.
        """
        jobs = [submission for submission, _ in batch]
        until = time.monotonic() + _UNCLEAR_S
        tries, unclear = 0, False
        while True:
            sent = False
            try:
                conn = await self._connection()
                with db.losses():
                    sent = True
                    rows = await store.accept(conn, jobs)
            except db.UNAVAILABLE as error:
                self._hang_up()
                unclear = unclear or (sent and not isinstance(error, db.FULL))
                absence.of_database(self._settings.database_url).lost(error)
                log.debug("a batch is not stored", action="accept", jobs=len(jobs), error=repr(error))
                if time.monotonic() >= until or not unclear:
                    return _fail(batch, UNCLEAR if unclear else AWAY)
                await asyncio.sleep(0.2)
            except db.CONFLICTS:
                tries += 1
                if tries >= _TRIES:
                    return _fail(batch, UNCLEAR if unclear else AWAY)
            except (asyncpg.PostgresError, ValueError) as error:
                log.error("a batch was refused", action="accept", jobs=len(jobs), error=repr(error))
                if len(batch) == 1:
                    return _fail(batch, AWAY)
                for one in batch:
                    await self._store([one])
                return None
            else:
                return self._answer(batch, {row[0]: row[1:] for row in rows})

    def _answer(self, batch: Sequence[Waiting], known: dict[str, tuple[str | None, bytes | None]]) -> None:
        self._bell.ring("jobs")
        for submission, future in batch:
            if future.done():
                continue
            before = known.get(submission.uuid)
            error = None if before is None else refusal(submission, *before)
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(before is None)

    async def _connection(self) -> db.RawConnection:
        if self._conn is None or self._conn.is_closed():
            self._conn = await db.connect(self._settings, application="zstack-accept")
        return self._conn


def refusal(submission: Submission, account_uuid: str | None, fingerprint: bytes | None) -> ApiError | None:
    """What is wrong with a submission of whose uuid the database has told this; None: it is a repeat."""
    if account_uuid is None:
        return InvalidSession(USED_SIGNATURE)
    if (account_uuid, fingerprint) != (submission.account_uuid, submission.fingerprint):
        return BadRequest(f"X-Job-UUID {submission.uuid} belongs to another call")
    return None


def _fail(batch: Sequence[Waiting], why: str) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(TooBusy(why))
