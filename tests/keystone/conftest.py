"""One running service for each module of these tests. A module may set `SETTINGS`."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from app import Service, running_service
from keystone.talking import Keystone, Person
from services import Services, clone_template, drop_database
from zstack_mgmt.config import Settings

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under xdist a module stays on one worker, so that its service is started once."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.xdist_group(f"keystone-{item.path.stem}"))


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
def keystone(service: Service) -> Keystone:
    return Keystone(service)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(keystone: Keystone) -> Person:
    """The built-in admin, scoped to its project."""
    return await keystone.log_in(
        "admin", "password", {"project": {"name": "admin", "domain": {"id": "default"}}}
    )
