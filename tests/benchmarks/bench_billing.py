"""Spending over many stretches of use.

    make bench ARGS=tests/benchmarks/bench_billing.py

Data: one account, 1,000 VMs that ran and stood still in turn, each run a stretch with a size; CPU, memory and
root volume have prices, one of which changes half-way. Through `spending.calculate` on one connection,
everything in PostgreSQL's memory: for all of the history, for a window with a tenth of it, for windows of one
length in histories of two lengths, and for an account with nothing beside it.
"""

import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from benchmarks.sitting import Sitting
from zstack_mgmt.billing import spending

pytestmark = pytest.mark.bench

VMS = 1000
LONG, SHORT = 1_000_000, 100_000  # stretches of a history
ROUNDS = 5
HOUR_MS = 3_600_000
ACCOUNT = "a"


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[Any]:
    conn = await asyncpg.connect(database_url, server_settings={"jit": "off"})
    yield conn
    await conn.close()


async def fill(conn: Any, stretches: int) -> int:
    """Write so many stretches, half of VMs and half of their root volumes; returns the end of the history."""
    runs = stretches // VMS // 2
    await conn.execute("TRUNCATE usages; DELETE FROM prices")
    await conn.execute(
        """
        INSERT INTO usages (account_uuid, kind, resource_uuid, resource_name, cpu_num, size, started_at,
                            ended_at)
        SELECT $1, kind, left(kind, 1) || lpad(to_hex(vm), 31, '0'), 'vm-' || vm, 2, 4294967296,
               run * 2 * $4::bigint + vm, run * 2 * $4::bigint + vm + $4 - run % 7
        FROM generate_series(0, $3::int - 1) run, generate_series(1, $2::int) vm,
             unnest('{VM,rootVolume}'::text[]) kind
        """,
        ACCOUNT,
        VMS,
        runs,
        HOUR_MS,
    )
    end = runs * 2 * HOUR_MS
    await conn.execute(
        """
        INSERT INTO prices (uuid, resource_name, resource_unit, time_unit, price, date_in_long) VALUES
            ('1', 'cpu', NULL, 'h', 0.0713, 0), ('2', 'memory', 'g', 'h', 0.0091, 0),
            ('3', 'rootVolume', 'g', 'd', 0.00317, 0), ('4', 'cpu', NULL, 'h', 0.0699, $1)
        """,
        end // 2,
    )
    await conn.execute("VACUUM ANALYZE usages")
    return end


async def timed(conn: Any, start: int, end: int, account: str = ACCOUNT) -> float:
    """Seconds of one calculation; somebody else has nothing to pay."""
    began = time.perf_counter()
    body = await spending.calculate(conn, account, start, end)
    assert (body["total"] > 0) == (account == ACCOUNT)
    return time.perf_counter() - began


async def test_spending(conn: Any) -> None:
    sitting = Sitting("spending", "s")
    window = 20 * HOUR_MS  # 10 runs of each VM
    for stretches in (LONG, SHORT):
        end = await fill(conn, stretches)
        windows = {
            "all": (0, end),
            "a tenth": (end // 2, end // 2 + end // 10),
            "20 h early": (0, window),
            "20 h in the middle": (end // 2 // HOUR_MS * HOUR_MS, end // 2 // HOUR_MS * HOUR_MS + window),
            "20 h late": (end - window, end),
        }
        for _ in range(ROUNDS):
            for name, (first, last) in windows.items():
                sitting.add(f"{name}, of {stretches}", await timed(conn, first, last))
            sitting.add(f"nobody's, beside {stretches}", await timed(conn, 0, end, "b"))
    sitting.aim(f"all, of {LONG}", at_most=2)
    sitting.aim(f"20 h in the middle, of {LONG}", over=f"20 h in the middle, of {SHORT}", at_most=3)
    sitting.report()
