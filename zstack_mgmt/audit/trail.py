"""Writing the audit lines of calls that are no jobs; those of jobs are written by the transaction that ends the job."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog

from zstack_mgmt import db

log = structlog.get_logger()

_MAX_WAITING = 10_000
_FLUSH_S = 0.1


@dataclass(frozen=True, slots=True)
class Line:
    """One call that was answered at once."""

    account_uuid: str
    user_uuid: str
    api: str
    target: str | None
    request_id: str
    remote: str
    outcome: str
    error_code: str | None


class Trail:
    """Collects lines and writes them in groups."""

    def __init__(self, pool: db.Pool) -> None:
        self._pool = pool
        self._lines: list[Line] = []
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="audit")

    async def stop(self) -> None:
        """Write what is left and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._write()

    def add(self, line: Line) -> None:
        """Have the line written within a fraction of a second. Never fails and never waits."""
        if len(self._lines) < _MAX_WAITING:
            self._lines.append(line)
            self._work.set()
        else:
            log.error(
                "an audit line was dropped", action="audit", api=line.api, account_uuid=line.account_uuid
            )

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            await self._write()
            await asyncio.sleep(_FLUSH_S)

    async def _write(self) -> None:
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            async with self._pool.acquire() as conn:
                await conn.executemany(
                    """
                    INSERT INTO audits (account_uuid, user_uuid, api, target, request_id, remote, outcome, error_code)
                    VALUES (nullif($1, ''), nullif($2, ''), $3, $4, $5, $6, $7, $8)
                    """,
                    [
                        (
                            x.account_uuid,
                            x.user_uuid,
                            x.api,
                            x.target,
                            x.request_id,
                            x.remote,
                            x.outcome,
                            x.error_code,
                        )
                        for x in lines
                    ],
                )
        except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
            log.warning(
                "audit lines wait for the database",
                action="audit",
                lines=len(lines),
                error=type(error).__name__,
            )
            self._lines = (lines + self._lines)[:_MAX_WAITING]
            self._work.set()


async def delete_old(conn: Any, retention_s: int, limit: int) -> None:
    """Drop lines past their time."""
    await conn.execute(
        """
        DELETE FROM audits WHERE id IN (
            SELECT id FROM audits WHERE create_date < now() - make_interval(secs => $1) ORDER BY create_date LIMIT $2)
        """,
        float(retention_s),
        limit,
    )
