"""Accepting jobs: concurrent calls are committed together, and a 202 is sent only for a committed row.

While one multi-row insert is on its way the next batch forms, so one connection serves a whole process and
nobody waits longer than the insert before his own.
"""

from __future__ import annotations

import asyncio
import time

import asyncpg
import structlog

from zstack_mgmt import db, tasks
from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import BadRequest, TooBusy
from zstack_mgmt.engine import store
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.model import Submission

log = structlog.get_logger()

_MAX_BATCH = 256
_MAX_PENDING = 10_000
_RESOLVE_S = 5.0  # how long an unclear commit is looked into before the caller is told 503
_AWAY = "the job could not be stored; nothing was accepted, try again"


class Acceptor:
    """Stores submissions. One per process; `submit` returns once the row is committed."""

    def __init__(self, settings: Settings, bell: Bell) -> None:
        self._settings = settings
        self._bell = bell
        self._pending: list[tuple[Submission, asyncio.Future[None]]] = []
        self._work = asyncio.Event()
        self._conn: db.RawConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.depth = 0  # queued jobs, as of the last second

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._run(), name="acceptor"),
            asyncio.create_task(self._measure(), name="queue-depth"),
        ]

    async def stop(self) -> None:
        await tasks.end(*self._tasks)
        self._fail([future for _, future in self._pending])
        if self._conn is not None:
            await self._conn.close(timeout=2)

    def check_room(self) -> None:
        """Raise TooBusy while the queue is at its configured depth."""
        if self.depth >= self._settings.max_queue_depth or len(self._pending) >= _MAX_PENDING:
            raise TooBusy("the job queue is full; nothing was accepted", retry_after_s=5)

    async def submit(self, submission: Submission) -> None:
        """Store the job, or find that the same call stored it before.

        Raises BadRequest when the uuid belongs to another call, TooBusy when the database is away; then no
        row exists.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((submission, future))
        self._work.set()
        await future

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            batch = self._pending[:_MAX_BATCH]
            del self._pending[: len(batch)]
            if not self._pending:
                self._work.clear()
            if not batch:
                continue
            try:
                await self._store(batch)
            except Exception as error:
                log.error("a batch was dropped", action="accept", jobs=len(batch), exc_info=error)
                self._conn = None
                self._fail([future for _, future in batch])

    async def _store(self, batch: list[tuple[Submission, asyncio.Future[None]]]) -> None:
        jobs = [submission for submission, _ in batch]
        rows: list[tuple[str, str, bytes]] = []
        try:
            conn = await self._connection()
            for retry in (True, True, False):
                try:
                    rows = await store.accept(conn, jobs)
                    break
                except db.CONFLICTS:
                    if not retry:
                        raise
        except db.UNAVAILABLE as error:
            log.warning(
                "the commit of a batch is unclear",
                action="accept",
                jobs=len(jobs),
                error=type(error).__name__,
            )
            await self._resolve(batch)
            return
        except (asyncpg.PostgresError, ValueError) as error:
            log.error("a batch was refused", action="accept", jobs=len(jobs), error=repr(error))
            await self._store_one_by_one(batch)
            return
        self._answer(batch, {uuid: (account, fingerprint) for uuid, account, fingerprint in rows})

    async def _store_one_by_one(self, batch: list[tuple[Submission, asyncio.Future[None]]]) -> None:
        if len(batch) > 1:
            for entry in batch:
                await self._store([entry])
        else:
            self._fail([batch[0][1]])

    async def _resolve(self, batch: list[tuple[Submission, asyncio.Future[None]]]) -> None:
        """After a lost connection: look the uuids up, so that a stored job is never reported as refused."""
        self._conn = None
        until = time.monotonic() + _RESOLVE_S
        while time.monotonic() < until:
            try:
                conn = await self._connection()
                found = await store.fingerprints(conn, [submission.uuid for submission, _ in batch])
            except (*db.UNAVAILABLE, asyncpg.PostgresError):
                self._conn = None
                await asyncio.sleep(0.2)
                continue
            stored = [entry for entry in batch if entry[0].uuid in found]
            self._answer(stored, found)
            break
        self._fail([future for _, future in batch if not future.done()])

    def _answer(
        self, batch: list[tuple[Submission, asyncio.Future[None]]], known: dict[str, tuple[str, bytes]]
    ) -> None:
        self._bell.ring("jobs")
        for submission, future in batch:
            if future.done():
                continue
            before = known.get(submission.uuid)
            if before is not None and before != (submission.account_uuid, submission.fingerprint):
                future.set_exception(BadRequest(f"X-Job-UUID {submission.uuid} belongs to another call"))
            else:
                future.set_result(None)

    def _fail(self, futures: list[asyncio.Future[None]]) -> None:
        for future in futures:
            if not future.done():
                future.set_exception(TooBusy(_AWAY))

    async def _connection(self) -> db.RawConnection:
        if self._conn is None or self._conn.is_closed():
            self._conn = await db.connect(self._settings, application="zstack-accept")
        return self._conn

    async def _measure(self) -> None:
        """Keep `depth` at most a second old, on a connection of its own."""
        conn: db.RawConnection | None = None
        limit = self._settings.max_queue_depth
        while True:
            try:
                if conn is None or conn.is_closed():
                    conn = await db.connect(self._settings, application="zstack-depth")
                self.depth = await store.queue_depth(conn, limit)
            except (*db.UNAVAILABLE, asyncpg.PostgresError):
                conn = None
            await asyncio.sleep(1)
