"""One running service for each module of these tests, and tenants in it.

A module may set `SETTINGS`, which replaces settings of its service. Sessions are not cached here, so that a
change of policies shows at the next call; what the cache does is tested beside the door.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from app import Client, Service, service_of_its_own
from identity.world import Tenant
from services import Services

COUNTER = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    request: pytest.FixtureRequest, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    changes = {"session_cache_s": 0.0, **getattr(request.module, "SETTINGS", {})}
    async with service_of_its_own(services, tmp_path_factory.mktemp("service"), **changes) as running:
        yield running


@pytest.fixture(scope="module")
def admin(service: Service) -> Client:
    return service.admin


@pytest.fixture(scope="module")
def anonymous(service: Service) -> Client:
    return service.anonymous


@pytest.fixture(scope="module")
def db(service: Service) -> "asyncpg.Connection[Any]":
    return service.db


@pytest.fixture
def fresh() -> Callable[[str], str]:
    """Names that nobody else in the module uses."""
    return lambda stem="name": f"{stem}-{next(COUNTER)}"


@pytest.fixture
def new_tenant(service: Service, fresh: Callable[[str], str]) -> Callable[..., Awaitable[Tenant]]:
    async def make(**params: Any) -> Tenant:
        made, client = await service.account(fresh("tenant"), **params)
        return Tenant(service, made, client)

    return make


@pytest_asyncio.fixture(loop_scope="module")
async def tenant(new_tenant: Callable[..., Awaitable[Tenant]]) -> Tenant:
    """A normal account of this test's own, with its session."""
    return await new_tenant()


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(new_tenant: Callable[..., Awaitable[Tenant]]) -> Tenant:
    """Another normal account, which should see nothing of the tenant."""
    return await new_tenant()
