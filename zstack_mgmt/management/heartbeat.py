"""The sign of life of a process that answers calls: its row in the table of them."""

from __future__ import annotations

import asyncio
import socket

import asyncpg
import structlog

from zstack_mgmt import db, tasks
from zstack_mgmt.core.values import new_uuid

log = structlog.get_logger()

_BEAT_S = 5.0  # the view management_nodes shows those that gave a sign within six times that


class Heartbeat:
    """Keeps the row of this process while it lives."""

    def __init__(self, pool: db.Pool) -> None:
        self._pool = pool
        self._uuid = new_uuid()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> list[asyncio.Task[None]]:
        """Begin. The task ends at `stop` only."""
        self._task = asyncio.create_task(self._run(), name="heartbeat")
        return [self._task]

    async def stop(self) -> None:
        """Take the row away and end. A database that is away forgets the row by itself."""
        if self._task is not None:
            await tasks.end(self._task)
        try:
            async with asyncio.timeout(1), self._pool.acquire() as conn:
                await conn.execute("DELETE FROM api_processes WHERE uuid = $1", self._uuid)
        except (TimeoutError, *db.UNAVAILABLE, asyncpg.PostgresError) as error:
            log.warning("a sign of life stays behind", action="heartbeat", error=type(error).__name__)

    async def beat(self) -> None:
        """Give a sign of life, and forget those who have not for a while."""
        try:
            async with self._pool.acquire() as conn:
                await conn.execute(
                    """
                    WITH gone AS (
                        DELETE FROM api_processes
                        WHERE heart_beat < now() - interval '1 minute' AND uuid <> $1 RETURNING uuid
                    )
                    INSERT INTO api_processes (uuid, host_name) VALUES ($1, $2)
                    ON CONFLICT (uuid) DO UPDATE SET heart_beat = now()
                    """,
                    self._uuid,
                    socket.gethostname(),
                )
        except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
            self._pool.absence.lost(error)
        else:
            self._pool.absence.back()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            await self.beat()
