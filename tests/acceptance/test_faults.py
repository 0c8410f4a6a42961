"""Processes are killed, paused and wiped for real. In every case: accepted jobs end exactly once."""

import asyncio
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from aiohttp import web
from redis.asyncio import Redis

sys.path.insert(0, str(Path(__file__).parent))
from stack import BROKEN, Stack, eventually, running_stack

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with running_stack(
        WORKER_PROCESSES="2", WEBHOOK_SCHEDULE_S="0.5,0.5,1,1,1,1,2,2,2,2,2,2,2", WEBHOOK_PROBE_S="1"
    ) as running:
        yield running


async def test_worker_killed_in_the_middle_of_its_jobs(stack: Stack) -> None:
    async with stack.zones_locked():
        jobs = await stack.accept("killed", 200)
        os.kill(await stack.running_owner(), signal.SIGKILL)
        killed = time.monotonic()
        await asyncio.sleep(1)
    await stack.finished(jobs, 30, "jobs of a killed worker resume within 30 s")
    assert time.monotonic() - killed <= 30
    await stack.assert_exactly_once("killed", jobs)


async def test_worker_paused_past_its_lease(stack: Stack) -> None:
    async with stack.zones_locked():
        jobs = await stack.accept("paused", 50)
        pid = await stack.running_owner()
        os.kill(pid, signal.SIGSTOP)
        paused = time.monotonic()
    try:
        await stack.finished(jobs, 35, "the other worker takes over from the paused one")
        await asyncio.sleep(40 - (time.monotonic() - paused))
    finally:
        os.kill(pid, signal.SIGCONT)
    more = await stack.accept("paused", 20)
    await stack.finished(more, 20, "both workers go on")
    await stack.assert_exactly_once("paused", jobs + more)


async def test_api_killed_around_accept(stack: Stack) -> None:
    posting = asyncio.create_task(stack.accept("api", 600))
    for _ in range(3):
        await asyncio.sleep(0.15)
        for pid in stack.pids("api"):
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: _answers(stack), 20, "the API is back")
    jobs = await asyncio.wait_for(posting, 60)
    await stack.finished(jobs, 30, "all accepted jobs end")
    await stack.assert_exactly_once("api", jobs)


async def _answers(stack: Stack) -> bool:
    try:
        async with stack.http.get(f"{stack.origin}/readyz") as reply:
            return reply.status == 200
    except BROKEN:
        return False


async def test_redis_wiped(stack: Stack) -> None:
    async with stack.zones_locked():
        jobs = await stack.accept("wiped", 500)
        async with Redis.from_url(stack.runtime["redis_url"]) as redis:
            await redis.flushall()
    took = await stack.finished(jobs, 20, "queued jobs resume after FLUSHALL")
    assert took <= 5
    await stack.assert_exactly_once("wiped", jobs)


async def test_redis_killed_and_restarted(stack: Stack) -> None:
    first = await stack.accept("redis", 100)
    os.kill(stack.pids("redis")[0], signal.SIGKILL)
    second = await stack.accept("redis", 200)
    took = await stack.finished(first + second, 20, "jobs go on without Redis")
    assert took <= 5
    await stack.assert_exactly_once("redis", first + second)

    async def rings() -> bool:
        started = time.monotonic()
        job = await stack.accept("redis-back", 1)
        await stack.finished(job, 5, "one job")
        return time.monotonic() - started < 0.5

    await eventually(rings, 20, "the doorbell works again")


async def test_postgres_killed_and_restarted(stack: Stack) -> None:
    polled: set[int] = set()
    known = await stack.accept("postgres", 1)
    stop = asyncio.Event()

    async def poll() -> None:
        while not stop.is_set():
            try:
                async with stack.http.get(
                    f"{stack.base}/api-jobs/{known[0]}", headers=stack.headers()
                ) as reply:
                    await reply.read()
                    polled.add(reply.status)
            except BROKEN:
                polled.add(0)
            await asyncio.sleep(0.02)

    polling = asyncio.create_task(poll())
    posting = asyncio.create_task(stack.accept("postgres", 1500))
    await asyncio.sleep(0.3)
    os.kill(stack.pids("postgres")[0], signal.SIGKILL)
    jobs = known + await asyncio.wait_for(posting, 60)
    await stack.finished(jobs, 40, "all accepted jobs end after PostgreSQL is back")
    stop.set()
    await polling
    await stack.assert_exactly_once("postgres", jobs)
    assert polled <= {200, 202}, polled


