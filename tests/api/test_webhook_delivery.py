"""Webhooks arrive: signed, repeated on schedule, within their limits, whatever receivers and processes do."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from aiohttp import web

from app import Service, running_service
from receivers import Counts, Received, Receiver, hanging, put, receiver, replying
from workers import deliver
from workers.deliver import DeliveryLoop
from zstack_mgmt.auth.secrets import Sealer
from zstack_mgmt.config import Settings
from zstack_mgmt.webhooks import outbox, secrets
from zstack_mgmt.webhooks.signing import VerificationError, verify

SEALER = Sealer(bytes(range(32)))
ACCOUNT = "a" * 32
FAST = (0.05,) * 13


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(settings.database_url, min_size=2) as made:
        yield made


@asynccontextmanager
async def sender(pool: asyncpg.Pool, settings: Settings, grace_s: float = 0.2) -> AsyncIterator[DeliveryLoop]:
    loop = DeliveryLoop(pool, settings, SEALER, Counts())
    running = asyncio.create_task(loop.run())
    try:
        yield loop
    finally:
        await loop.stop(grace_s)
        await running


async def state_of(pool: asyncpg.Pool, delivery_id: str) -> Any:
    return await pool.fetchrow("SELECT * FROM webhook_deliveries WHERE id = $1", delivery_id)


async def log_of(pool: asyncpg.Pool, delivery_id: str) -> list[Any]:
    return await pool.fetch(
        "SELECT * FROM webhook_attempts WHERE delivery_id = $1 ORDER BY epoch", delivery_id
    )


async def ended(pool: asyncpg.Pool, count: int, timeout_s: float = 15) -> Counter[str]:
    """Wait until so many deliveries have ended; the states."""
    async with asyncio.timeout(timeout_s):
        while True:
            rows = await pool.fetch("SELECT state, count(*) FROM webhook_deliveries GROUP BY state")
            states = Counter({row["state"]: row["count"] for row in rows})
            if sum(states.values()) - states["pending"] >= count:
                return states
            await asyncio.sleep(0.02)


async def secret_of(pool: asyncpg.Pool, account: str = ACCOUNT) -> str:
    read = await secrets.read(pool, SEALER, account)
    assert read.secret is not None
    return read.secret


def check(received: Received, *held: str) -> None:
    verify(list(held), received.headers, received.body, now=time.time())


# What is sent


async def test_a_delivery_carries_the_frozen_body_the_headers_and_a_valid_signature(pool, settings):
    async with receiver() as sink, sender(pool, settings) as loop:
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
        check(got, await secret_of(pool))
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


# Retries


async def test_failures_are_repeated_on_schedule_with_the_same_id_and_body(pool, settings):
    settings = replace(settings, webhook_schedule_s=(0.1, 0.3, 0.6))
    async with receiver(replying(500, 404, 200)) as sink, sender(pool, settings) as loop:
        (one,) = await put(pool, sink.url)
        loop.wake()
        assert await ended(pool, 1) == {"delivered": 1}
        first, second, third = sink.requests
        assert {r.headers["webhook-id"] for r in sink.requests} == {one}
        assert {r.body for r in sink.requests} == {b'{"inventory":{}}'}
        assert 0.08 <= second.at - first.at < 0.3
        assert 0.24 <= third.at - second.at < 0.6
        secret = await secret_of(pool)
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


# Hostile and broken receivers


async def test_a_reply_that_drips_is_cut_at_the_wall_clock_limit(pool, settings):
    settings = replace(settings, webhook_schedule_s=(), webhook_total_timeout_s=0.6)

    async def drip(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse()
        await reply.prepare(request)
        while True:
            await reply.write(b".")
            await asyncio.sleep(0.05)

    async with receiver(drip) as sink, sender(pool, settings) as loop:
        (one,) = await put(pool, sink.url)
        loop.wake()
        assert await ended(pool, 1, timeout_s=8) == {"dead": 1}
        (attempt,) = await log_of(pool, one)
        assert attempt["error"] == "timeout"
        assert 550 <= attempt["duration_ms"] < 4000


async def test_an_endless_reply_is_cut_at_64_kib_and_its_connection_closed(pool, settings):
    sent = 0
    closed = asyncio.Event()

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        reply = web.StreamResponse()
        await reply.prepare(request)
        try:
            while True:
                await reply.write(b"x" * 8192)
                sent += 8192
        except ConnectionError:
            closed.set()
            raise

    async with receiver(flood) as sink, sender(pool, settings) as loop:
        (one,) = await put(pool, sink.url)
        loop.wake()
        assert await ended(pool, 1) == {"delivered": 1}  # the receiver has said 200
        (attempt,) = await log_of(pool, one)
        assert attempt["reply"] == b"x" * 4096
        async with asyncio.timeout(5):
            await closed.wait()
        assert sent < 16 * 1024 * 1024  # what the buffers of the sockets take


async def test_a_receiver_that_talks_nonsense_or_hangs_up_is_a_failure(pool, settings):
    settings = replace(settings, webhook_schedule_s=())
    replies = [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(replies.pop(0))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, sender(pool, settings) as loop:
        for expected in ("disconnected", "bad-reply", "bad-reply"):
            (one,) = await put(pool, f"http://127.0.0.1:{port}/")
            loop.wake()
            async with asyncio.timeout(5):
                while not (log := await log_of(pool, one)):
                    await asyncio.sleep(0.02)
            assert (log[0]["outcome"], log[0]["error"]) == ("failed", expected)


async def test_nobody_listening_is_refused(pool, settings):
    settings = replace(settings, webhook_schedule_s=())
    async with receiver() as sink:
        port = sink.port
    async with sender(pool, settings) as loop:
        (one,) = await put(pool, f"http://127.0.0.1:{port}/")
        loop.wake()
        await ended(pool, 1)
        (attempt,) = await log_of(pool, one)
        assert (attempt["error"], attempt["address"]) == ("refused", f"127.0.0.1:{port}")


async def test_a_kept_connection_that_the_receiver_has_closed_costs_no_attempt(pool, settings):
    served = 0

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Says that the connection stays open, and hangs up at the second request."""
        nonlocal served
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        served += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, sender(pool, settings) as loop:
        for count in (1, 2, 3):
            await put(pool, url)
            loop.wake()
            assert await ended(pool, count) == {"delivered": count}
    assert served == 3
    assert await pool.fetchval("SELECT count(*) FROM webhook_attempts WHERE outcome <> 'delivered'") == 0


