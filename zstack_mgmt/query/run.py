"""Running a query: rows for a plan, and the answer in the product's shape."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

import orjson

from zstack_mgmt.core.inventory import Meta
from zstack_mgmt.db import Connection, fetch_planned
from zstack_mgmt.query import catalog
from zstack_mgmt.query.coerce import parse_value
from zstack_mgmt.query.compile import count_sql, list_sql
from zstack_mgmt.query.encode import Body, Encoder, Row, encoder_of
from zstack_mgmt.query.parser import Query
from zstack_mgmt.query.plan import Compare, Plan, Rows, Scope, Select, make_plan
from zstack_mgmt.query.tree import Op

Answer = dict[str, Any]
"""`inventories` (or only `total`), `total` when asked for, and `schema`."""

Lend = Callable[[], AbstractAsyncContextManager[Connection]]
"""A connection for the time of a block."""

SINGLE_FETCH = 1000  # rows; a page that can be larger is answered in pieces
CHUNK = 500  # rows of a larger page that are in memory at once
_UTC = ZoneInfo("UTC")


async def run(conn: Connection, query: Query, scope: Scope, zone: ZoneInfo, *, exact: bool = False) -> Answer:
    """The answer to a query as JSON values, all of it in memory.

    Args:
        conn: any connection; a transaction is not needed.
        zone: of the dates in conditions and in the answer.
        exact: the case of letters in conditions counts.

    Raises:
        InvalidArgument: SYS.1007, an unknown or hidden field, or `fields` names a field that is not native.
        InternalError: SYS.1000, an unknown nested name, a value, sort or groupBy that cannot be used.

    Source: manual, "Query API"; a grouped query's totals count the groups, which the product does not.
    """
    if query.uuid is not None:
        return await _one(conn, query, scope, zone)
    plan = make_plan(query, scope, zone, exact=exact)
    if plan.count:
        return {"total": await _count(conn, plan), "schema": {}}
    rows = await _page(conn, plan)
    encoder = encoder_of(plan.meta, plan.fields)
    bodies = await _load(conn, encoder, rows, zone)
    answer: Answer = {"inventories": bodies}
    if plan.with_total:
        answer["total"] = await _total(conn, plan, len(rows))
    answer["schema"] = encoder.schema(bodies)
    return answer


def is_small(query: Query) -> bool:
    """Whether the answer is read at once and is one JSON value."""
    return query.uuid is not None or query.count or query.limit <= SINGLE_FETCH


async def pieces(
    lend: Lend, query: Query, scope: Scope, zone: ZoneInfo, *, exact: bool = False
) -> AsyncGenerator[bytes]:
    """The answer as pieces of JSON text; of a large page only its keys and one chunk of rows are in memory.

    Whatever is wrong with the query is raised before the first piece, as by `run`. The keys are read at once,
    the rows chunk by chunk, so no connection waits for a reader. Rows deleted in between are left out.
    """
    plan = make_plan(query, scope, zone, exact=exact)
    encoder = encoder_of(plan.meta, plan.fields)
    key = catalog.key_of(plan.meta)
    async with lend() as conn:
        keys = [
            row[0] for row in await _page(conn, replace(plan, select=replace(plan.select, columns=(key,))))
        ]
        total = b',"total":%d' % await _total(conn, plan, len(keys)) if plan.with_total else b""
    rows_of_keys = Rows(plan.meta.table, key, (Compare(key, Op.IN, 0),), None)
    statement = list_sql(Select(plan.select.columns, rows_of_keys, plan.select.order, slots=1, paged=False))
    opening = b'{"inventories":['
    schemas: list[bytes] = []
    seen = 0
    for first in range(0, len(keys), CHUNK):
        async with lend() as conn:
            bodies = await _load(
                conn, encoder, await conn.fetch(statement, keys[first : first + CHUNK]), zone
            )
        if bodies:
            schemas.append(orjson.dumps(encoder.schema(bodies, seen))[1:-1])
            seen += len(bodies)
            yield opening + orjson.dumps(bodies)[1:-1]
            opening = b","
    start = opening if not seen else b""
    yield start + b"]" + total + b',"schema":{' + b",".join(schemas) + b"}}"


async def _total(conn: Connection, plan: Plan, seen: int) -> int:
    """The number of rows that match. A page that shows them all is not counted again."""
    if plan.start == 0 and seen < plan.limit:
        return seen
    return await _count(conn, plan)


async def _page(conn: Connection, plan: Plan) -> Sequence[Row]:
    fetch = conn.fetch if _names_few(plan) else partial(fetch_planned, conn)
    return await fetch(list_sql(plan.select), *plan.values, plan.limit, plan.start)


async def _count(conn: Connection, plan: Plan) -> int:
    fetch = conn.fetch if _names_few(plan) else partial(fetch_planned, conn)
    return (await fetch(count_sql(plan.select), *plan.values))[0][0]


def _names_few(plan: Plan) -> bool:
    """Whether the rows are given by their keys or names, so that any plan is a good one."""
    rows = plan.select.rows
    return any(
        isinstance(test, Compare)
        and test.op in (Op.EQ, Op.IN)
        and test.column.name in (rows.key.name, "name")
        for test in rows.tests
    )


async def _one(conn: Connection, query: Query, scope: Scope, zone: ZoneInfo) -> Answer:
    """GET by uuid, the most frequent query of all: everything but the row itself is ready."""
    meta = catalog.meta_of(query.inventory)
    sql, encoder, filters = _one_statement(meta, query.fields, scope.sees_all)
    key = catalog.key_of(meta)
    uuid = parse_value(key.name, key.kind, query.uuid or "")
    rows = await conn.fetch(sql, uuid, *((scope.account_uuid, *filters[1:]) if filters else ()))
    bodies = await _load(conn, encoder, rows, zone)
    return {"inventories": bodies, "schema": encoder.schema(bodies)}


@lru_cache(1024)
def _one_statement(
    meta: Meta, names: tuple[str, ...], sees_all: bool
) -> tuple[LiteralString, Encoder, tuple[object, ...]]:
    """SQL and encoder of GET by uuid, and the values after the uuid, the first to be the caller's account."""
    plan = make_plan(Query(meta.name, uuid="0", fields=names), Scope("", sees_all), _UTC)
    return list_sql(plan.select), encoder_of(meta, plan.fields), plan.values[1:]


async def _load(conn: Connection, encoder: Encoder, rows: Sequence[Row], zone: ZoneInfo) -> list[Body]:
    """The objects of these rows with their lists and nested inventories, one further statement for each."""
    bodies = encoder.bodies(rows, zone)
    for child in encoder.children:
        owners = [row[child.owner] for row in rows]
        found: dict[Any, list[Any]] = {owner: [] for owner in owners if owner is not None}
        linked = await conn.fetch(child.sql, list(found)) if found else []
        items = [row[0] for row in linked]
        if child.encoder is not None:
            items = await _load(conn, child.encoder, linked, zone)
        for row, item in zip(linked, items, strict=True):
            found[row[-1]].append(item)
        for body, owner in zip(bodies, owners, strict=True):
            body[child.name] = found.get(owner, [])
    return bodies
