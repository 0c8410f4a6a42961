"""Databases in the states that a migration meets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services import Services, create_database, drop_database
from zstack_mgmt import schema

DATA = (Path(__file__).parent / "data.sql").read_text()
FIRST = next(iter(schema.steps()))

Connection = Any


@asynccontextmanager
async def empty_database(services: Services) -> AsyncIterator[Connection]:
    """A connection to a database with nothing in it."""
    name = await create_database(services, "template0")
    conn = await asyncpg.connect(services.url_of(name))
    try:
        yield conn
    finally:
        await conn.close()
        await drop_database(services, name)


@pytest.fixture
async def empty(services: Services) -> AsyncIterator[Connection]:
    async with empty_database(services) as conn:
        yield conn


@pytest.fixture
async def first(empty: Connection) -> Connection:
    """A database as the first release made it, with something in each table."""
    await empty.execute(schema.steps()[FIRST])
    await empty.execute(DATA)
    return empty
