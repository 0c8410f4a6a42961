"""Connections for the tests of the senders."""

from collections.abc import AsyncIterator

import pytest

from zstack_mgmt.config import Settings
from zstack_mgmt.db import Pool, create_pool


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[Pool]:
    async with create_pool(settings, application="test") as made:
        yield made
