"""The ledger when it is old: the same calls on a service with many ended jobs and on an empty one.

    make bench ARGS=tests/benchmarks/bench_ledger.py         LEDGER_JOBS=20000000 for more

The full one has LEDGER_JOBS ended jobs of 10,000 accounts and a quarter as many audit lines, written by SQL.
Both services run at the same time with one API process and one worker each, and are measured in turn, so that
a ratio says what the rows cost. The aim is 1.1 for each.

    jobs         POST to committed effect at 32 connections, jobs/s
    latency      one client: POST with `Prefer: wait` until the result is there, p50 ms
    poll         GET of an old job's result, p50 ms
    list         GET of the newest 20 jobs: all, of one account, of one state that no job is in; p50 ms
    audit        GET of the newest 20 lines, p50 ms
    retention    ms until 2,000 results past their time are dropped;  vacuum: s for api_jobs after that
"""

import hashlib
import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))
sys.path.insert(0, str(Path(__file__).parent))

from bench_engine import BODY, load, port_of, request_of
from stack import Stack, eventually, running_stack

from benchmarks.sitting import Sitting

pytestmark = pytest.mark.bench

JOBS = int(os.environ.get("LEDGER_JOBS", "2000000"))
ROUNDS, CALLS, DUE = 3, 100, 2000
OLD_JOB = "a0000000000040008000000000000000"
RESOURCE = hashlib.md5(b"7").hexdigest()
RESULT = json.dumps({"inventory": {"uuid": "0" * 32, "name": "zone-under-load", "description": "d" * 60}})
FILL = f"""
SET session_replication_role = replica;  -- no triggers: these rows are as old ones are
INSERT INTO accounts (uuid, name, type, password_hash)
SELECT lpad(to_hex(i), 32, '0'), 'account-' || i, 'Normal', a.password_hash
FROM generate_series(1, 10000) i, accounts a;
WITH n AS (SELECT i, md5(i::text) AS hash, lpad(to_hex(i % 10000 + 1), 32, '0') AS account,
                  now() - interval '1 day' AS moment
           FROM generate_series(1, {JOBS}) i)
INSERT INTO api_jobs (uuid, account_uuid, user_uuid, is_admin, api, fingerprint, request, keyed, outside,
                      state, epoch, claims, accepted_at, deadline_at, started_at, finished_at, expires_at,
                      result, target)
SELECT CASE i WHEN 1 THEN '{OLD_JOB}' ELSE hash END, account, account, false, 'CreateZone',
       decode(hash, 'hex'),
       '{BODY}', false, false, 'succeeded', 1, 1, moment, moment, moment, moment,
       now() + interval '9 days', '{RESULT}', md5((i / 10)::text)
FROM n;
WITH n AS (SELECT i, md5(i::text) AS hash, lpad(to_hex(i % 10000 + 1), 32, '0') AS account,
                  now() - interval '1 day' AS moment
           FROM generate_series(1, {JOBS // 4}) i)
INSERT INTO audits (create_date, account_uuid, user_uuid, api, target, job_uuid, request_id, remote, outcome)
SELECT moment, account, account, 'CreateZone', md5((i / 10)::text), hash, hash, '192.0.2.1', 'succeeded'
FROM n;
SET session_replication_role = DEFAULT;
"""


async def p50_ms(call: Callable[[], Awaitable[Any]]) -> float:
    times: list[float] = []
    for _ in range(CALLS):
        started = time.perf_counter()
        await call()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


