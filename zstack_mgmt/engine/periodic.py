"""Periodic work: one worker does each round, whichever claims it in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import asyncpg
import structlog

from zstack_mgmt import db, tasks
from zstack_mgmt.db import Connection

log = structlog.get_logger()

_LIMIT_S = 30.0  # of one round of one task

Task = Callable[[], Coroutine[Any, Any, None]]


class Periodic:
    """The periodic tasks, by their names; each is done by one of all workers, once in so many seconds."""

    def __init__(self, pool: db.Pool, todo: Mapping[str, tuple[Task, float]]) -> None:
        self._pool = pool
        self._todo = todo
        self._running: dict[str, asyncio.Task[None]] = {}

    async def pull(self) -> float | None:
        """Start the tasks whose turn it is."""
        turns = [(name, every_s) for name, (_, every_s) in self._todo.items() if name not in self._running]
        async with self._pool.acquire() as conn:
            claimed = await claim(conn, turns)
        self._pool.absence.back()
        for name in claimed:
            task = self._running[name] = asyncio.create_task(self._run(name), name=name)
            task.add_done_callback(lambda _, name=name: self._running.pop(name))
        return None

    async def drain(self, grace_s: float) -> None:
        """Stop what runs; its next round comes."""
        await tasks.end(*self._running.values())

    async def _run(self, name: str) -> None:
        try:
            async with asyncio.timeout(_LIMIT_S):
                await self._todo[name][0]()
        except (TimeoutError, *db.UNAVAILABLE, asyncpg.PostgresError) as error:
            if isinstance(error, db.UNAVAILABLE):
                self._pool.absence.lost(error)
            else:
                log.warning("a periodic task failed", action="periodic", task=name, error=repr(error))
        except Exception as error:  # the boundary: one task's surprise must not stop the others
            log.error("a periodic task failed", action="periodic", task=name, exc_info=error)


async def claim(conn: Connection, turns: Sequence[tuple[str, float]]) -> list[str]:
    """Take those of the tasks whose turn it is. Args: turns: names, and the seconds until the next turn."""
    rows = await conn.fetch(
        """
        INSERT INTO periodic_tasks AS p (name, next_at)
        SELECT n.name, now() + make_interval(secs => n.every_s)
        FROM unnest($1::text[], $2::float8[]) AS n (name, every_s)
        WHERE NOT EXISTS (SELECT FROM periodic_tasks q WHERE q.name = n.name AND q.next_at > now())
        ORDER BY n.name
        ON CONFLICT (name) DO UPDATE SET next_at = excluded.next_at WHERE p.next_at <= now() RETURNING name
        """,
        [name for name, _ in turns],
        [every_s for _, every_s in turns],
    )
    return [row["name"] for row in rows]
