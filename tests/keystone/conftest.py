"""One running service for each module of these tests. A module may set `SETTINGS`."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app import Service, service_of_its_own
from keystone.talking import Keystone, Person
from services import Services


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    request: pytest.FixtureRequest, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    changes = {"session_cache_s": 0.0, **getattr(request.module, "SETTINGS", {})}
    async with service_of_its_own(services, tmp_path_factory.mktemp("service"), **changes) as running:
        yield running


@pytest.fixture(scope="module")
def keystone(service: Service) -> Keystone:
    return Keystone(service)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(keystone: Keystone) -> Person:
    """The built-in admin, scoped to its project."""
    return await keystone.log_in(
        "admin", "password", {"project": {"name": "admin", "domain": {"id": "default"}}}
    )
