"""The pool of connections."""

import asyncio
import socket
from contextlib import suppress
from typing import Any, cast

import asyncpg
import pytest
from redis.asyncio import Redis

from zstack_mgmt import absence, sockets
from zstack_mgmt.config import Settings
from zstack_mgmt.db import create_pool
from zstack_mgmt.pool import DatabaseLost, Pool, RawConnection
from zstack_mgmt.redis_client import redis_client


async def test_connections_are_lent_in_the_order_in_which_they_are_asked_for(settings: Settings) -> None:
    asked: list[tuple[int, int]] = []
    lent: list[tuple[int, int]] = []

    async def ask(number: int) -> None:
        for turn in range(20):
            asked.append((number, turn))
            async with pool.acquire() as conn:
                lent.append((number, turn))
                await conn.fetchval("SELECT 1")

    async with create_pool(settings, application="test", size=2) as pool:
        async with pool.acquire(), pool.acquire():
            pass  # both are open now: opening one takes its own time
        await asyncio.gather(*(ask(number) for number in range(10)))
    # When hardly anybody waits, one who asks may run in the same turn as one who was lent to.
    assert max(abs(lent.index(who) - place) for place, who in enumerate(asked)) <= 1


async def test_a_connection_that_cannot_be_made_takes_no_turn(settings: Settings) -> None:
    there = False

    async def connect() -> RawConnection:
        return await asyncpg.connect(settings.database_url, database=None if there else "absent")

    async with Pool(connect, 1, absence.of_database(settings.database_url)) as pool:
        for _ in range(3):
            with pytest.raises(asyncpg.InvalidCatalogNameError):
                async with pool.acquire():
                    pass
        there = True
        async with asyncio.timeout(10), pool.acquire() as conn:
            assert await conn.fetchval("SELECT 1") == 1


async def test_who_gives_up_waiting_takes_no_turn(settings: Settings) -> None:
    async with create_pool(settings, application="test", size=1) as pool:
        async with pool.acquire():
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01), pool.acquire():
                        pass
        async with asyncio.timeout(10), pool.acquire() as conn:
            assert await conn.fetchval("SELECT 1") == 1


async def test_a_statement_that_was_interrupted_has_ended_before_its_connection_is_lent_again(
    settings: Settings,
) -> None:
    async with create_pool(settings, application="test", size=1) as pool:
        async with pool.acquire() as first:
            pass
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), pool.acquire() as conn:
                    await conn.execute("SELECT pg_sleep(30)")
            async with asyncio.timeout(10), pool.acquire() as conn:
                assert await conn.fetchval("SELECT 1") == 1
                assert conn is first
        with suppress(ZeroDivisionError):
            async with pool.acquire() as conn:
                await conn.execute("BEGIN")
                raise ZeroDivisionError
        async with asyncio.timeout(10), pool.acquire() as conn:
            assert conn is not first, "it was in a transaction"


async def test_what_ends_a_connection(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zstack_mgmt.pool._MAX_LOANS", 3)
    monkeypatch.setattr("zstack_mgmt.pool._MAX_IDLE_S", 0.2)
    async with create_pool(settings, application="test", size=2) as pool:
        lent: list[Any] = []
        for _ in range(4):
            async with pool.acquire() as conn:
                lent.append(conn)
        assert lent[0] is lent[1] is lent[2] is not lent[3]
        assert (pool.size, pool.idle) == (1, 1)
        async with asyncio.timeout(10):
            while pool.size:
                await asyncio.sleep(0.02)
        async with pool.acquire() as conn:
            cast("Any", conn).terminate()
        async with pool.acquire() as conn:
            assert await conn.fetchval("SELECT 1") == 1
    for conn in lent:
        assert conn.is_closed()
    with pytest.raises(DatabaseLost):
        async with pool.acquire():
            pass


async def test_silence_of_either_end_is_limited(settings: Settings) -> None:
    """Else the locks of a machine that is cut off are held for hours, and its own calls hang."""
    async with create_pool(settings, application="test") as pool, pool.acquire() as conn:
        for name, value in sockets.POSTGRESQL.items():
            assert await conn.fetchval("SELECT setting FROM pg_settings WHERE name = $1", name) == value
        ours = cast("Any", conn)._transport.get_extra_info("socket")
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        for option, value in sockets.OPTIONS.items():
            assert ours.getsockopt(socket.IPPROTO_TCP, option) == value
    async with redis_client(settings.redis_url, Redis) as redis:
        connections: Any = redis.connection_pool
        connection = await connections.get_connection()
        ours = connection._writer.get_extra_info("socket")
        for option, value in sockets.OPTIONS.items():
            assert ours.getsockopt(socket.IPPROTO_TCP, option) == value
        await connections.release(connection)


async def test_what_postgresqls_own_types_are_is_asked_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    ask = asyncpg.Connection._introspect_types  # type: ignore[attr-defined]

    async def counted(conn: Any, numbers: Any, timeout: Any) -> Any:
        asked.extend(numbers)
        return await ask(conn, numbers, timeout)

    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", counted)
    monkeypatch.setattr("zstack_mgmt.primary._TYPES", {})
    pool = create_pool(settings, application="test", size=2)
    async with pool, pool.acquire() as one, pool.acquire() as other:
        for conn in (one, other):
            assert await conn.fetchval("SELECT $1::float8[]", [1.5]) == [1.5]
        assert len(asked) == 1
        await one.execute("CREATE TYPE mood AS ENUM ('fine')")
        for conn in (one, other):
            assert await conn.fetchval("SELECT 'fine'::mood") == "fine"
        assert len(asked) == 3, "a type of the database's own may differ elsewhere"
