"""The inventories of the service fit the live schema and can be queried in every way."""

import asyncpg

from query.asking import ALL, UTC, ask
from query_world import WORLD
from zstack_mgmt import features
from zstack_mgmt.core.inventory import INVENTORIES
from zstack_mgmt.query.parser import parse_parameters
from zstack_mgmt.query.plan import Scope
from zstack_mgmt.query.run import run

TYPES = {
    "text": {"text"},
    "integer": {"bigint", "integer", "smallint"},
    "number": {"numeric", "double precision"},
    "boolean": {"boolean"},
    "date": {"timestamp with time zone"},
}


async def test_every_inventory_fits_the_live_schema(database_url):
    """What the catalog promises: tables, columns, their types, and pairs of columns that can be compared."""
    features.load()
    conn = await asyncpg.connect(database_url)
    live = {
        (row["table_name"], row["column_name"]): (row["data_type"], row["collation_name"])
        for row in await conn.fetch("SELECT * FROM information_schema.columns WHERE table_schema = 'public'")
    }
    await conn.close()
    wrong: list[str] = []

    def same(left: tuple[str, str], right: tuple[str, str], what: str) -> None:
        if live.get(left) is None or live.get(left) != live.get(right):
            wrong.append(f"{what}: {left} is {live.get(left)}, {right} is {live.get(right)}")

    for name, declared in INVENTORIES.items():
        if name in WORLD:
            continue
        meta = declared.meta
        key = (meta.table, meta.primary_key)
        for f in meta.fields:
            if f.attribute in meta.computed or f.name in meta.lists or f.name in meta.nested:
                continue
            kind = live.get((meta.table, f.attribute), ("missing", None))[0]
            if kind not in TYPES.get(f.kind, {kind} - {"missing"}):
                wrong.append(f"{name}.{f.name}: {f.kind} in the inventory, {kind} in {meta.table}")
        for column in meta.lists.values():
            same(key, (column.table, column.owner_column), f"{name}.{column.name}")
        for link in meta.links.values():
            target = INVENTORIES.get(link.target)
            if target is None:
                wrong.append(f"{name}.{link.name}: nothing is called {link.target}")
                continue
            own, other = (meta.table, link.own_column), (target.meta.table, link.target_column)
            if link.through is None:
                same(own, other, f"{name}.{link.name}")
            else:
                table, for_own, for_target = link.through
                same(own, (table, for_own), f"{name}.{link.name}")
                same((table, for_target), other, f"{name}.{link.name}")
        wrong += [f"{name}.{f}: no link {link}" for f, link in meta.nested.items() if link not in meta.links]
        wrong += [
            f"{name}: no field for the alias {to}" for to in meta.aliases.values() if to not in meta.by_name
        ]
    assert wrong == []


async def test_every_inventory_can_be_queried_in_every_way(database_url):
    """PostgreSQL takes the SQL of each declaration: conditions, orders and groups, filtered or not."""
    features.load()
    conn = await asyncpg.connect(database_url)
    for name in [name for name in INVENTORIES if name not in WORLD]:
        meta = INVENTORIES[name].meta
        names = [f.name for f in meta.fields if f.queryable] + [*meta.lists, *meta.aliases, "__userTag__"]
        conditions = [f"{n} not null" for n in names] + [f"{n}~=%" for n in names]
        conditions += [f"{link}.__userTag__ is null" for link in meta.links]
        for scope in (ALL, Scope("nobody", sees_all=False)):
            await ask(conn, name, scope=scope)
            await ask(conn, name, *conditions, scope=scope, replyWithCount="true")
            await run(conn, parse_parameters(name, [], "0"), scope, UTC)
            for field in [f.name for f in meta.fields if f.queryable]:
                await ask(conn, name, scope=scope, sort=f"-{field}", groupBy=field, count="false")
    await conn.close()
