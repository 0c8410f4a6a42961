"""Handlers that act outside the database: intent first, then idempotent acts, all under the job's epoch."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from zstack_mgmt import db, metrics, turns
from zstack_mgmt.db import Connection
from zstack_mgmt.engine import store
from zstack_mgmt.engine.model import ClaimedJob
from zstack_mgmt.engine.shares import JobLost, Shares

R = TypeVar("R")
TRANSACTIONS = 4  # of outside jobs, in one process at the same time


class Turns:
    """Whose turn it is among the outside jobs of a process: at a host, and at the database."""

    def __init__(self, at_one_host: int) -> None:
        self._at_one_host = at_one_host
        self.database = asyncio.Semaphore(TRANSACTIONS)  # the pool's other connections are for other work
        self._turns: dict[str, turns.Turns] = {}  # by host; accounts take turns there
        self._users: Counter[str] = Counter()
        self.waiting: Counter[str] = Counter()  # jobs in line, by account

    @asynccontextmanager
    async def at(self, host_uuid: str, account_uuid: str) -> AsyncGenerator[None]:
        """A turn at the host, for the time of a block."""
        places = self._turns.setdefault(host_uuid, turns.Turns(self._at_one_host))
        self._users[host_uuid] += 1
        in_line = metrics.OUTSIDE_JOBS.labels(host_uuid, "waiting")
        acting = metrics.OUTSIDE_JOBS.labels(host_uuid, "acting")
        try:
            self.waiting[account_uuid] += 1
            in_line.inc()
            try:
                await places.take(account_uuid)
            finally:
                in_line.dec()
                self.waiting[account_uuid] -= 1
                self.waiting += Counter()  # without those that are at 0
            acting.inc()
            try:
                yield
            finally:
                acting.dec()
                places.give(account_uuid)
        finally:
            self._users[host_uuid] -= 1
            if not self._users[host_uuid]:
                del self._users[host_uuid], self._turns[host_uuid]


class Direct:
    """What a sync handler declared `outside` gets. It opens its own transactions, and none while it waits."""

    def __init__(self, pool: db.Pool) -> None:
        self._pool = pool

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection on which each statement is committed by itself."""
        return self._pool.acquire()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """A transaction of its own."""
        async with db.transaction(self._pool) as conn:
            yield conn


class Outside:
    """What an outside handler gets in place of a connection."""

    def __init__(
        self, pool: db.Pool, job: ClaimedJob, turns: Turns | None = None, shares: Shares | None = None
    ) -> None:
        self._pool = pool
        self._job = job
        self._turns = turns or Turns(1)
        self._shares = shares or Shares(pool, self._turns.database, 0.0)

    @property
    def token(self) -> str:
        """Names this job to the outside, the same under every claim, so that nothing is done twice."""
        return self._job.uuid

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """A transaction that commits only while the job is still held; raises JobLost otherwise.

        No network call inside.
        """
        async with self._held(flush=True) as conn:
            yield conn

    async def begin(self, intend: Callable[[Connection], Awaitable[R]]) -> R:
        """Do this in such a transaction; what it writes is on disk afterwards.

        The locks end with the commit, before it is flushed, and jobs share the flush.
        """
        async with self._held(flush=False) as conn:
            result = await intend(conn)
        await self._shares.flush(self._job.account_uuid)
        return result

    async def end(self, conclude: Callable[[Connection], Awaitable[R]], row: str | None = None) -> R:
        """Do this in such a transaction, which is flushed by the end of the job: without that it runs again.

        Args:
            row: all that it locks besides rows of its own: it may then share a transaction, and be done
                again after another job's part of that has failed.
        """
        if row is not None:
            return await self._shares.run(self._job, row, conclude)
        async with self._held(flush=False) as conn:
            return await conclude(conn)

    @asynccontextmanager
    async def _held(self, *, flush: bool) -> AsyncGenerator[Connection]:
        async with self._turns.database, db.transaction(self._pool) as conn:
            if not await store.hold(conn, [self._job], flush=flush):
                raise JobLost(self._job.uuid)
            yield conn

    @asynccontextmanager
    async def at(self, host_uuid: str) -> AsyncGenerator[None]:
        """Act on this host inside the block.

        A job that waits for its turn takes up no slot of its worker, so a host that does not answer stops
        only those who need it.
        """
        async with self._turns.at(host_uuid, self._job.account_uuid):
            yield

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """A connection on which each statement commits by itself, whether or not the job is still held."""
        async with self._turns.database, self._pool.acquire() as conn:
            yield conn
