"""Connections for the tests of the senders."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from zstack_mgmt.config import Settings


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(settings.database_url, min_size=2) as made:
        yield made
