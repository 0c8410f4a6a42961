"""A world of made-up inventories beside the service's own, on a real PostgreSQL."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from query.asking import SEED, Conn
from query_world import SCHEMA, WORLD, Rows, random_rows, store
from zstack_mgmt.core.inventory import INVENTORIES


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, declared in WORLD.items():
        monkeypatch.setitem(INVENTORIES, name, declared)


@pytest.fixture
async def empty(database_url: str) -> AsyncIterator[Conn]:
    """A connection to a database that has the tables of the test's world, and nothing in them."""
    conn = await asyncpg.connect(database_url)
    await conn.execute(SCHEMA)
    yield conn
    await conn.close()


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[Conn]:
    """A connection to a database that is filled with `random_rows(SEED)`."""
    conn = await asyncpg.connect(database_url)
    await store(conn, random_rows(SEED))
    yield conn
    await conn.close()


@pytest.fixture
def rows() -> Rows:
    return random_rows(SEED)