class Ledger:
    """One of the two services."""

    def __init__(self, stack: Stack, old: str, tenant: str) -> None:
        self.stack = stack
        self.old = old  # uuid of a job that has long ended
        self.tenant = tenant  # session of an account with jobs

    async def get(self, path: str, token: str = "") -> None:
        headers = self.stack.headers(**({"Authorization": f"OAuth {token}"} if token else {}))
        async with self.stack.http.get(f"{self.stack.base}{path}", headers=headers) as reply:
            body = await reply.read()
            assert reply.status == 200, (reply.status, body)

    async def submit(self) -> None:
        headers = self.stack.headers(Prefer="wait=5")
        async with self.stack.http.post(f"{self.stack.base}/zones", data=BODY, headers=headers) as reply:
            assert reply.status == 200, await reply.read()

    async def jobs_per_s(self) -> float:
        conn = await self.stack.db()
        before = await conn.fetchval("SELECT count(*) FROM zones")
        started = time.perf_counter()
        post = request_of("POST", "/zstack/v1/zones", BODY, self.stack.token)
        sent = await load(port_of(self.stack), 32, 3.0, post)

        async def all_there() -> bool:
            return await conn.fetchval("SELECT count(*) FROM zones") - before >= sent["requests"]

        await eventually(all_there, 120, "the jobs end")
        await conn.close()
        return sent["requests"] / (time.perf_counter() - started)

    async def retention(self) -> tuple[float, float]:
        """Milliseconds to drop the results, and seconds of the vacuum after that."""
        conn = await self.stack.db()
        await conn.execute(
            """
            UPDATE api_jobs SET expires_at = now() - interval '1 s'
            WHERE seq IN (SELECT seq FROM api_jobs WHERE state = 'succeeded' AND uuid <> $1
                          ORDER BY seq LIMIT $2)
            """,
            self.old,
            DUE,
        )
        started = time.perf_counter()
        await conn.fetchval("SELECT expire_jobs(86400, $1)", DUE)
        took = time.perf_counter() - started
        started = time.perf_counter()
        await conn.execute("VACUUM api_jobs")
        vacuumed = time.perf_counter() - started
        await conn.close()
        return took * 1000, vacuumed

    async def measure(self) -> dict[str, float]:
        rate = await self.jobs_per_s()
        dropped, vacuumed = await self.retention()
        return {
            "jobs/s at 32 connections": rate,
            "POST to result, ms": await p50_ms(self.submit),
            "poll of an old job, ms": await p50_ms(lambda: self.get(f"/api-jobs/{self.old}")),
            "newest 20 jobs, ms": await p50_ms(lambda: self.get("/api-jobs?limit=20")),
            "newest 20 of an account, ms": await p50_ms(lambda: self.get("/api-jobs?limit=20", self.tenant)),
            "its failed ones (none), ms": await p50_ms(
                lambda: self.get("/api-jobs?limit=20&state=failed", self.tenant)
            ),
            "failed ones (none), ms": await p50_ms(lambda: self.get("/api-jobs?limit=20&state=failed")),
            "those on one resource, ms": await p50_ms(
                lambda: self.get(f"/api-jobs?limit=20&resource={RESOURCE}")
            ),
            "newest 20 audit lines, ms": await p50_ms(lambda: self.get("/audits?limit=20")),
            f"retention of {DUE} results, ms": dropped,
            "vacuum of api_jobs, s": vacuumed,
        }


async def session_of(stack: Stack, account: str) -> str:
    """A session of an account that has the admin's password."""
    body = {"logInByAccount": {"accountName": account, "password": "password"}}
    async with stack.http.put(f"{stack.base}/accounts/login", json=body) as reply:
        return (await reply.json())["inventory"]["uuid"]


async def test_old_and_new() -> None:
    settings = {"WORKER_PROCESSES": "1", "WEBHOOK_PROCESSES": "0", "JOB_RETENTION_S": str(30 * 86400)}
    async with AsyncExitStack() as both:
        empty, full = [await both.enter_async_context(running_stack(**settings)) for _ in range(2)]
        conn = await full.db()
        started = time.perf_counter()
        await conn.execute(FILL, timeout=7200)
        await conn.execute("VACUUM (ANALYZE) api_jobs, audits", timeout=7200)
        await conn.execute("CHECKPOINT", timeout=600)
        size = await conn.fetchval("SELECT pg_total_relation_size('api_jobs')")
        audit_size = await conn.fetchval("SELECT pg_total_relation_size('audits')")
        await conn.close()
        sitting = Sitting(f"ledger of {JOBS} jobs")
        sitting.add("filling it, s", time.perf_counter() - started)
        sitting.add("disk per ended job, bytes", size / JOBS)
        sitting.add("disk per audit line, bytes", audit_size / (JOBS // 4))
        (first,) = await empty.accept("first", 1)
        await empty.finished([first], 20, "a job")
        ledgers = {
            "empty": Ledger(empty, first, empty.token),
            "full": Ledger(full, OLD_JOB, await session_of(full, "account-1")),
        }
        for _ in range(ROUNDS):
            for name, ledger in ledgers.items():
                found = await ledger.measure()
                for what, value in found.items():
                    sitting.add(f"{what}, {name}", value)
    for what in found:
        least, most = (1 / 1.1, None) if "/s" in what else (None, 1.1)
        sitting.aim(f"{what}, full", over=f"{what}, empty", at_least=least, at_most=most)
    sitting.report()
