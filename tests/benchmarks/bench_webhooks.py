"""Deliveries per second to one fast receiver, against a bare aiohttp client that posts the same bodies to it.

    make bench ARGS="tests/benchmarks/bench_webhooks.py"

The bare client has nothing to do but to post: no outbox, no claim, no signature (its body is signed
beforehand), no record. Both keep 4 requests in flight, against the same receiver in a process of its own, in
alternating rounds; the outbox is a real PostgreSQL as the tests start it.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import uvloop

from benchmarks.sitting import Sitting
from receivers import Counts, put
from webhooks.sending import Sender
from zstack_mgmt.config import Settings
from zstack_mgmt.db import create_pool
from zstack_mgmt.process import settle_memory
from zstack_mgmt.webhooks.signing import key_of, new_secret, sign

pytestmark = pytest.mark.bench

COUNT = 5000
ROUNDS = 5
BODY = '{"inventory":{"uuid":"' + "a" * 32 + '","name":"zone","state":"Enabled","type":"zstack"}}'

RECEIVER = """
import asyncio, uvloop
from aiohttp import web
async def answer(request):
    await request.read()
    return web.Response(text="ok")
async def main():
    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.sleep(3600)
uvloop.run(main())
"""


@pytest.fixture
def event_loop_policy():
    return uvloop.EventLoopPolicy()


@dataclass(frozen=True)
class Spent:
    """Seconds on the clock, and of the processor by this process, which a busy machine changes less."""

    time_s: float
    processor_s: float

    @classmethod
    def now(cls) -> "Spent":
        return cls(time.perf_counter(), time.process_time())

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.time_s - other.time_s, self.processor_s - other.processor_s)


@asynccontextmanager
async def fast_receiver() -> AsyncIterator[str]:
    process = subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/hook"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def bare(url: str, concurrency: int) -> Spent:
    body = BODY.encode()
    stamp = str(int(time.time()))
    headers = {
        "X-Job-UUID": "a" * 32,
        "X-Job-Success": "true",
        "Content-Type": "application/json",
        "webhook-id": "msg_" + "a" * 32,
        "webhook-timestamp": stamp,
        "webhook-signature": sign([key_of(new_secret())], "msg_" + "a" * 32, int(stamp), body),
    }
    left = COUNT

    async def post(session: aiohttp.ClientSession) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            async with session.post(url, data=body, headers=headers) as response:
                await response.read()

    async with aiohttp.ClientSession() as session:
        before = Spent.now()
        await asyncio.gather(*(post(session) for _ in range(concurrency)))
        return Spent.now() - before


async def ours(pool: Any, settings: Settings, url: str) -> Spent:
    """What a running sender takes, from the moment when the deliveries are committed."""
    counts = Counts()
    loop = Sender(pool, settings, counts)
    loop.start()
    async with pool.acquire() as conn, conn.transaction():
        await put(conn, url, body=BODY, count=COUNT)
    before = Spent.now()
    loop.wake()
    while counts.outcomes.get("delivered", 0) < COUNT:
        await asyncio.sleep(0.01)
    spent = Spent.now() - before
    await loop.stop(2)
    assert counts.outcomes == {"delivered": COUNT}
    assert await pool.fetchval("SELECT count(*) FROM webhook_deliveries WHERE state <> 'delivered'") == 0
    return spent


async def test_one_fast_receiver(settings: Settings):
    settle_memory()  # as every process of ours does, and for both sides
    rates, costs = Sitting("webhooks", "deliveries/s"), Sitting("processor of webhooks", "µs a delivery")
    async with create_pool(settings, application="bench") as pool, fast_receiver() as url:
        await bare(url, settings.webhook_per_receiver)
        for _ in range(ROUNDS):
            for name, spent in (
                ("bare client", await bare(url, settings.webhook_per_receiver)),
                ("ours", await ours(pool, settings, url)),
            ):
                rates.add(name, COUNT / spent.time_s)
                costs.add(name, 1e6 * spent.processor_s / COUNT)
    rates.aim("ours", over="bare client", at_least=0.6)
    costs.aim("ours", over="bare client")
    rates.report()
    costs.report()
