"""Waiting for jobs: Redis announces their ends. One look into PostgreSQL a second, for all who wait in this
process, finds every other change, and the ends whose announcements were lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import aclosing, contextmanager

import asyncpg
from redis.exceptions import RedisError

from zstack_mgmt import absence, db, tasks
from zstack_mgmt.config import Settings
from zstack_mgmt.engine import store
from zstack_mgmt.engine.bell import done_channel, heard

_LOOK_S = 1.0


class Watcher:
    """Lets many readers of one process wait for changes of jobs."""

    def __init__(self, settings: Settings, pool: db.Pool) -> None:
        self._settings = settings
        self._pool = pool
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._seen: dict[str, tuple[str, int]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.leaving = False  # whoever waits shall end that, with what is known by then

    def start(self) -> list[asyncio.Task[None]]:
        """Begin. The tasks end at `stop` only."""
        self._tasks = [
            asyncio.create_task(self._listen(), name="watch-redis"),
            asyncio.create_task(self._look(), name="watch-database"),
        ]
        return self._tasks

    def let_go(self) -> None:
        """Have everybody end their waiting: the process is about to stop."""
        self.leaving = True
        for uuid in self._waiting:
            self._wake(uuid)

    async def stop(self) -> None:
        await tasks.end(*self._tasks)

    @contextmanager
    def expecting(self, uuid: str) -> Generator[asyncio.Event]:
        """An event that is set each time when the job's state may have changed."""
        event = asyncio.Event()
        self._waiting.setdefault(uuid, set()).add(event)
        try:
            yield event
        finally:
            events = self._waiting.get(uuid, set())
            events.discard(event)
            if not events:
                self._waiting.pop(uuid, None)
                self._seen.pop(uuid, None)

    def _wake(self, uuid: str) -> None:
        for event in self._waiting.get(uuid, ()):
            event.set()

    async def _listen(self) -> None:
        while True:
            try:
                async with aclosing(heard(self._settings, done_channel(self._settings))) as messages:
                    async for message in messages:
                        for uuid in message.decode().split(",") if self._waiting else ():
                            self._wake(uuid)
            except (RedisError, OSError) as error:
                absence.of_redis(self._settings.redis_url).lost(error)
                await asyncio.sleep(0.5)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            if not self._waiting:
                continue
            try:
                async with self._pool.acquire() as conn:
                    found = await store.states(conn, list(self._waiting))
            except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
                absence.of_database(self._settings.database_url).lost(error)
                continue
            absence.of_database(self._settings.database_url).back()
            for uuid, state in found.items():
                if uuid in self._waiting and self._seen.get(uuid) != state:
                    self._seen[uuid] = state
                    self._wake(uuid)
