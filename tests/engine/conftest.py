"""Jobs without an API in front of them, and workers whose parts a test holds in its hands."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from app import Service, running_service
from workers import jobs as worker
from zstack_mgmt import db, tasks
from zstack_mgmt.config import Settings
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.engine import store
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.jobs import Jobs
from zstack_mgmt.engine.lease import Lease
from zstack_mgmt.engine.model import Submission
from zstack_mgmt.process import build_services

Put = Callable[..., Awaitable[list[str]]]


@pytest.fixture
async def idle(settings: Settings) -> AsyncIterator[Service]:
    """The service without workers."""
    async with running_service(settings, workers=0, senders=0) as running:
        yield running


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Declares an API that only jobs can name."""

    def declare(name: str, handler: Any, *, outside: bool = False) -> None:
        made = replace(
            APIS["CreateZone"],
            name=name, handler=handler, outside=outside, response_key="", access="account",
        )  # fmt: skip
        monkeypatch.setitem(APIS, name, made)

    return declare


@pytest.fixture
def put(idle: Service) -> Put:
    """Stores jobs; returns their uuids."""

    async def store_jobs(
        api: str,
        count: int = 1,
        *,
        account: str = "a",
        keys: str | None = None,
        timeout_s: int = 100,
        outside: bool = False,
    ) -> list[str]:
        await idle.db.execute(
            """
            INSERT INTO accounts (uuid, name, type, password_hash) VALUES ($1, $1, 'Normal', '')
            ON CONFLICT DO NOTHING
            """,
            account,
        )
        uuids = [new_uuid() for _ in range(count)]
        request = '{"name":"toy"}'
        await store.accept(
            idle.db,
            [
                Submission(
                    uuid, account, account, False, api, b"", request, "", keys, outside, False, None,
                    timeout_s, "", None,
                )
                for uuid in uuids
            ],
        )  # fmt: skip
        return uuids

    return store_jobs


class Worker:
    """A jobs worker in this event loop."""

    def __init__(self, pool: db.Pool, settings: Settings) -> None:
        bell = Bell(settings)
        self.lease = Lease(settings, bell)
        self.pullers = worker.pullers(pool, build_services(settings), self.lease, bell)
        self.tasks: list[Any] = []

    @property
    def jobs(self) -> Jobs:
        return self.pullers[0]._pull.__self__  # type: ignore[attr-defined]

    def start(self) -> None:
        self.tasks = [asyncio.create_task(self.lease.run()), *(puller.start() for puller in self.pullers)]

    async def die(self) -> None:
        """End at once, and give nothing back."""
        await tasks.end(*self.tasks, *self.jobs._running)

    async def stop(self) -> None:
        await asyncio.gather(*(puller.stop(0.5) for puller in self.pullers))
        await tasks.end(*self.tasks)
        await self.lease.leave()


@pytest.fixture
async def pool(idle: Service) -> AsyncIterator[db.Pool]:
    async with db.create_pool(idle.settings, application="test", size=14) as made:
        yield made


@pytest.fixture
def working(idle: Service, pool: db.Pool) -> Callable[..., Any]:
    """A worker for the time of a block; the keywords are settings."""

    @asynccontextmanager
    async def run(**changes: Any) -> AsyncIterator[Worker]:
        made = Worker(pool, replace(idle.settings, **changes))
        made.start()
        try:
            yield made
        finally:
            await made.stop()

    return run
