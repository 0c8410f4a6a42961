"""Speed of the job engine against floors and peers, on the same machine in the same run.

    make bench ARGS=tests/benchmarks/bench_engine.py

Everything is on that a product has on: session, permission, validation, durable row (fsync), log, metrics,
audit. Rounds are interleaved and medians are printed, because machines are noisy; quote the ratios, not the
rates. PostgreSQL and Redis are the embedded ones; the load generator runs on the same cores.

    accept     calls/s of one API process at 64 connections, no worker running; × floor, × the obvious way
    cost       processor time of the API process for a call, 64 connections
    get        authenticated GET of a zone by uuid, 64 connections; × floor
    worker     jobs/s of one worker process on jobs that were accepted before; × stock arq at max_jobs 10
    latency    one client on an idle service: POST with `Prefer: wait` until the result is there
    end to end HTTP accept → committed effect, 32 connections, one API and one worker process;
               × FastAPI + Celery prefork 1
    idle       CPU of an idle worker in % of a core;  rss: of API and worker after 50,000 jobs
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))
from stack import Stack, eventually, running_stack

from benchmarks.sitting import Sitting, p99
from zstack_mgmt.local.processes import free_port

pytestmark = pytest.mark.bench

HERE = Path(__file__).parent
# Peers with an environment of their own (`make bench` fills it), and how many jobs one round of each takes.
PEERS = HERE.parents[1] / "build/peers/bin/python"
QUEUES = {"saq": 4000, "taskiq": 4000, "procrastinate": 1000}
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SECONDS = 4.0
BODY = json.dumps(
    {
        "params": {
            "name": "zone-under-load",
            "description": "a zone of the load generator, of an ordinary length",
        }
    }
)
PEER_TABLES = """
CREATE TABLE IF NOT EXISTS peer_jobs (
    uuid text PRIMARY KEY, body text, accepted_at timestamptz DEFAULT now());
CREATE TABLE IF NOT EXISTS peer_zones (uuid text PRIMARY KEY, name text, description text);
"""


def request_of(method: str, path: str, body: str = "", token: str = "") -> bytes:
    head = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    if token:
        head.append(f"Authorization: OAuth {token}")
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


async def load(port: int, connections: int, seconds: float, request: bytes) -> dict[str, float]:
    """One run of the load generator in its own process."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(request)
        file.flush()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(str(HERE / "load.py"), "127.0.0.1", str(port), str(connections), str(seconds), file.name),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
    found = json.loads(out)
    assert found["failures"] == 0, found
    return found


async def started(stack: Stack, *arguments: str) -> asyncio.subprocess.Process:
    """One of peers.py in its environment."""
    env = os.environ | {
        "DATABASE_URL": stack.runtime["database_url"],
        "REDIS_URL": stack.runtime["redis_url"],
    }
    python = str(PEERS) if QUEUES.keys() & set(arguments) else sys.executable
    quiet = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        python, str(HERE / "peers.py"), *arguments, env=env, stdout=quiet, stderr=quiet
    )


@asynccontextmanager
async def peer(stack: Stack, *arguments: str, port: int = 0) -> AsyncIterator[int]:
    """One of peers.py, answering on its port if it has one; the pid."""
    process = await started(stack, *arguments)
    try:
        if port:

            async def answers() -> bool:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    return False
                writer.close()
                return True

            await eventually(answers, 20, f"{arguments} answers")
        yield process.pid
    finally:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()


def port_of(stack: Stack) -> int:
    return int(stack.origin.rpartition(":")[2])


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def clear(stack: Stack) -> None:
    conn = await stack.db()
    await conn.execute(
        "TRUNCATE api_jobs, api_job_keys, audits, zones CASCADE;"
        "DELETE FROM resources WHERE resource_type = 'ZoneVO'"
    )
    await conn.execute("CHECKPOINT")
    await conn.close()


