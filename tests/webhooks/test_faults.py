"""Senders and connections that die or stop, and what is left behind."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import asyncpg
from aiohttp import web

from receivers import hanging, put, receiver
from webhooks.sending import ACCOUNT, Sender, ended, log_of, sender, state_of
from zstack_mgmt.db import DatabaseLost
from zstack_mgmt.webhooks import deliveries, outbox
from zstack_mgmt.webhooks.outbox import BreakerChange
from zstack_mgmt.webhooks.recording import LaneChange, write
from zstack_mgmt.webhooks.schedule import OPEN_AFTER, Breaker


async def test_a_sender_that_dies_between_the_2xx_and_its_record_repeats_with_the_same_id(
    pool, settings, monkeypatch
):
    monkeypatch.setattr(deliveries, "LEASE_S", 3.0)
    settings = replace(settings, webhook_total_timeout_s=0.5, lease_s=3.0, lease_renew_s=1.0)
    async with pool.acquire() as blocker, receiver() as sink:
        locked = blocker.transaction()

        async def lock_and_thank(request: web.Request) -> web.StreamResponse:
            await locked.start()
            await blocker.execute("SELECT FROM webhook_deliveries FOR UPDATE")  # its record will have to wait
            return web.Response()

        sink.behaviour = lock_and_thank
        (one,) = await put(pool, sink.url)
        dying = Sender(pool, settings)
        dying.start()
        await sink.wait_for(1)
        await asyncio.sleep(0.2)
        await dying.die()
        await locked.rollback()
        assert (await state_of(pool, one))["state"] == "pending"
        sink.behaviour = None
        async with sender(pool, settings):
            await asyncio.sleep(1)
            assert len(sink.requests) == 1  # not before its lease has ended
            assert await ended(pool, 1) == {"delivered": 1}
        assert sink.ids == [one, one]
        assert [a["outcome"] for a in await log_of(pool, one)] == ["unknown", "delivered"]


async def test_stopping_hands_back_what_is_in_flight_without_using_up_an_attempt(pool, settings):
    async with receiver(hanging) as sink:
        async with sender(pool, settings, grace_s=0.2) as loop:
            await put(pool, sink.url, count=10)
            loop.wake()
            await sink.wait_for(4)
        rows = await pool.fetch("SELECT attempts, owner, state FROM webhook_deliveries")
        assert {tuple(row) for row in rows} == {(0, None, "pending")}
        assert await pool.fetchval("SELECT count(*) FROM webhook_receivers") == 0
        sink.behaviour = None
        sink.requests.clear()
        async with sender(pool, settings):
            assert await ended(pool, 10) == {"delivered": 10}


async def test_stopping_lets_what_is_in_flight_end(pool, settings):
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.4)
        return web.Response()

    async with receiver(slow) as sink:
        async with sender(pool, settings, grace_s=3) as loop:
            await put(pool, sink.url, count=2)
            loop.wake()
            await sink.wait_for(2)
        assert await ended(pool, 2, timeout_s=5) == {"delivered": 2}


async def test_a_sender_that_lost_its_lease_leaves_the_breakers_of_its_lanes_alone(pool, settings):
    lane = ("http://a.example", ACCOUNT)
    async with pool.acquire() as conn:
        await outbox.save_breakers(conn, [BreakerChange(*lane, 3, 0, None, None)])
        for late in (Breaker(), Breaker(OPEN_AFTER, 0, 0.0)):
            await write(conn, settings, "taken:back", [], {lane: LaneChange(late, has_closed=False)}, [], 0.0)
            row = await conn.fetchrow("SELECT failures, opened_at FROM webhook_breakers")
            assert tuple(row) == (3, None)


async def test_what_a_claim_brought_whose_answer_was_lost_is_claimed_again(pool, settings, monkeypatch):
    claim, lost = outbox.claim, 0

    async def claim_without_answer(*args: Any) -> Any:
        nonlocal lost
        claimed = await claim(*args)
        if claimed.deliveries and not lost:
            lost = len(claimed.deliveries)
            raise DatabaseLost
        return claimed

    monkeypatch.setattr(outbox, "claim", claim_without_answer)
    async with receiver() as sink, sender(pool, settings):
        await put(pool, sink.url, count=5)
        assert await ended(pool, 5) == {"delivered": 5}
    assert lost > 0
    assert len(sink.requests) == 5


async def test_lost_connections_to_the_database_are_survived(pool, settings):
    async with receiver() as sink, sender(pool, settings) as loop:
        conn = await asyncpg.connect(settings.database_url)
        ids: list[str] = []
        for n in range(5):
            ids += await put(conn, sink.url, count=20)
            loop.wake()
            await sink.wait_for(20 * n + 1)
            await conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        async with asyncio.timeout(40):  # a claim whose answer was lost waits for its lease to end
            while await conn.fetchval("SELECT count(*) FROM webhook_deliveries WHERE state <> 'delivered'"):
                await asyncio.sleep(0.1)
        await conn.close()
        assert set(sink.ids) == set(ids)


async def test_an_idle_sender_costs_next_to_nothing(pool, settings):
    async with sender(pool, settings):
        await asyncio.sleep(0.5)
        before = time.process_time()
        await asyncio.sleep(4)
        assert (time.process_time() - before) / 4 < 0.01


async def test_old_deliveries_are_purged_with_their_attempts_and_undelivered_ones_stay(pool, settings):
    async with receiver() as sink, sender(pool, settings) as loop:
        await put(pool, sink.url, count=3)
        loop.wake()
        await ended(pool, 3)
    (waiting,) = await put(pool, "http://192.0.2.1/")
    assert await outbox.purge(pool, 3600, 100) == 0
    await pool.execute(
        "UPDATE webhook_deliveries SET created_at = now() - interval '40 days', "
        "finished_at = finished_at - interval '40 days'"
    )
    assert await outbox.purge(pool, 30 * 86400, 100) == 3
    assert [row["id"] for row in await pool.fetch("SELECT id FROM webhook_deliveries")] == [waiting]
    assert await pool.fetchval("SELECT count(*) FROM webhook_attempts") == 0