async def test_hanging_receivers_do_not_delay_a_good_one(pool, settings):
    settings = replace(settings, webhook_total_timeout_s=5)
    async with AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(receiver(hanging)) for _ in range(20)]
        good = await stack.enter_async_context(receiver())
        loop = await stack.enter_async_context(sender(pool, settings))
        started = asyncio.get_running_loop().time()
        for host in hosts:
            await put(pool, host.url, count=6)
        loop.wake()
        await asyncio.gather(*(host.wait_for(4) for host in hosts))
        for n in range(50):
            await put(pool, good.url)
            loop.wake()
            await good.wait_for(n + 1)
        assert asyncio.get_running_loop().time() - started < 4.5  # before the first one times out
        assert all(len(host.requests) == 4 for host in hosts)


# Limits


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


# Breakers


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


# Secrets


async def test_both_secrets_sign_during_an_overlap_and_one_after_it(pool, settings):
    settings = replace(settings, webhook_schedule_s=FAST)
    async with receiver() as sink, sender(pool, settings) as loop:
        await put(pool, sink.url)
        loop.wake()
        await sink.wait_for(1)
        old = await secret_of(pool)
        async with pool.acquire() as conn, conn.transaction():
            new = (await secrets.rotate(conn, SEALER, ACCOUNT, 2)).secret
        assert new not in (None, old)
        await asyncio.sleep(deliver.KEYS_FOR_S)
        await put(pool, sink.url)
        loop.wake()
        await sink.wait_for(2)
        check(sink.requests[1], old)
        check(sink.requests[1], new)
        await asyncio.sleep(2)
        await put(pool, sink.url)
        loop.wake()
        await sink.wait_for(3)
        check(sink.requests[2], new)
        with pytest.raises(VerificationError):
            check(sink.requests[2], old)


async def test_an_overlap_of_nothing_ends_the_old_secret_at_once(pool):
    old = await secret_of(pool)
    async with pool.acquire() as conn, conn.transaction():
        new = await secrets.rotate(conn, SEALER, ACCOUNT, 0)
    assert new.secret not in (None, old)
    assert new.older == []
    keys = await secrets.signing_keys(pool, SEALER, [ACCOUNT])
    assert len(keys[ACCOUNT]) == 1


