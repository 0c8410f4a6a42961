"""Each client's exchanges are played once, one client after another; every test looks at the answers."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app import Service, service_of_its_own
from compatibility.player import EXCHANGES, Played, Player, load
from receivers import Receiver, receiver
from services import Services

CLIENTS = sorted(path.stem for path in EXCHANGES.glob("*.json"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(services: Services, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with service_of_its_own(services, tmp_path_factory.mktemp("compatibility")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hooks() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=CLIENTS)
async def played(request: pytest.FixtureRequest, service: Service, hooks: Receiver) -> list[Played]:
    return await Player(service.origin, hooks).play(load(request.param)["exchanges"])
