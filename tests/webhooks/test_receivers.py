"""Hostile, broken and hanging receivers."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

from aiohttp import web

from receivers import hanging, put, receiver
from webhooks.sending import ended, log_of, sender


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
