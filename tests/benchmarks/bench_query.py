"""Each shape of the query language against the SQL that a person would write for it.

    make bench ARGS=tests/benchmarks/bench_query.py
    QUERY_VMS=1000000 make bench ARGS=tests/benchmarks/bench_query.py

Data: `many_vms.populate`, 20,000 VMs or as many as `QUERY_VMS` says; asked by the admin, by an account with
90 of them, and by one with a tenth of all. One query at a time, in turn. Ours is measured from the parameters
of a request to the bytes of its answer. The SQL has its values in its text and is planned each time, as it is
with ever new values; its rows are left as they come, and for whole VMs those of their NICs and volumes are
read too. Both must find the same. The last figures are the memory that a streamed page takes.
"""

import gc
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import orjson
import pytest
import pytest_asyncio

from answers import answer_bytes, stream
from benchmarks.many_vms import BIG, SMALL, populate
from benchmarks.query_shapes import COUNT, GROUPS, OF_THE_ROWS, PAGE, Shape, shapes
from benchmarks.sitting import Sitting
from services import Services, clone_template, drop_database
from zstack_mgmt.core.values import ADMIN_UUID
from zstack_mgmt.features import load
from zstack_mgmt.process import settle_memory
from zstack_mgmt.query.parser import parse_parameters
from zstack_mgmt.query.plan import Scope

pytestmark = [pytest.mark.bench, pytest.mark.asyncio(loop_scope="module")]

load()
UTC = ZoneInfo("UTC")
VMS = int(os.environ.get("QUERY_VMS", "20000"))
BUDGET_S, MIN_ROUNDS, MAX_ROUNDS = 2.0, 5, 200  # of one shape
AIM = 3.0
ADMIN = Scope(ADMIN_UUID, sees_all=True)
WHO = {"admin": ADMIN, "small": Scope(SMALL, sees_all=False), "big": Scope(BIG, sees_all=False)}


@dataclass(frozen=True)
class Database:
    """A connection as the service has them, and one that keeps no statements."""

    conn: Any
    fresh: Any


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(services: Services) -> AsyncIterator[Database]:
    name = await clone_template(services)
    url, settings = services.url_of(name), {"jit": "off", "timezone": "UTC"}
    conn = await asyncpg.connect(url, server_settings=settings)
    fresh = await asyncpg.connect(url, server_settings=settings, statement_cache_size=0)
    await populate(conn, VMS)
    yield Database(conn, fresh)
    await conn.close()
    await fresh.close()
    await drop_database(services, name)


async def ours(database: Database, shape: Shape, scope: Scope) -> bytes:
    return await answer_bytes(database.conn, shape.query(), scope, UTC)


async def bare(database: Database, shape: Shape, account: str | None) -> tuple[list[str], int | None]:
    """The uuids that the SQL finds, and the total if it is asked for."""
    rows = await database.fresh.fetch(shape.bare(account))
    if "count=true" in shape.parameters:
        return [], rows[0][0]
    found = [row["uuid"] for row in rows]
    if shape.sql in (PAGE, GROUPS):
        for sql in OF_THE_ROWS if found else ():
            await database.conn.fetch(sql, found)
    if "replyWithCount" not in shape.parameters:
        return found, None
    return found, await database.fresh.fetchval(Shape("", shape.where, sql=COUNT).bare(account))


async def measure(database: Database, name: str, shape: Shape, sitting: Sitting) -> None:
    who, _, _ = name.partition(": ")
    scope = WHO[who]
    account = None if scope.sees_all else scope.account_uuid
    answer = orjson.loads(await ours(database, shape, scope))
    expected = await bare(database, shape, account)
    assert ([row["uuid"] for row in answer.get("inventories", ())], answer.get("total")) == expected
    until = time.perf_counter() + BUDGET_S
    for turn in range(MAX_ROUNDS):
        before = time.perf_counter()
        if turn >= MIN_ROUNDS and before > until:
            break
        await ours(database, shape, scope)
        between = time.perf_counter()
        await bare(database, shape, account)
        sitting.add(name, 1e3 * (between - before))
        sitting.add(f"{name}, SQL", 1e3 * (time.perf_counter() - between))
    sitting.aim(name, over=f"{name}, SQL", at_most=AIM)


async def test_shapes(database: Database) -> None:
    settle_memory()  # as every process of ours does, and for both sides
    sitting = Sitting(f"queries over {VMS} VMs", "ms")
    for who in WHO:
        for label, shape in shapes(VMS).items():
            await measure(database, f"{who}: {label}", shape, sitting)
    sitting.report()


async def test_memory_of_a_streamed_page(database: Database) -> None:
    sitting = Sitting("memory of a streamed page", "MiB")
    await answer_bytes(database.conn, parse_parameters("VmInstance", [("limit", "1000")]), ADMIN, UTC)
    for limit in (2_000, min(VMS, 100_000)):
        gc.collect()
        before = peak = resident_mib()
        query = parse_parameters("VmInstance", [("limit", str(limit))])
        async for _ in stream(database.conn, query, ADMIN, UTC):
            peak = max(peak, resident_mib())
        sitting.add(f"{limit} VMs", peak - before)
        sitting.aim(f"{limit} VMs", at_most=50)
    sitting.report()


def resident_mib() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))
