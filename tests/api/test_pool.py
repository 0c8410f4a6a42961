"""The pool of connections."""

import asyncio

import asyncpg
import pytest

from zstack_mgmt.config import Settings
from zstack_mgmt.db import create_pool


async def test_connections_are_lent_in_the_order_in_which_they_are_asked_for(settings: Settings) -> None:
    asked: list[tuple[int, int]] = []
    lent: list[tuple[int, int]] = []

    async def ask(number: int) -> None:
        for turn in range(20):
            asked.append((number, turn))
            async with pool.acquire() as conn:
                lent.append((number, turn))
                await conn.fetchval("SELECT 1")

    async with await create_pool(settings, application="test", size=2) as pool:
        async with pool.acquire(), pool.acquire():
            pass  # both are open now: opening one takes its own time
        await asyncio.gather(*(ask(number) for number in range(10)))
    # When hardly anybody waits, one who asks may run in the same turn as one who was lent to.
    assert max(abs(lent.index(who) - place) for place, who in enumerate(asked)) <= 1


async def test_a_connection_that_cannot_be_made_takes_no_turn(settings: Settings) -> None:
    async with await create_pool(settings, application="test", size=1) as pool:
        pool.set_connect_args(settings.database_url, database="absent")
        for _ in range(3):
            with pytest.raises(asyncpg.InvalidCatalogNameError):
                async with pool.acquire():
                    pass
        pool.set_connect_args(settings.database_url)
        async with asyncio.timeout(10), pool.acquire() as conn:
            assert await conn.fetchval("SELECT 1") == 1


async def test_who_gives_up_waiting_takes_no_turn(settings: Settings) -> None:
    async with await create_pool(settings, application="test", size=1) as pool:
        async with pool.acquire():
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01), pool.acquire():
                        pass
        async with asyncio.timeout(10), pool.acquire() as conn:
            assert await conn.fetchval("SELECT 1") == 1
