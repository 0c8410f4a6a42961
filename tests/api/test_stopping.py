"""A process that stops cuts nobody off: who got through is answered, and told to go elsewhere."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from app import Client
from operations.processes import Processes, processes
from zstack_mgmt.bootstrap import prepare_database
from zstack_mgmt.config import Settings
from zstack_mgmt.local.processes import free_port


class One:
    """One API process without workers, and an admin's session."""

    def __init__(self, running: Processes, process: Any, port: int, admin: Client) -> None:
        self.running = running
        self.process = process
        self.port = port
        self.admin = admin

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    def request(self, path: str) -> bytes:
        return (f"GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: OAuth {self.admin.token}\r\n\r\n").encode()

    async def ended(self) -> int:
        async with asyncio.timeout(15):
            return await self.process.wait()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@pytest.fixture
async def one(settings: Settings, tmp_path: Path) -> AsyncIterator[One]:
    await prepare_database(settings)
    port = free_port()
    async with processes(settings, tmp_path) as running, aiohttp.ClientSession() as http:
        process = await running.api(port)
        admin = await Client(http, f"http://127.0.0.1:{port}/zstack/v1").log_in()
        yield One(running, process, port, admin)


async def refused(port: int) -> None:
    """Wait until nobody listens any more."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return
            writer.close()
            await asyncio.sleep(0.01)


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        await reader.readexactly(int(headers.get("content-length", "0")))
    return int(first.split()[1]), headers


async def test_open_connections_get_one_more_answer(one: One) -> None:
    kept, kept_writer = await one.raw()
    kept_writer.write(one.request("/zstack/v1/zones"))
    assert (await answer(kept))[0] == 200
    fresh, fresh_writer = await one.raw()
    one.stop()
    await refused(one.port)
    for reader, writer in ((kept, kept_writer), (fresh, fresh_writer)):
        writer.write(one.request("/zstack/v1/zones"))
        status, headers = await answer(reader)
        assert (status, headers["connection"]) == (200, "close")
        assert await reader.read() == b""
        writer.close()
    assert await one.ended() == 0


async def test_who_waits_for_a_job_is_told_how_it_stands(one: One) -> None:
    accepted = await one.admin.call("POST", "/zones", {"params": {"name": "zone"}})
    location = accepted.body["location"]
    waiting = asyncio.create_task(one.admin.get(location, headers={"Prefer": "wait=30"}))
    posting = asyncio.create_task(
        one.admin.call("POST", "/zones", {"params": {"name": "b"}}, headers={"Prefer": "wait=30"})
    )
    headers = {"Authorization": f"OAuth {one.admin.token}"}
    async with one.admin.http.get(f"{location}/events", headers=headers) as reply:
        assert b"event: accepted" in await reply.content.readuntil(b"\n\n")
        one.stop()
        async with asyncio.timeout(10):
            await reply.content.read()  # a whole body: the chunk of length 0 has come
    assert (await waiting).status == 202
    assert (await posting).status == 202
    assert await one.ended() == 0


async def test_it_is_not_ready_while_it_stops(one: One) -> None:
    reader, writer = await one.raw()
    one.stop()
    await refused(one.port)
    writer.write(one.request("/readyz"))
    status, _ = await answer(reader)
    assert status == 503
    writer.close()
    assert await one.ended() == 0


async def test_a_client_that_sends_nothing_does_not_hold_it_up(one: One) -> None:
    with socket.create_connection(("127.0.0.1", one.port)):
        started = time.monotonic()
        one.stop()
        assert await one.ended() == 0
        assert time.monotonic() - started < 10  # the time that a supervisor gives it
