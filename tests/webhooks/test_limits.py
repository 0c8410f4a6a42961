"""Limits of requests in flight, turns, and breakers."""

import asyncio
import resource
from contextlib import AsyncExitStack
from dataclasses import replace

from aiohttp import web

from receivers import hanging, put, receiver, replying
from webhooks.sending import FAST, ended, sender
from workers.runner import run_worker


async def test_at_most_four_are_in_flight_to_one_receiver(pool, settings):
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        return web.Response()

    async with receiver(slow) as sink, sender(pool, settings) as loop:
        ids = await put(pool, sink.url, count=100)
        loop.wake()
        assert await ended(pool, 100) == {"delivered": 100}
        assert sink.most_in_flight == 4
        assert sorted(sink.ids) == sorted(ids)


async def test_a_worker_takes_as_many_descriptors_as_the_system_lets_it_have(settings):
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    stop = asyncio.Event()
    stop.set()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        await run_worker(settings, "webhooks", stop)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_two_senders_share_the_work_send_each_delivery_once_and_keep_the_limit(pool, settings):
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.005)
        return web.Response()

    async with (
        receiver(slow) as first,
        receiver(slow) as second,
        receiver(slow) as third,
        sender(pool, settings) as one,
        sender(pool, settings) as two,
    ):
        sinks = (first, second, third)
        for _ in range(10):
            for sink in sinks:
                await put(pool, sink.url, count=20)
            one.wake()
            two.wake()
        assert await ended(pool, 600, timeout_s=30) == {"delivered": 600}
        for sink in sinks:
            assert sink.most_in_flight <= 4
            assert len(sink.ids) == len(set(sink.ids)) == 200
        assert await pool.fetchval("SELECT max(attempts) FROM webhook_deliveries") == 1
    assert await pool.fetchval("SELECT count(*) FROM webhook_receivers") == 0


async def test_an_account_whose_receivers_hang_does_not_keep_a_later_one_from_being_claimed(pool, settings):
    settings = replace(settings, webhook_concurrency=8)
    async with AsyncExitStack() as stack:
        sinks = [await stack.enter_async_context(receiver(hanging)) for _ in range(8)]
        for sink in sinks:
            await put(pool, sink.url, account="hostile", count=16)
        good = await stack.enter_async_context(receiver())
        await stack.enter_async_context(sender(pool, settings))
        claimed = "SELECT count(*) FROM webhook_deliveries WHERE owner IS NOT NULL"
        while await pool.fetchval(claimed) < 56:  # all that one account can have
            await asyncio.sleep(0.01)
        await put(pool, good.url, account="modest")
        await good.wait_for(1, timeout_s=settings.webhook_total_timeout_s / 2)


async def test_accounts_take_turns_at_one_receiver(pool, settings):
    async with receiver() as sink:
        await put(pool, sink.url, count=200, account="a" * 32)
        await put(pool, sink.url, count=5, account="b" * 32)
        modest = {
            row["id"]
            for row in await pool.fetch("SELECT id FROM webhook_deliveries WHERE account_uuid = $1", "b" * 32)
        }
        async with sender(pool, settings):
            await sink.wait_for(205)
        assert max(n for n, one in enumerate(sink.ids) if one in modest) < 20


async def test_a_receiver_that_returns_gets_everything_that_waited(pool, settings):
    settings = replace(settings, webhook_schedule_s=(0.05, 0.05, 0.05, 30, 60), webhook_probe_s=0.5)
    async with receiver() as sink:
        port = sink.port
    async with sender(pool, settings) as loop:
        ids = await put(pool, f"http://127.0.0.1:{port}/", count=200)
        loop.wake()
        await asyncio.sleep(2)
        rows = await pool.fetch("SELECT attempts FROM webhook_deliveries")
        assert sum(row["attempts"] for row in rows) < 20  # they wait, and use up no attempts
        assert await pool.fetchval("SELECT count(*) FROM webhook_breakers WHERE opened_at IS NOT NULL") == 1
        back = asyncio.get_running_loop().time()
        async with receiver(port=port) as sink:
            assert await ended(pool, 200) == {"delivered": 200}
            assert sink.requests[0].at - back < 1.0
            assert sorted(sink.ids) == sorted(ids)
            assert sink.most_in_flight <= 4
        assert await pool.fetchval("SELECT count(*) FROM webhook_breakers") == 0


async def test_while_a_breaker_is_open_one_probe_goes_out_at_a_time(pool, settings):
    settings = replace(settings, webhook_schedule_s=(0.05,) * 4 + (60,) * 9, webhook_probe_s=0.6)
    async with receiver(replying(500)) as sink, sender(pool, settings) as loop:
        await put(pool, sink.url, count=50)
        loop.wake()
        await sink.wait_for(5)
        await asyncio.sleep(0.5)
        before = len(sink.requests)
        await asyncio.sleep(1.5)
        assert 2 <= len(sink.requests) - before <= 4


async def test_one_accounts_breaker_does_not_hold_up_another_account_at_the_same_host(pool, settings):
    async def by_path(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500 if request.path == "/bad" else 200)

    settings = replace(settings, webhook_schedule_s=FAST)
    async with receiver(by_path) as sink, sender(pool, settings) as loop:
        await put(pool, f"{sink.url}/bad", count=30, account="b" * 32)
        loop.wake()
        await sink.wait_for(5)
        for _ in range(5):
            (one,) = await put(pool, f"{sink.url}/good")
            loop.wake()
            async with asyncio.timeout(4):
                while one not in sink.ids:
                    await asyncio.sleep(0.01)


async def test_a_delivery_that_waited_for_longer_than_the_whole_schedule_is_given_up(pool, settings):
    settings = replace(settings, webhook_schedule_s=(0.05,) * 6, webhook_probe_s=0.2)
    async with receiver(replying(500)) as sink, sender(pool, settings) as loop:
        old = await put(pool, sink.url, count=20)
        await pool.execute(
            "UPDATE webhook_deliveries SET next_at = now() - interval '25 hours' WHERE id = ANY ($1)", old
        )
        loop.wake()
        assert (await ended(pool, 20))["dead"] == 20
        untried = "SELECT count(*) FROM webhook_deliveries WHERE state = 'dead' AND attempts = 0"
        assert await pool.fetchval(untried) == 15
