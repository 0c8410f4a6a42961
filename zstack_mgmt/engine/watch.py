"""Waiting for jobs to end:

Redis announces it, and a look into PostgreSQL once a second finds what was not announced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import aclosing, contextmanager

import asyncpg
import structlog
from redis.exceptions import RedisError

from zstack_mgmt import db, tasks
from zstack_mgmt.config import Settings
from zstack_mgmt.engine import store
from zstack_mgmt.engine.bell import done_channel, heard

log = structlog.get_logger()


class Watcher:
    """Lets many readers of one process wait for the ends of jobs."""

    def __init__(self, settings: Settings, pool: db.Pool) -> None:
        self._settings = settings
        self._pool = pool
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._listen(), name="watch-redis"),
            asyncio.create_task(self._look(), name="watch-database"),
        ]

    async def stop(self) -> None:
        await tasks.end(*self._tasks)

    @contextmanager
    def expecting(self, uuid: str) -> Generator[asyncio.Event]:
        """An event that is set when the job's end is announced while the block lasts."""
        event = asyncio.Event()
        self._waiting.setdefault(uuid, set()).add(event)
        try:
            yield event
        finally:
            events = self._waiting.get(uuid, set())
            events.discard(event)
            if not events:
                self._waiting.pop(uuid, None)

    async def wait(self, uuid: str, timeout_s: float) -> None:
        """Return when the job may have ended, or after the timeout. The caller then reads its row."""
        with self.expecting(uuid) as event:
            await passed(event, timeout_s)

    def _wake(self, uuids: list[str]) -> None:
        for uuid in uuids:
            for event in self._waiting.get(uuid, ()):
                event.set()

    async def _listen(self) -> None:
        while True:
            try:
                async with aclosing(heard(self._settings, done_channel(self._settings))) as messages:
                    async for message in messages:
                        if self._waiting:
                            self._wake(message.decode().split(","))
            except (RedisError, OSError) as error:
                log.warning("job ends are not announced", action="watch", error=type(error).__name__)
                await asyncio.sleep(0.5)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(1)
            if not self._waiting:
                continue
            try:
                async with self._pool.acquire() as conn:
                    self._wake(await store.final_ones(conn, list(self._waiting)))
            except (*db.UNAVAILABLE, asyncpg.PostgresError):
                continue


async def passed(event: asyncio.Event, timeout_s: float) -> None:
    """Return when the event is set, or after the timeout."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        pass