async def test_many_rotations_keep_the_header_short_and_concurrent_ones_leave_one_current_secret(pool):
    async def rotate() -> None:
        async with pool.acquire() as conn, conn.transaction():
            await secrets.rotate(conn, SEALER, ACCOUNT, 3600)

    await asyncio.gather(*(rotate() for _ in range(8)))
    keys = await secrets.signing_keys(pool, SEALER, [ACCOUNT])
    assert len(keys[ACCOUNT]) == 1 + secrets.MAX_OLDER
    assert await pool.fetchval("SELECT count(*) FROM webhook_secrets WHERE ends_at IS NULL") == 1


async def test_secrets_are_sealed_in_the_database(pool):
    secret = await secret_of(pool)
    rows = await pool.fetch("SELECT * FROM webhook_secrets")
    assert secret.removeprefix("whsec_") not in str([dict(row) for row in rows])


async def test_a_secret_sealed_with_a_lost_key_fails_its_account_alone(pool, settings):
    settings = replace(settings, webhook_schedule_s=())
    await secrets.signing_keys(pool, Sealer(bytes(32)), ["f" * 32])
    async with receiver() as sink, sender(pool, settings) as loop:
        (broken,) = await put(pool, sink.url, account="f" * 32)
        await put(pool, sink.url)
        loop.wake()
        assert await ended(pool, 2) == {"delivered": 1, "dead": 1}
        assert (await log_of(pool, broken))[0]["error"] == "no-signing-key"


# Faults