async def test_a_hundred_parallel_posts_of_one_job_uuid(stack: Stack) -> None:
    job = uuid.uuid4().hex
    statuses = await asyncio.gather(*(stack.post_zone("same", job) for _ in range(100)))
    assert set(statuses) == {202}
    await stack.finished([job], 10, "the one job ends")
    await stack.assert_exactly_once("same", [job])


async def test_workers_and_api_restart_under_load(stack: Stack) -> None:
    """A deploy: everything is asked to stop while jobs arrive; none fails and no claim is counted."""
    posting = asyncio.create_task(stack.accept("deploy", 800))
    before = stack.pids("api")
    for kind in ("worker", "worker", "api"):
        await asyncio.sleep(0.2)
        os.kill(stack.pids(kind)[0], signal.SIGTERM)
    jobs = await asyncio.wait_for(posting, 60)
    await stack.finished(jobs, 30, "all jobs end")

    async def deployed() -> bool:
        return not set(before) & set(stack.pids("api")) and await _answers(stack)

    await eventually(deployed, 60, "a new API process answers")
    await stack.assert_exactly_once("deploy", jobs)
    conn = await stack.db()
    assert await conn.fetchval("SELECT max(claims) FROM api_jobs WHERE uuid = ANY ($1)", jobs) == 1
    await conn.close()


class Receiver:
    """A webhook receiver that can be away."""

    def __init__(self) -> None:
        self.got: dict[str, list[bytes]] = {}
        self.runner: web.AppRunner | None = None
        self.port = 0

    async def up(self, handler: Any = None) -> None:
        app = web.Application()
        app.router.add_post("/hook", handler or self.take)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self.runner.addresses[0][1]

    async def down(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()

    async def take(self, request: web.Request) -> web.Response:
        self.got.setdefault(request.headers["X-Job-UUID"], []).append(await request.read())
        return web.Response()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


async def test_receiver_down_then_up(stack: Stack) -> None:
    receiver = Receiver()
    await receiver.up()
    await receiver.down()
    jobs = await stack.accept("down", 40, **{"X-Web-Hook": receiver.url})
    await stack.finished(jobs, 10, "the jobs end whatever the receiver does")
    await asyncio.sleep(2)
    await receiver.up()

    async def all_came() -> bool:
        return set(receiver.got) == set(jobs)

    await eventually(all_came, 60, "every result comes after the receiver is back")
    async with stack.http.get(f"{stack.base}/api-jobs/{jobs[0]}", headers=stack.headers()) as reply:
        assert receiver.got[jobs[0]][0] == await reply.read()
    await receiver.down()


async def test_webhook_sender_killed(stack: Stack) -> None:
    receiver = Receiver()
    await receiver.up()
    jobs = await stack.accept("sender", 200, **{"X-Web-Hook": receiver.url})
    os.kill(stack.pids("webhook")[0], signal.SIGKILL)

    async def all_came() -> bool:
        return set(receiver.got) == set(jobs)

    await eventually(all_came, 60, "every result comes although the sender died")
    for bodies in receiver.got.values():
        assert len(set(bodies)) == 1
    await receiver.down()


async def test_hanging_receivers_beside_a_good_one(stack: Stack) -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    hanging = [Receiver() for _ in range(20)]
    for receiver in hanging:
        await receiver.up(hang)
        await stack.accept("hang", 8, **{"X-Web-Hook": receiver.url})
    good = Receiver()
    await good.up()
    started = time.monotonic()
    jobs = await stack.accept("good", 50, **{"X-Web-Hook": good.url})

    async def all_came() -> bool:
        return set(good.got) == set(jobs)

    await eventually(all_came, 5, "the good receiver is not delayed by the hanging ones")
    assert time.monotonic() - started < 5
    for receiver in [*hanging, good]:
        await receiver.down()


async def test_nothing_is_left_over(stack: Stack) -> None:
    conn = await stack.db()
    try:

        async def settled() -> bool:
            return not await conn.fetchval(
                "SELECT count(*) FROM api_jobs WHERE state IN ('queued', 'running')"
            )

        await eventually(settled, 20, "every job has ended")
        assert await conn.fetchval("SELECT count(*) FROM api_job_keys") == 0
        assert await conn.fetchval("SELECT count(*) FROM api_jobs WHERE state = 'failed'") == 0
    except asyncpg.PostgresError as error:
        pytest.fail(str(error))
    finally:
        await conn.close()
