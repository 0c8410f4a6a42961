"""Bytes per second of one console through a console proxy agent, against websockify on the same stream.

    make bench ARGS="tests/benchmarks/bench_console.py"

The guest is a TCP server in a process of its own that sends as fast as it is read, or echoes. websockify and
the agent's own `carry` run in a process each; one client reads from them in alternating rounds, and measures
how much either adds to the time of a message and its echo. websockify is fetched from PyPI into
build/websockify, beside the project's own packages.
"""

import asyncio
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop

from benchmarks.sitting import Sitting
from zstack_mgmt.local.processes import free_port

pytestmark = pytest.mark.bench

ROUNDS = 5
ROUND_S = 2.0
PINGS = 2000
BINARY: Any = {"protocols": ("binary",)}
HOME = Path(__file__).parents[2] / "build" / "websockify"

GUEST = """
import asyncio, sys, uvloop
async def flood(reader, writer):
    data = bytes(range(256)) * 256
    while True:
        writer.write(data)
        await writer.drain()
async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
async def main():
    async with await asyncio.start_server(flood, "127.0.0.1", int(sys.argv[1])):
        async with await asyncio.start_server(echo, "127.0.0.1", int(sys.argv[2])) as server:
            print("ready", flush=True)
            await server.serve_forever()
uvloop.run(main())
"""
AGENT = """
import asyncio, sys, uvloop
from aiohttp import web
from zstack_mgmt.config import Settings
from zstack_mgmt.console.agent import Visit
from zstack_mgmt.console.store import Right, Ticket
from zstack_mgmt.doors.console.carry import carry
from zstack_mgmt.doors.console.socket import new_socket
from zstack_mgmt.drivers.protocol import Console
async def show(request):
    ws = new_socket()
    await ws.prepare(request)
    console = Console(*await asyncio.open_connection("127.0.0.1", int(request.match_info["port"])))
    await carry(ws, console, Visit(Ticket(Right("", "", "", None, None), "vnc"), ""), Settings())
    await console.close()
    return ws
async def main():
    app = web.Application()
    app.router.add_get("/{port}", show)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
    print("ready", flush=True)
    await asyncio.sleep(3600)
uvloop.run(main())
"""


@contextmanager
def process(*command: str, waits: bool = True) -> Iterator[None]:
    """A program for the time of the block, from the moment that it says it is ready."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        try:
            assert child.stdout is not None
            assert not waits or child.stdout.readline() == b"ready\n"
            yield
        finally:
            child.kill()


def websockify() -> str:
    """The peer's program, fetched when it is not there yet."""
    program = HOME / "bin" / "websockify"
    if not program.exists():
        venv.create(HOME, clear=True, with_pip=True)
        pip = [str(HOME / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "websockify==0.13.0"], check=True)
    return str(program)


async def megabytes_per_s(url: str) -> float:
    """What comes over the WebSocket within a round."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url, protocols=("binary",), max_msg_size=0) as ws,
    ):
        await ws.receive(timeout=10)
        count, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < ROUND_S:
            count += len((await ws.receive()).data)
    return count / passed / 1e6


async def round_trips_ms(url: str) -> float:
    """The median time of a message to the guest and back."""
    times: list[float] = []
    async with aiohttp.ClientSession() as http, http.ws_connect(url, **BINARY) as ws:
        for _ in range(PINGS):
            start = time.perf_counter()
            await ws.send_bytes(b"key event")
            await ws.receive()
            times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


async def bare_round_trips_ms(port: int) -> float:
    """The same without any proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times: list[float] = []
    for _ in range(PINGS):
        start = time.perf_counter()
        writer.write(b"key event")
        await reader.read(100)
        times.append((time.perf_counter() - start) * 1000)
    writer.close()
    return statistics.median(times)


async def listening(port: int) -> None:
    """Wait until somebody listens there."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def test_against_websockify() -> None:
    flood, echo, ours, theirs, their_echo = (free_port() for _ in range(5))
    with ExitStack() as stack:
        stack.enter_context(process(sys.executable, "-c", GUEST, str(flood), str(echo)))
        stack.enter_context(process(sys.executable, "-c", AGENT, str(ours)))
        for port, target in ((theirs, flood), (their_echo, echo)):
            peer = (websockify(), f"127.0.0.1:{port}", f"127.0.0.1:{target}")
            stack.enter_context(process(*peer, waits=False))

        async def measure() -> None:
            await listening(theirs)
            await listening(their_echo)
            sitting = Sitting("consoles")
            urls = {
                "agent": (f"ws://127.0.0.1:{ours}/{flood}", f"ws://127.0.0.1:{ours}/{echo}"),
                "websockify": (f"ws://127.0.0.1:{theirs}/", f"ws://127.0.0.1:{their_echo}/"),
            }
            for _ in range(ROUNDS):
                for name, (stream, _) in urls.items():
                    sitting.add(f"{name}, MB/s", await megabytes_per_s(stream))
                bare = await bare_round_trips_ms(echo)
                for name, (_, pings) in urls.items():
                    sitting.add(f"{name}, ms added to a round trip", await round_trips_ms(pings) - bare)
            sitting.aim("agent, MB/s", over="websockify, MB/s", at_least=0.7)
            sitting.aim("agent, ms added to a round trip", at_most=1)
            sitting.report()

        uvloop.run(measure())
