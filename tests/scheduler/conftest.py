"""Things for the scheduler to act on, and its loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from app import Service
from workers.firing import FiringLoop
from zstack_mgmt.jobs.bell import Bell
from zstack_mgmt.process import build_services, open_pool
from zstack_mgmt.values import ADMIN_UUID, new_uuid

Make = Callable[..., Awaitable[str]]


@pytest.fixture
def resource(service: Service) -> Make:
    """Makes a resource of a type that an account owns, without anything behind it."""

    async def make(kind: str = "VmInstanceVO", account: str = ADMIN_UUID) -> str:
        uuid = new_uuid()
        await service.db.execute(
            "INSERT INTO resources (uuid, resource_name, resource_type, base_type) VALUES ($1, 'it', $2, $2)",
            uuid,
            kind,
        )
        await service.db.execute(
            "INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid) VALUES ($1, $2, $3)",
            uuid,
            kind,
            account,
        )
        return uuid

    return make


@pytest.fixture
async def firing(service: Service) -> AsyncIterator[FiringLoop]:
    """A firing loop, as each worker process has one."""
    pool = await open_pool(service.settings, application="firing", size=2)
    bell = Bell(service.settings)
    bell.start()
    loop = FiringLoop(pool, service.settings, build_services(service.settings), bell)
    task = asyncio.create_task(loop.run())
    yield loop
    await loop.stop(1)
    await task
    await bell.stop()
    await pool.close()


@pytest.fixture
def wait_for() -> Callable[..., Awaitable[Any]]:
    """Waits until a call returns something true, and returns it."""

    async def wait(call: Callable[[], Awaitable[Any]], timeout_s: float = 10) -> Any:
        async with asyncio.timeout(timeout_s):
            while not (value := await call()):
                await asyncio.sleep(0.05)
            return value

    return wait
