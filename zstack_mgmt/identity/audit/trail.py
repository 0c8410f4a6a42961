"""Writing the audit lines of calls that are no jobs.

Those of jobs are written by the transaction that ends the job.
"""

from __future__ import annotations

import asyncio
from dataclasses import astuple, dataclass

import asyncpg
import structlog

from zstack_mgmt import db, tasks
from zstack_mgmt.db import Connection

log = structlog.get_logger()

_MAX_WAITING = 10_000
_FLUSH_S = 0.1


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One call that was answered at once."""

    account_uuid: str
    user_uuid: str
    api: str
    target: str | None
    request_id: str
    remote: str
    outcome: str
    error_code: str | None
    access_key_uuid: str | None = None


class AuditTrail:
    """Collects lines and writes them in groups."""

    def __init__(self, pool: db.Pool) -> None:
        self._pool = pool
        self._lines: list[AuditLine] = []
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> list[asyncio.Task[None]]:
        """Begin. The task ends at `stop` only."""
        self._task = asyncio.create_task(self._run(), name="audit")
        return [self._task]

    async def stop(self) -> None:
        """Write what is left and end."""
        if self._task is not None:
            await tasks.end(self._task)
        await self._write()

    def add(self, line: AuditLine) -> None:
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
            await self._insert(lines)
        except (ValueError, asyncpg.DataError) as error:
            log.error("an audit line cannot be stored", action="audit", lines=len(lines), error=repr(error))
            await self._write_one_by_one(lines)
        except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
            self._pool.absence.lost(error)
            self._keep(lines)
        except asyncio.CancelledError:
            self._keep(lines)
            raise

    async def _write_one_by_one(self, lines: list[AuditLine]) -> None:
        """Store those that can be; one that cannot is not tried again, so that it holds no other back."""
        for at, line in enumerate(lines):
            try:
                await self._insert([line])
            except (ValueError, asyncpg.DataError):
                log.error(
                    "an audit line was dropped", action="audit", api=line.api, account_uuid=line.account_uuid
                )
            except (*db.UNAVAILABLE, asyncpg.PostgresError):
                self._keep(lines[at:])
                return

    def _keep(self, lines: list[AuditLine]) -> None:
        self._lines = (lines + self._lines)[:_MAX_WAITING]
        self._work.set()

    async def _insert(self, lines: list[AuditLine]) -> None:
        async with self._pool.acquire() as conn:
            await conn.executemany(
                """
                INSERT INTO audits
                    (account_uuid, user_uuid, api, target, request_id, remote, outcome, error_code,
                     access_key_uuid)
                VALUES (nullif($1, ''), nullif($2, ''), $3, $4, $5, $6, $7, $8, $9)
                """,
                [astuple(line) for line in lines],
            )


async def delete_old(conn: Connection, retention_s: int, limit: int) -> int:
    """Drop lines past their time; their number."""
    done = await conn.execute(
        """
        DELETE FROM audits WHERE id IN (
            SELECT id FROM audits WHERE create_date < now() - make_interval(secs => $1)
            ORDER BY create_date LIMIT $2)
        """,
        float(retention_s),
        limit,
    )
    return db.touched(done)


async def surplus(conn: Connection, most: int) -> dict[str | None, int]:
    """The accounts that have more lines than `most`, and how many more; None for calls without a session."""
    rows = await conn.fetch(
        "SELECT account_uuid, count(*) - $1 FROM audits GROUP BY account_uuid HAVING count(*) > $1", most
    )
    return {row[0]: row[1] for row in rows}


async def delete_oldest(conn: Connection, account_uuid: str | None, limit: int) -> int:
    """Drop the oldest lines of an account; their number."""
    done = await conn.execute(
        """
        DELETE FROM audits WHERE id IN (
            SELECT id FROM audits WHERE account_uuid IS NOT DISTINCT FROM $1 ORDER BY id LIMIT $2)
        """,
        account_uuid,
        limit,
    )
    return db.touched(done)
