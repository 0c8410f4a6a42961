"""One running service for each module of these tests, and tenants in it.

A module may set `SETTINGS`, which replaces settings of its service. Sessions are not cached here, so that a
change of policies shows at the next call; what the cache does is tested beside the door.
"""

import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from app import Client, Service, running_service
from identity.world import Tenant
from services import Services, clone_template, drop_database
from zstack_mgmt.config import Settings

COUNTER = itertools.count(1)
HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under xdist a module stays on one worker, so that its service is started once."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.xdist_group(f"identity-{item.path.stem}"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    request: pytest.FixtureRequest, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    name = await clone_template(services)
    settings = Settings(
        database_url=services.url_of(name),
        redis_url=services.redis_url,
        redis_prefix=f"test:{uuid.uuid4().hex}:",
        data_dir=tmp_path_factory.mktemp("service"),
        admin_password="password",
        session_cache_s=0.0,
        password_time_cost=1,
        password_memory_kib=64,
    )
    async with running_service(replace(settings, **getattr(request.module, "SETTINGS", {}))) as running:
        yield running
    await drop_database(services, name)


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