async def test_a_sender_that_dies_between_the_2xx_and_its_record_repeats_with_the_same_id(
    pool, settings, monkeypatch
):
    monkeypatch.setattr(deliver, "LEASE_S", 3.0)
    settings = replace(settings, webhook_total_timeout_s=0.5)
    async with pool.acquire() as blocker, receiver() as sink:
        locked = blocker.transaction()

        async def lock_and_thank(request: web.Request) -> web.StreamResponse:
            await locked.start()
            await blocker.execute("SELECT FROM webhook_deliveries FOR UPDATE")  # its record will have to wait
            return web.Response()

        sink.behaviour = lock_and_thank
        (one,) = await put(pool, sink.url)
        dying = DeliveryLoop(pool, settings, SEALER, Counts())
        running = asyncio.create_task(dying.run())
        await sink.wait_for(1)
        await asyncio.sleep(0.2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
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


# The APIs, through the whole service


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    async with running_service(replace(settings, webhook_schedule_s=(0.1,) * 4)) as running:
        yield running


async def hooked_job(service: Service, sink: Receiver) -> str:
    """Run a job with a webhook; its uuid."""
    seen = len(sink.requests)
    answer = await service.admin.job(
        "POST", "/zones", {"params": {"name": "z"}}, headers={"X-Web-Hook": f"{sink.url}/hook"}
    )
    assert answer.status == 200
    await sink.wait_for(seen + 1)
    return sink.requests[-1].headers["x-job-uuid"]


async def test_a_jobs_result_arrives_signed_with_the_secret_that_is_read_once(service):
    async with receiver() as sink:
        uuid = await hooked_job(service, sink)
        first = (await service.admin.get("/webhooks/secret")).inventory
        verify(first["secret"], sink.requests[0].headers, sink.requests[0].body, now=time.time())
        again = (await service.admin.get("/webhooks/secret")).inventory
        assert "secret" not in again
        assert again["uuid"] == first["uuid"]
        assert again["readDate"]
        poll = await service.admin.get(f"/api-jobs/{uuid}")
        assert sink.requests[0].body == (await _raw(service, f"/api-jobs/{uuid}"))
        assert poll.status == 200


async def _raw(service: Service, path: str) -> bytes:
    headers = {"Authorization": f"OAuth {service.admin.token}"}
    async with service.http.get(f"{service.admin.base}{path}", headers=headers) as reply:
        return await reply.read()


async def test_a_rotation_shows_the_new_secret_once_and_lists_the_old_one(service):
    old = (await service.admin.get("/webhooks/secret")).inventory
    rotated = await service.admin.call(
        "POST", "/webhooks/secret/rotations", {"params": {"overlapSeconds": 60}}
    )
    assert rotated.inventory["secret"] not in ("", old["secret"])
    assert [older["uuid"] for older in rotated.inventory["older"]] == [old["uuid"]]
    assert "secret" not in (await service.admin.get("/webhooks/secret")).inventory
    for wrong in (-1, 7 * 86400 + 1):
        refused = await service.admin.call(
            "POST", "/webhooks/secret/rotations", {"params": {"overlapSeconds": wrong}}
        )
        assert (refused.status, refused.code) == (400, "SYS.1007")


async def test_the_deliveries_of_a_job_show_state_and_attempts(service):
    async with receiver(replying(500, 200)) as sink:
        uuid = await hooked_job(service, sink)
        await sink.wait_for(2)
        async with asyncio.timeout(5):
            while True:
                (shown,) = (await service.admin.get(f"/api-jobs/{uuid}/deliveries")).body["inventories"]
                if shown["state"] == "delivered":
                    break
                await asyncio.sleep(0.05)
        assert shown["id"] == f"msg_{uuid}"
        assert shown["url"] == f"{sink.url}/hook"
        assert [(a["outcome"], a["status"]) for a in shown["log"]] == [("failed", 500), ("delivered", 200)]
        assert all(a["address"] == f"127.0.0.1:{sink.port}" for a in shown["log"])
        assert all({"startDate", "durationMs"} <= a.keys() for a in shown["log"])


async def test_a_job_without_a_webhook_has_no_deliveries(service):
    accepted = await service.admin.call("POST", "/zones", {"params": {"name": "z"}})
    await service.admin.result(accepted.body["location"])
    uuid = accepted.body["location"].rpartition("/")[2]
    assert (await service.admin.get(f"/api-jobs/{uuid}/deliveries")).body == {"inventories": []}
    refused = await service.admin.call("POST", f"/api-jobs/{uuid}/deliveries/redeliver", {})
    assert (refused.status, refused.code) == (503, "SYS.1003")


async def test_a_redelivery_sends_the_same_id_and_body_again(service):
    async with receiver() as sink:
        uuid = await hooked_job(service, sink)
        answer = await service.admin.call("POST", f"/api-jobs/{uuid}/deliveries/redeliver", {})
        assert answer.status == 200
        assert answer.body["inventories"][0]["id"] == f"msg_{uuid}"
        await sink.wait_for(2)
        first, second = sink.requests
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body


async def test_everything_that_failed_since_a_time_is_redelivered(service):
    async with receiver(replying(410)) as sink:
        uuids = {await hooked_job(service, sink) for _ in range(3)}
        async with asyncio.timeout(5):
            while await service.db.fetchval("SELECT count(*) FROM webhook_deliveries WHERE state <> 'gone'"):
                await asyncio.sleep(0.02)
        sink.behaviour = None
        sink.requests.clear()
        path = "/webhooks/redeliveries"
        since = {"since": "2020-01-01T00:00:00Z"}
        nothing = await service.admin.call("POST", path, {"params": {"since": "2999-01-01 00:00:00"}})
        assert nothing.body == {"redelivered": 0, "more": False}
        elsewhere = since | {"receiver": "http://other.example"}
        assert (await service.admin.call("POST", path, {"params": elsewhere})).body["redelivered"] == 0
        answer = await service.admin.call("POST", path, {"params": since | {"receiver": f"{sink.url}/"}})
        assert answer.body == {"redelivered": 3, "more": False}
        await sink.wait_for(3)
        assert {r.headers["x-job-uuid"] for r in sink.requests} == uuids
        wrong = await service.admin.call("POST", path, {"params": {"since": "yesterday at noon"}})
        assert (wrong.status, wrong.code) == (400, "SYS.1007")


async def test_another_accounts_deliveries_behave_as_absent(service):
    async with receiver() as sink:
        uuid = await hooked_job(service, sink)
        _, other = await service.account("other")
        for method, path in (("GET", "deliveries"), ("POST", "deliveries/redeliver")):
            mine = await other.call(method, f"/api-jobs/{uuid}/{path}")
            absent = await other.call(method, f"/api-jobs/{'0' * 32}/{path}")
            assert (mine.status, mine.code) == (absent.status, absent.code) == (503, "SYS.1003")
        assert len(sink.requests) == 1


async def test_each_account_has_a_secret_of_its_own_and_a_stranger_none(service):
    _, other = await service.account("other")
    admins = (await service.admin.get("/webhooks/secret")).inventory
    others = (await other.get("/webhooks/secret")).inventory
    assert admins["secret"] != others["secret"]
    refused = await service.anonymous.get("/webhooks/secret")
    assert (refused.status, refused.code) == (503, "ID.1001")
