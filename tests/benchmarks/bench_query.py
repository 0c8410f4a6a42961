"""Speed of the query language: from the parameters of a request to the bytes of its answer.

    make bench ARGS=tests/benchmarks/bench_query.py

Data: 100,000 VMs in 1,000 hosts and 10 zones, 200,000 NICs, half of the VMs tagged; account "small" owns 100
VMs, "big" the others. One connection, one query at a time, everything in PostgreSQL's memory. Printed: median
and 99th percentile in ms of `run.answer_bytes`. "overhead" is the median beyond asyncpg's `fetch` of the main
statement alone; a VM takes three more, for its NICs and two lists. The last lines are the growth of resident
memory by a streamed page.
"""

import gc
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from answers import answer_bytes, stream
from query_world import SCHEMA, WORLD
from zstack_mgmt.core.inventory import INVENTORIES
from zstack_mgmt.query.compile import list_sql
from zstack_mgmt.query.parser import parse_parameters
from zstack_mgmt.query.plan import Scope, make_plan

pytestmark = pytest.mark.bench

VMS = 100_000
UTC = ZoneInfo("UTC")
ADMIN = Scope("admin", sees_all=True)
SMALL, BIG = (Scope(name, sees_all=False) for name in ("small", "big"))
LIMIT_20 = ("limit", "20")
MIDDLE = f"{VMS // 2:032x}"


@pytest.fixture
async def conn(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Connection]:
    for name, declared in WORLD.items():
        monkeypatch.setitem(INVENTORIES, name, declared)
    conn = await asyncpg.connect(database_url, server_settings={"jit": "off"})
    await conn.execute(SCHEMA)
    await conn.execute(
        f"""
        CREATE INDEX ON qt_vms (host_uuid, state);
        INSERT INTO accounts (uuid, name, type, password_hash) VALUES
            ('small', 's', 'Normal', ''), ('big', 'b', 'Normal', '');
        INSERT INTO qt_zones (uuid, name, state)
        SELECT 'z' || i, 'zone-' || i, 'Enabled' FROM generate_series(0, 9) i;
        INSERT INTO qt_hosts (uuid, name, cpu, zone_uuid)
        SELECT 'h' || i, 'host-' || i, 8, 'z' || i % 10 FROM generate_series(0, 999) i;
        INSERT INTO qt_vms (uuid, name, state, note, cpu, price, ha, made, host_uuid)
        SELECT lpad(to_hex(i), 32, '0'), 'vm-' || i, CASE i % 3 WHEN 0 THEN 'Stopped' ELSE 'Running' END,
               'made by the benchmark', i % 8, 1.5, i % 2 = 0, now() - i * interval '1 second',
               'h' || i % 1000
        FROM generate_series(1, {VMS}) i;
        INSERT INTO qt_nics (uuid, vm_uuid, ip, device, mac)
        SELECT n || '-' || uuid, uuid, '10.' || n || '.' || row_number() OVER () / 250 || '.' ||
               row_number() OVER () % 250, n, 'fa:00' FROM qt_vms, generate_series(0, 1) n;
        INSERT INTO tags (uuid, resource_uuid, resource_type, tag, type)
        SELECT 't' || uuid, uuid, 'QtVmVO', 'env::' || right(name, 2), 'User' FROM qt_vms WHERE cpu < 4;
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
        SELECT uuid, 'QtMachineVO', CASE WHEN name LIKE '%777' THEN 'small' ELSE 'big' END FROM qt_vms;
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
        SELECT n.uuid, 'QtNicVO', o.account_uuid
        FROM qt_nics n JOIN resource_owners o ON o.resource_uuid = n.vm_uuid;
        """
    )
    await conn.execute("VACUUM ANALYZE")
    yield conn
    await conn.close()


CASES = (
    ("GET zone by uuid", "QtZone", [], "z5", ADMIN, 2000),
    ("GET vm by uuid, 2 NICs", "QtVm", [], MIDDLE, ADMIN, 1000),
    ("the same, other account's", "QtVm", [], MIDDLE, SMALL, 1000),
    ("the same, own", "QtVm", [], MIDDLE, BIG, 1000),
    ("q=name=…", "QtVm", [("q", "name=vm-5000")], None, BIG, 500),
    ("q=vmNics.ip=…", "QtVm", [("q", "vmNics.ip=10.0.9.9")], None, ADMIN, 500),
    ("the same, scoped", "QtVm", [("q", "vmNics.ip=10.0.9.9")], None, BIG, 200),
    ("20 of q=host.zone.name=…", "QtVm", [("q", "host.zone.name=zone-3"), LIMIT_20], None, ADMIN, 100),
    ("20 of q=__userTag__=…", "QtVm", [("q", "__userTag__=env::41"), LIMIT_20], None, ADMIN, 100),
    ("all of a small account", "QtVm", [], None, SMALL, 100),
    ("20 of a big account", "QtVm", [LIMIT_20], None, BIG, 100),
    ("count of a big account", "QtVm", [("count", "true")], None, BIG, 20),
    ("100 NICs", "QtNic", [("limit", "100")], None, ADMIN, 200),
    ("1,000 NICs", "QtNic", [], None, ADMIN, 100),
    ("1,000 VMs with NICs and lists", "QtVm", [], None, ADMIN, 30),
    ("10,000 NICs", "QtNic", [("limit", "10000")], None, ADMIN, 10),
    ("10,000 VMs with NICs and lists", "QtVm", [("limit", "10000")], None, ADMIN, 5),
)


async def test_latency(conn):
    print()
    for label, name, parameters, uuid, scope, times in CASES:
        spent = [await timed(conn, name, parameters, uuid, scope) for _ in range(times)]
        query = parse_parameters(name, parameters, uuid)
        plan = make_plan(query, scope, UTC)
        sql, values = list_sql(plan.select), plan.values
        if plan.select.paged:
            values = (*values, plan.limit, plan.start)
        bare: list[float] = []
        for _ in range(0 if query.count else times):
            before = time.perf_counter()
            await conn.fetch(sql, *values)
            bare.append(time.perf_counter() - before)
        over = f"{1e3 * (statistics.median(spent) - statistics.median(bare)):9.3f}" if bare else "        -"
        p99 = statistics.quantiles(spent, n=100)[98]
        print(f"{label:34}{1e3 * statistics.median(spent):9.3f}{1e3 * p99:9.3f}   overhead {over}")


async def timed(conn, name, parameters, uuid, scope) -> float:
    before = time.perf_counter()
    await answer_bytes(conn, parse_parameters(name, parameters, uuid), scope, UTC)
    return time.perf_counter() - before


@pytest.mark.parametrize("limit", [10_000, 100_000])
async def test_memory_of_a_streamed_page(conn, limit):
    query = parse_parameters("QtVm", [("limit", str(limit))])
    for _ in range(2):
        await answer_bytes(conn, parse_parameters("QtVm", [("limit", "1000")]), ADMIN, UTC)
    gc.collect()
    before = peak = resident_kib()
    size = 0
    async for piece in stream(conn, query, ADMIN, UTC):
        size += len(piece)
        peak = max(peak, resident_kib())
    grown = (peak - before) / 1024
    print(f"\nstream of {limit} VMs: {size / 1e6:.1f} MB of JSON, resident memory + {grown:.1f} MiB")
    assert peak - before < 50 * 1024


def resident_kib() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
