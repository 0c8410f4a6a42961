"""Each client's exchanges are played once, one client after another; every test looks at the answers."""

from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest
import pytest_asyncio

from app import Service, running_service
from compatibility.player import EXCHANGES, Played, Player, load
from receivers import Receiver, receiver
from services import Services, clone_template, drop_database
from zstack_mgmt.config import Settings

HERE = Path(__file__).parent
CLIENTS = sorted(path.stem for path in EXCHANGES.glob("*.json"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under xdist the tests of a module stay on one worker, so that each client is played once."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.xdist_group(f"compatibility-{item.path.stem}"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(services: Services, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    name = await clone_template(services)
    settings = Settings(
        database_url=services.url_of(name),
        redis_url=services.redis_url,
        redis_prefix=f"test:{name}:",
        data_dir=tmp_path_factory.mktemp("compatibility"),
        admin_password="password",
        webhook_allow=(ip_network("127.0.0.0/8"),),
        password_time_cost=1,
        password_memory_kib=64,
    )
    async with running_service(settings) as running:
        yield running
    await drop_database(services, name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hooks() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=CLIENTS)
async def played(request: pytest.FixtureRequest, service: Service, hooks: Receiver) -> list[Played]:
    return await Player(service.origin, hooks).play(load(request.param)["exchanges"])