async def test_accept_and_get() -> None:
    floor_port, obvious_port = free_port(), free_port()
    accepts, gets = Sitting("accept", "calls/s"), Sitting("get", "calls/s")
    waits = Sitting("waits for acceptance", "ms")
    settings = {"WORKER_PROCESSES": "0", "WEBHOOK_PROCESSES": "0", "LOG_LEVEL": "info"}
    room = {"MAX_QUEUE_DEPTH": "10000000", "MAX_ACCOUNT_QUEUE_DEPTH": "10000000"}  # nobody empties the queue
    async with running_stack(**settings, **room) as stack:
        conn = await stack.db()
        await conn.execute(PEER_TABLES)
        await conn.execute("INSERT INTO zones (uuid, name) VALUES ('a0000000000040008000000000000000', 'z')")
        post = request_of("POST", "/zstack/v1/zones", BODY, stack.token)
        get = request_of("GET", "/zstack/v1/zones/a0000000000040008000000000000000", token=stack.token)
        async with (
            peer(stack, "floor", str(floor_port), port=floor_port),
            peer(stack, "obvious", str(obvious_port), port=obvious_port),
        ):
            for _ in range(ROUNDS):
                for name, port, request in (
                    ("floor POST", floor_port, post),
                    ("obvious POST", obvious_port, post),
                    ("ours POST", port_of(stack), post),
                    ("floor GET", floor_port, get),
                    ("ours GET", port_of(stack), get),
                ):
                    found = await load(port, 64, SECONDS, request)
                    who, _, method = name.partition(" ")
                    (gets if method == "GET" else accepts).add(who, found["rate"])
                one = await load(port_of(stack), 1, SECONDS, post)
                waits.add("ours, 1 connection, p50", one["p50_ms"])
                waits.add("ours, 1 connection, p99", one["p99_ms"])
        await conn.close()
    accepts.aim("ours", over="floor", at_least=0.2)
    accepts.aim("ours", over="obvious", at_least=3)
    gets.aim("ours", over="floor", at_least=0.2)
    for sitting in (accepts, gets, waits):
        sitting.report()


async def test_cost_of_a_call() -> None:
    costs = Sitting("cost of a call", "µs of the API's processor")
    settings = {"WORKER_PROCESSES": "0", "WEBHOOK_PROCESSES": "0", "LOG_LEVEL": "info"}
    room = {"MAX_QUEUE_DEPTH": "10000000", "MAX_ACCOUNT_QUEUE_DEPTH": "10000000"}
    async with running_stack(**settings, **room) as stack:
        conn = await stack.db()
        await conn.execute("INSERT INTO zones (uuid, name) VALUES ('a0000000000040008000000000000000', 'z')")
        await conn.close()
        calls = {
            "POST": ("POST", "/zones", BODY),
            "GET": ("GET", "/zones/a0000000000040008000000000000000", ""),
            "query by name": ("GET", "/zones?q=name=z", ""),
            "query by state": ("GET", "/zones?q=state=Enabled&limit=1", ""),
        }
        for _ in range(ROUNDS):
            for name, (method, path, body) in calls.items():
                request = request_of(method, f"/zstack/v1{path}", body, stack.token)
                before = cpu_s(stack.pids("api")[0])
                found = await load(port_of(stack), 64, 1.0, request)
                costs.add(name, 1e6 * (cpu_s(stack.pids("api")[0]) - before) / found["requests"])
    costs.report()


async def drained(conn: Any, sql: str, count: int, timeout_s: float = 120) -> float:
    """Seconds from the first finished job that is seen to all of them, scaled to all."""
    first = 0
    while not first:
        first = await conn.fetchval(sql)
        await asyncio.sleep(0.01)
    started = time.perf_counter()
    while (done := await conn.fetchval(sql)) < count:
        assert time.perf_counter() - started < timeout_s, done
        await asyncio.sleep(0.02)
    return (time.perf_counter() - started) * count / (count - first)


async def test_worker() -> None:
    sitting = Sitting("worker", "jobs/s")
    async with running_stack(WORKER_PROCESSES="1", WEBHOOK_PROCESSES="0", LOG_LEVEL="info") as stack:
        conn = await stack.db()
        await conn.execute(PEER_TABLES)
        for _ in range(ROUNDS):
            for name, delay, count in (("stock arq", "0.5", 1000), ("arq, poll 0.01", "0.01", 4000)):
                await conn.execute("TRUNCATE peer_zones")
                await _enqueue(stack, count)
                async with peer(stack, "arq", delay):
                    took = await drained(conn, "SELECT count(*) FROM peer_zones", count)
                sitting.add(name, count / took)
            for name, count in QUEUES.items():
                await conn.execute("TRUNCATE peer_zones")
                assert await (await started(stack, "fill", name, str(count))).wait() == 0, name
                async with peer(stack, name):
                    took = await drained(conn, "SELECT count(*) FROM peer_zones", count)
                sitting.add(name, count / took)
            await clear(stack)
            async with stack.zones_locked():
                await stack.accept("ours", 12_000)
            took = await drained(conn, "SELECT count(*) FROM api_jobs WHERE state = 'succeeded'", 12_000)
            sitting.add("ours", 12_000 / took)
        await conn.close()
    sitting.aim("ours", over="stock arq", at_least=10)
    sitting.aim("ours", over="arq, poll 0.01", at_least=2)
    for name in QUEUES:
        sitting.aim("ours", over=name)
    sitting.report()


