"""Hostile, broken and hanging receivers."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from receivers import hanging, put, receiver
from webhooks.sending import ended, log_of, sender


async def test_a_reply_that_drips_counts_by_its_status_and_holds_its_slot_briefly(pool, settings):
    async def drip(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse()
        await reply.prepare(request)
        while True:
            await reply.write(b".")
            await asyncio.sleep(0.05)

    async with receiver(drip) as sink, sender(pool, settings) as loop:
        (one,) = await put(pool, sink.url)
        loop.wake()
        assert await ended(pool, 1, timeout_s=8) == {"delivered": 1}
        (attempt,) = await log_of(pool, one)
        assert (attempt["status"], attempt["error"]) == (200, "timeout")
        assert attempt["duration_ms"] < 4000


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


@asynccontextmanager
async def talking(talk: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """A receiver that says what it likes once it has the head of a request; its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await talk(writer)
            writer.close()
        except ConnectionError:
            pass

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"
TWO = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"


@pytest.mark.parametrize(
    ("said", "outcome", "error"),
    [
        (b"", "failed", "disconnected"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "failed", "bad-reply"),
        (b"HTTP/1.1 200 OK", "failed", "disconnected"),
        (CUT, "delivered", "disconnected"),
        (TWO, "delivered", "bad-reply"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok", "delivered", "bad-reply"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more", "delivered", None),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "delivered", "bad-reply"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "delivered", "bad-reply"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "delivered", None),
        (b"HTTP/1.1 204\r\n\r\n", "delivered", None),
        (b"HTTP/1.0 200 OK\n\nuntil the end", "delivered", None),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "delivered", None),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "failed", "http-status"),
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 9\r\n\r\n", "gone", "disconnected"),
        (b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n", "failed", "http-status"),
    ],
)
async def test_the_status_decides_whatever_is_wrong_with_the_rest(pool, settings, said, outcome, error):
    async def talk(writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    settings = replace(settings, webhook_schedule_s=())
    async with talking(talk) as url, sender(pool, settings) as loop:
        (one,) = await put(pool, url)
        loop.wake()
        await ended(pool, 1)
        (attempt,) = await log_of(pool, one)
        assert (attempt["outcome"], attempt["error"]) == (outcome, error)
        assert (attempt["status"] is None) == (b"\n" not in said or said.startswith(b"SSH"))


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 103 Early Hints\r\n", b"Link: </>; rel=preload\r\n"),
        (b"", b"x" * 1000),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
)
async def test_a_receiver_that_never_ends_costs_little(pool, settings, first, again):
    async def talk(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(again * 10)
            await writer.drain()
            await asyncio.sleep(0)

    settings = replace(settings, webhook_schedule_s=())
    async with talking(talk) as url, sender(pool, settings) as loop:
        before = time.process_time()
        (one,) = await put(pool, url)
        loop.wake()
        states = await ended(pool, 1, timeout_s=5)
        assert time.process_time() - before < 1.0  # the receiver is in this process too
        (attempt,) = await log_of(pool, one)
    assert states == ({"delivered": 1} if b"200" in first else {"dead": 1})
    assert attempt["error"] in ("bad-reply", None)


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
