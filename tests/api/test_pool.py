"""The pool of connections."""

import asyncio
from itertools import pairwise

import asyncpg
import pytest

from zstack_mgmt.config import Settings
from zstack_mgmt.db import create_pool


async def test_connections_are_lent_in_the_order_in_which_they_are_asked_for(settings: Settings) -> None:
    served: list[int] = []

    async def ask(number: int, times: int) -> None:
        for _ in range(times):
            async with pool.acquire() as conn:
                await conn.fetchval("SELECT 1")
                served.append(number)

    async with await create_pool(settings, application="test", size=2) as pool:
        await asyncio.gather(*(ask(number, 20) for number in range(10)))
    # Whoever has been served asks again at once, and waits for the nine others first.
    for number in range(10):
        places = [place for place, who in enumerate(served) if who == number]
        gaps = [after - before for before, after in pairwise(places)]
        assert max(gaps) <= 12, (number, gaps)


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
