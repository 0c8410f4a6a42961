"""Things for the scheduler to act on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from app import Service, running_service
from scheduler.rows import insert_resource
from zstack_mgmt.config import Settings
from zstack_mgmt.core.values import ADMIN_UUID

Make = Callable[..., Awaitable[str]]


@pytest.fixture
def resource(service: Service) -> Make:
    """Makes a resource of a type that an account owns, without anything behind it."""

    async def make(kind: str = "VmInstanceVO", account: str = ADMIN_UUID) -> str:
        return await insert_resource(service.db, kind, account)

    return make


@pytest.fixture
async def still(settings: Settings) -> AsyncIterator[Service]:
    """A service without workers: nothing fires but by the test's own hand."""
    async with running_service(settings, workers=0, senders=0) as running:
        yield running


@pytest.fixture
def wait_for() -> Callable[..., Awaitable[Any]]:
    """Waits until a call returns something true, and returns it."""

    async def wait(call: Callable[[], Awaitable[Any]], timeout_s: float = 10) -> Any:
        async with asyncio.timeout(timeout_s):
            while not (value := await call()):
                await asyncio.sleep(0.05)
            return value

    return wait
