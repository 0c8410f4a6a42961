"""The doorbell: tells workers through Redis that there is work, and waiting readers that a job has ended.

It carries no truth. A ring puts one wake-up job into arq's queue, in arq's own key layout and once however
often it rings, and publishes to a channel that wakes a listening worker at once. Workers look into PostgreSQL
by themselves too, so a lost ring loses no work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal

import orjson
from arq.constants import job_key_prefix
from arq.jobs import serialize_job
from redis.asyncio import Redis
from redis.exceptions import RedisError

from zstack_mgmt import absence, tasks
from zstack_mgmt.config import Settings
from zstack_mgmt.redis_client import close, redis_client

dumps = partial(orjson.dumps, default=repr)
loads = orjson.loads
"""The serialiser of what passes through arq. Its own is pickle: who can write to Redis could run code."""

Queue = Literal["jobs", "webhooks"]
_WAKE_TTL_MS = 60_000
_PAUSE_S = 0.5


def queue_name(settings: Settings, queue: Queue) -> str:
    """The arq queue of one kind of worker."""
    return f"{settings.redis_prefix}arq:{queue}"


def wake_channel(settings: Settings, queue: Queue) -> str:
    return f"{settings.redis_prefix}wake:{queue}"


def done_channel(settings: Settings) -> str:
    return f"{settings.redis_prefix}done"


def rights_channel(settings: Settings) -> str:
    return f"{settings.redis_prefix}rights"


class Bell:
    """Collects rings and announcements and sends them in one pipeline per turn of the event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._redis: Any = redis_client(settings.redis_url, Redis, socket_timeout=1, retry_on_timeout=False)
        self._rings: set[Queue] = set()
        self._done: list[str] = []
        self._changed: list[str] = []  # accounts in which rights have changed, one for each time
        self._work = asyncio.Event()
        self._down_until = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> list[asyncio.Task[None]]:
        """Begin. The task ends at `stop` only."""
        self._task = asyncio.create_task(self._run(), name="bell")
        return [self._task]

    async def stop(self) -> None:
        if self._task is not None:
            await tasks.end(self._task)
        await close(self._redis)

    def ring(self, queue: Queue) -> None:
        """Wake a worker of the queue. Never fails and never waits."""
        self._rings.add(queue)
        self._work.set()

    def announce(self, uuids: list[str]) -> None:
        """Tell readers that wait for these jobs that they have ended. Never fails and never waits."""
        self._done.extend(uuids)
        self._work.set()

    def tell(self, ended: Sequence[tuple[str, bool]]) -> None:
        """Announce ended jobs, and ring for the webhooks of those that have one."""
        self.announce([uuid for uuid, _ in ended])
        if any(hooked for _, hooked in ended):
            self.ring("webhooks")

    @asynccontextmanager
    async def changing_rights(self, accounts: Collection[str]) -> AsyncGenerator[None]:
        """Tell all processes that rights in these accounts change in this block, around its transactions.

        They are told before it begins, and when it has ended. Never fails: who is not told looks again within
        `session_cache_s`.
        """
        await self._say_rights(accounts, b"+")
        try:
            yield
        finally:
            self._changed.extend(accounts)
            self._work.set()

    async def _say_rights(self, accounts: Iterable[str], sign: bytes) -> None:
        said = b",".join(sign + account.encode() for account in accounts)
        if said and time.monotonic() >= self._down_until:
            try:
                await self._redis.publish(rights_channel(self._settings), said)
            except (TimeoutError, RedisError, OSError) as error:
                self._lost(error)

    def _lost(self, error: BaseException) -> None:
        self._down_until = time.monotonic() + _PAUSE_S
        absence.of_redis(self._settings.redis_url).lost(error)

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            rings, self._rings = self._rings, set()
            done, self._done = self._done, []
            changed, self._changed = self._changed, []
            await self._say_rights(changed, b"-")
            if time.monotonic() < self._down_until:
                continue
            try:
                await self._send(rings, done)
            except (TimeoutError, RedisError, OSError) as error:
                self._lost(error)

    async def _send(self, rings: set[Queue], done: list[str]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        now_ms = int(time.time() * 1000)
        for queue in rings:
            name = queue_name(self._settings, queue)
            wake_id = f"{name}:wake"
            job = serialize_job("wake", (), {}, None, now_ms, serializer=dumps)
            pipe.publish(wake_channel(self._settings, queue), b"1")
            pipe.set(job_key_prefix + wake_id, job, px=_WAKE_TTL_MS, nx=True)
            pipe.zadd(name, {wake_id: now_ms}, nx=True)
        if done:
            pipe.publish(done_channel(self._settings), ",".join(done))
        if await pipe.execute():  # nothing at all needs no server
            absence.of_redis(self._settings.redis_url).back()


async def heard(settings: Settings, channel: str) -> AsyncGenerator[bytes, None]:
    """What is published on a channel; an empty message says that the listening has begun.

    Raises RedisError or OSError when Redis is lost; close the generator to end the connection.
    """
    client: Any = redis_client(settings.redis_url, Redis)
    try:
        async with client.pubsub() as ear:
            await ear.subscribe(channel)
            async for message in ear.listen():
                if message["type"] != "message":
                    absence.of_redis(settings.redis_url).back()
                yield message["data"] if message["type"] == "message" else b""
    finally:
        await close(client)