async def _enqueue(stack: Stack, count: int) -> None:
    from arq import create_pool
    from arq.connections import RedisSettings

    arq = await create_pool(RedisSettings.from_dsn(stack.runtime["redis_url"]), default_queue_name="peer:arq")
    for number in range(count):
        await arq.enqueue_job("make_zone", f"zone-{number}")
    await arq.aclose()


async def test_latency_idle_and_memory() -> None:
    latency, costs = Sitting("latency", "ms"), Sitting("idle and memory")
    async with running_stack(WORKER_PROCESSES="1", LOG_LEVEL="info") as stack:
        headers = stack.headers(Prefer="wait=5")
        for _ in range(30):
            await _timed(stack, headers)
        for _ in range(300):
            latency.add("submit to done, idle system", 1000 * await _timed(stack, headers))
            await asyncio.sleep(0.02)
        worker, api = stack.pids("worker")[0], stack.pids("api")[0]
        await asyncio.sleep(3)
        before, started = cpu_s(worker), time.monotonic()
        await asyncio.sleep(20)
        idle = 100 * (cpu_s(worker) - before) / (time.monotonic() - started)
        costs.add("idle worker, % of a core", idle)
        jobs = await stack.accept("many", 1000)
        post = request_of("POST", "/zstack/v1/zones", BODY, stack.token)
        conn = await stack.db()
        while await conn.fetchval("SELECT count(*) FROM api_jobs") < 50_000:
            await load(port_of(stack), 64, 2, post)
        await stack.finished(jobs, 60, "jobs")
        await eventually(
            lambda: conn.fetchval(
                "SELECT NOT EXISTS (SELECT FROM api_jobs WHERE state IN ('queued', 'running'))"
            ),
            120,
            "all 50,000 jobs end",
        )
        await conn.close()
        for name, pid in (("API", api), ("worker", worker)):
            costs.add(f"{name} after 50,000 jobs, MB", rss_mb(pid))
            costs.aim(f"{name} after 50,000 jobs, MB", at_most=150)
    latency.aim("submit to done, idle system", at_most=6)
    latency.aim("submit to done, idle system", at_most=25, of=p99)
    costs.aim("idle worker, % of a core", at_most=0.5)
    latency.report()
    costs.report()


async def _timed(stack: Stack, headers: dict[str, str]) -> float:
    started = time.perf_counter()
    async with stack.http.post(f"{stack.base}/zones", data=BODY, headers=headers) as reply:
        await reply.read()
        assert reply.status == 200, reply.status
    return time.perf_counter() - started


async def test_end_to_end() -> None:
    fast_port = free_port()
    sitting = Sitting("end to end", "jobs/s")
    async with running_stack(WORKER_PROCESSES="1", WEBHOOK_PROCESSES="0", LOG_LEVEL="info") as stack:
        conn = await stack.db()
        await conn.execute(PEER_TABLES)
        post = request_of("POST", "/zstack/v1/zones", BODY, stack.token)
        async with peer(stack, "celery"), peer(stack, "fastapi", str(fast_port), port=fast_port):
            await load(fast_port, 4, 2, post)
            for _ in range(ROUNDS):
                for name, port, table in (
                    ("FastAPI + Celery prefork 1", fast_port, "peer_zones"),
                    ("ours", port_of(stack), "zones"),
                ):
                    await asyncio.sleep(1)
                    before = await conn.fetchval(f"SELECT count(*) FROM {table}")
                    begun = time.perf_counter()
                    sent = await load(port, 32, SECONDS, post)
                    while await conn.fetchval(f"SELECT count(*) FROM {table}") - before < sent["requests"]:
                        assert time.perf_counter() - begun < 120
                        await asyncio.sleep(0.02)
                    sitting.add(name, sent["requests"] / (time.perf_counter() - begun))
        async with Redis.from_url(stack.runtime["redis_url"]) as redis:
            await redis.delete("celery")
        await conn.close()
    sitting.aim("ours", over="FastAPI + Celery prefork 1", at_least=3)
    sitting.report()
