"""Webhooks arrive: signed, and repeated on schedule."""

import asyncio
from dataclasses import replace

import pytest

from receivers import put, receiver, replying
from webhooks.sending import FAST, check, ended, log_of, secret_of, sender, state_of


async def test_a_delivery_carries_the_frozen_body_the_headers_and_a_valid_signature(pool, settings):
    async with receiver() as sink, sender(pool, settings) as loop:
        secret = await secret_of(pool)
        (one,) = await put(
            pool, f"{sink.url}/hook?a=%2F", success=False, body='{"error":{"code":"SYS.1000"}}'
        )
        loop.wake()
        assert await ended(pool, 1) == {"delivered": 1}
        (got,) = sink.requests
        assert (got.path, got.body) == ("/hook?a=%2F", b'{"error":{"code":"SYS.1000"}}')
        assert got.headers["x-job-uuid"] == one.removeprefix("msg_")
        assert got.headers["x-job-success"] == "false"
        assert got.headers["content-type"] == "application/json"
        assert got.headers["webhook-id"] == one
        check(got, secret)
        (attempt,) = await log_of(pool, one)
        assert (attempt["outcome"], attempt["status"], attempt["error"]) == ("delivered", 200, None)
        assert attempt["address"] == f"127.0.0.1:{sink.port}"
        assert attempt["reply"] == b"thanks"
        assert attempt["duration_ms"] is not None


async def test_success_is_told_as_true(pool, settings):
    async with receiver() as sink, sender(pool, settings) as loop:
        await put(pool, sink.url)
        loop.wake()
        await sink.wait_for(1)
        assert sink.requests[0].headers["x-job-success"] == "true"


async def test_a_ring_is_answered_at_once_and_a_lost_one_within_a_second(pool, settings):
    async with receiver() as sink, sender(pool, settings) as loop:
        await put(pool, sink.url)
        loop.wake()
        await sink.wait_for(1)
        await asyncio.sleep(0.1)
        started = asyncio.get_running_loop().time()
        await put(pool, sink.url)
        loop.wake()
        await sink.wait_for(2)
        assert sink.requests[1].at - started < 0.2
        started = asyncio.get_running_loop().time()
        await put(pool, sink.url)
        await sink.wait_for(3)
        assert sink.requests[2].at - started < 1.5


async def test_failures_are_repeated_on_schedule_with_the_same_id_and_body(pool, settings):
    settings = replace(settings, webhook_schedule_s=(0.1, 0.3, 0.6))
    async with receiver(replying(500, 404, 200)) as sink, sender(pool, settings) as loop:
        secret = await secret_of(pool)
        (one,) = await put(pool, sink.url)
        loop.wake()
        assert await ended(pool, 1) == {"delivered": 1}
        first, second, third = sink.requests
        assert {r.headers["webhook-id"] for r in sink.requests} == {one}
        assert {r.body for r in sink.requests} == {b'{"inventory":{}}'}
        assert 0.08 <= second.at - first.at < 0.3
        assert 0.24 <= third.at - second.at < 0.6
        for got in sink.requests:
            check(got, secret)
        assert [(a["outcome"], a["error"], a["status"]) for a in await log_of(pool, one)] == [
            ("failed", "http-status", 500),
            ("failed", "http-status", 404),
            ("delivered", None, 200),
        ]
        assert (await state_of(pool, one))["attempts"] == 3


async def test_a_delivery_whose_schedule_is_used_up_is_dead(pool, settings):
    settings = replace(settings, webhook_schedule_s=FAST)
    async with receiver(replying(500)) as sink, sender(pool, settings) as loop:
        (one,) = await put(pool, sink.url)
        loop.wake()
        assert await ended(pool, 1) == {"dead": 1}
        row = await state_of(pool, one)
        assert row["attempts"] == len(sink.requests) == 14
        assert row["finished_at"] is not None


async def test_a_lone_delivery_keeps_its_times_when_the_breaker_opens(pool, settings):
    settings = replace(settings, webhook_schedule_s=(0.1,) * 4 + (0.4, 0.8), webhook_probe_s=60)
    async with receiver(replying(503)) as sink, sender(pool, settings) as loop:
        await put(pool, sink.url)
        loop.wake()
        await sink.wait_for(7)
        gaps = [b.at - a.at for a, b in zip(sink.requests, sink.requests[1:], strict=False)]
        assert all(0.08 <= gap < 0.35 for gap in gaps[:4])
        assert 0.32 <= gaps[4] < 0.7
        assert 0.64 <= gaps[5] < 1.2


async def test_410_ends_it(pool, settings):
    async with receiver(replying(410)) as sink, sender(pool, settings) as loop:
        (one,) = await put(pool, sink.url)
        loop.wake()
        assert await ended(pool, 1) == {"gone": 1}
        assert [a["outcome"] for a in await log_of(pool, one)] == ["gone"]
        await asyncio.sleep(0.2)
        assert len(sink.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_a_floor(pool, settings, status):
    settings = replace(settings, webhook_schedule_s=FAST)
    async with (
        receiver(replying(status, headers={"Retry-After": "1"})) as sink,
        sender(pool, settings) as loop,
    ):
        await put(pool, sink.url)
        loop.wake()
        await sink.wait_for(2)
        assert sink.requests[1].at - sink.requests[0].at >= 1.0


async def test_a_retry_after_elsewhere_is_not_heeded(pool, settings):
    settings = replace(settings, webhook_schedule_s=FAST)
    async with (
        receiver(replying(500, headers={"Retry-After": "3600"})) as sink,
        sender(pool, settings) as loop,
    ):
        await put(pool, sink.url)
        loop.wake()
        await sink.wait_for(2, timeout_s=5)


async def test_a_redirect_is_a_failure_and_is_not_followed(pool, settings):
    settings = replace(settings, webhook_schedule_s=())
    async with receiver() as elsewhere:
        moved = replying(302, headers={"Location": f"{elsewhere.url}/stolen"})
        async with receiver(moved) as sink, sender(pool, settings) as loop:
            (one,) = await put(pool, sink.url)
            loop.wake()
            assert await ended(pool, 1) == {"dead": 1}
            (attempt,) = await log_of(pool, one)
            assert (attempt["status"], attempt["error"]) == (302, "redirect")
            assert elsewhere.requests == []


async def test_an_address_that_is_no_longer_allowed_is_blocked_and_logged(pool, settings):
    settings = replace(settings, webhook_allow=(), webhook_schedule_s=())
    async with receiver() as sink, sender(pool, settings) as loop:
        literal, named = (
            (await put(pool, sink.url))[0],
            (await put(pool, f"http://localhost:{sink.port}/"))[0],
        )
        loop.wake()
        assert await ended(pool, 2) == {"dead": 2}
        for one in (literal, named):
            (attempt,) = await log_of(pool, one)
            assert attempt["error"] == "blocked:loopback"
        assert sink.requests == []
