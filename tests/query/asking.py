"""What the tests of the query language ask with."""

from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from hypothesis import HealthCheck, settings

from query_oracle import Asked, find
from query_world import Rows
from zstack_mgmt.core.inventory import INVENTORIES
from zstack_mgmt.query.parser import parse_parameters
from zstack_mgmt.query.plan import Scope
from zstack_mgmt.query.run import run

UTC = ZoneInfo("UTC")
ALL = Scope("admin", sees_all=True)
SEED = 7
SLOW = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Conn = asyncpg.Connection


async def ask(
    conn: Conn, name: str, *q: str, scope: Scope = ALL, zone: ZoneInfo = UTC, **more: str
) -> dict[str, Any]:
    parameters = [*(("q", text) for text in q), *more.items()]
    return await run(conn, parse_parameters(name, parameters), scope, zone)


async def keys(conn: Conn, name: str, *q: str, **more: Any) -> list[Any]:
    """The primary keys found, in the order of the answer."""
    key = INVENTORIES[name].meta.primary_key
    return [item[key] for item in (await ask(conn, name, *q, fields=key, **more))["inventories"]]


def key_list(found: list[dict[str, Any]], name: str) -> list[Any]:
    key = INVENTORIES[name].meta.primary_key
    return sorted(row[key] for row in found)


async def many(conn: Conn, count: int) -> None:
    await conn.execute(
        """
        INSERT INTO qt_vms (uuid, name, state, made)
        SELECT lpad(to_hex(i), 32, '0'), 'vm-' || i, 'Running', now() FROM generate_series(1, $1) i
        """,
        count,
    )
    await conn.execute(
        """
        INSERT INTO qt_nics (uuid, vm_uuid, ip)
        SELECT 'n' || uuid, uuid, '10.0.0.1' FROM qt_vms WHERE name LIKE '%7'
        """
    )


async def agree(conn: Conn, rows: Rows, root: str, asked: list[Asked], account: str | None) -> int:
    """Ask both; how many rows they found."""
    scope = ALL if account is None else Scope(account, sees_all=False)
    texts = [one.text for one in asked]
    expected = key_list(find(rows, root, asked, account), root)
    assert await keys(conn, root, *texts, scope=scope) == expected, texts
    assert (await ask(conn, root, *texts, scope=scope, count="true"))["total"] == len(expected)
    return len(expected)
