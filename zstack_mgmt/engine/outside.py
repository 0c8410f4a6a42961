"""Handlers that act outside the database: they record intent, act idempotently, and write under their job's
epoch.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from zstack_mgmt import db
from zstack_mgmt.db import Connection
from zstack_mgmt.engine import store
from zstack_mgmt.engine.model import ClaimedJob


class JobLost(Exception):
    """The job is no longer held under this epoch, or its cancellation was asked for; the work must stop."""


class Direct:
    """What a sync handler declared `outside` gets: it opens its transactions itself, and none while it waits
    elsewhere.
    """

    def __init__(self, pool: db.Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """A transaction of its own."""
        async with db.transaction(self._pool) as conn:
            yield conn

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """A connection on which each statement is committed by itself."""
        async with self._pool.acquire() as conn:
            yield conn


class Outside:
    """What an outside handler gets in place of a connection."""

    def __init__(self, pool: db.Pool, job: ClaimedJob) -> None:
        self._pool = pool
        self._job = job

    @property
    def token(self) -> str:
        """Names this job to the outside, the same for every claim: what was done under it need not be done
        again.
        """
        return self._job.uuid

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """A transaction that commits only while the job is still held; raises JobLost otherwise.

        No network call inside.
        """
        async with db.transaction(self._pool) as conn:
            if not await store.hold(conn, self._job.uuid, self._job.epoch):
                raise JobLost(self._job.uuid)
            yield conn

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """A connection on which each statement commits by itself, whether or not the job is still held."""
        async with self._pool.acquire() as conn:
            yield conn
