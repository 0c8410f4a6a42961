"""Hears of changes of rights in other processes: whoever has seen such a change end is judged by it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from redis.exceptions import RedisError

from zstack_mgmt import absence, tasks
from zstack_mgmt.auth.recent import EVERYBODY, Trust
from zstack_mgmt.config import Settings
from zstack_mgmt.engine.bell import heard, rights_channel

_RETRY_S = 0.5


class RightsListener:
    """Keeps what one process knows of callers from being trusted while their rights change."""

    def __init__(self, settings: Settings, trust: Trust) -> None:
        self._settings = settings
        self._trust = trust
        self._task: asyncio.Task[None] | None = None

    def start(self) -> list[asyncio.Task[None]]:
        """Begin. The task ends at `stop` only."""
        self._task = asyncio.create_task(self._run(), name="rights")
        return [self._task]

    async def stop(self) -> None:
        if self._task is not None:
            await tasks.end(self._task)

    async def _run(self) -> None:
        while True:
            try:
                async with aclosing(heard(self._settings, rights_channel(self._settings))) as messages:
                    async for message in messages:
                        self._take(message.decode())
            except (RedisError, OSError) as error:
                absence.of_redis(self._settings.redis_url).lost(error)
                await asyncio.sleep(_RETRY_S)

    def _take(self, message: str) -> None:
        if not message:  # the listening has begun: what was said before is unknown
            self._trust.changed(EVERYBODY)
            return
        for said in message.split(","):
            if said[0] == "+":
                self._trust.changing(said[1:])
            else:
                self._trust.changed(said[1:])
