"""The query language, held against a naive evaluation in Python."""

import random
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.asking import SLOW, agree, keys
from query_oracle import Asked, fold
from query_world import ACCOUNTS, TAGS, TEXTS, WORLD, random_rows, store

OPS = ("=", "!=", ">", "<", ">=", "<=", "?=", "!?=", "~=", "!~=", "is null", "not null")
VALUES: dict[str, tuple[str, ...]] = {
    "text": (*TEXTS, "10.0.0.1", "10.0.0.2", "aa", "t1", "t2", "nothing", ACCOUNTS[0]),
    "integer": ("0", "1", "2", "8", "-1", "22", "2.0", str(2**62), "9223372036854775807"),
    "number": ("0.5", "1.25", "100.01", "1e2", "-3", ".5"),
    "boolean": ("true", "TRUE", "false", "yes"),
    "date": (
        "2017-01-01 11:31:06",
        "2017-01-01 11:31:06.0",
        "2017-01-01 11:31:06.5",
        "2017-01-01 11:31:06.000001",
        "2017-01-01 11:31:05",
        "2017-01-01 11:32:06",
    ),
}
PATTERNS = (
    "%",
    "_",
    "web%",
    "%1",
    "_eb",
    "web\\_1",
    "50\\%",
    "%\\",
    "\\",
    "a\\\\b",
    "%:31:%",
    "t__e",
    "2%",
    "%.%",
    "",
)


def conditions(root: str) -> st.SearchStrategy[Asked]:
    @st.composite
    def one(draw: st.DrawFn) -> Asked:
        meta = WORLD[root].meta
        path: tuple[str, ...] = ()
        for _ in range(draw(st.sampled_from((0, 0, 0, 1, 1, 2, 3)))):
            if not meta.links:
                break
            name = draw(st.sampled_from(sorted(meta.links)))
            path, meta = (*path, name), WORLD[meta.links[name].target].meta
        plain = [f.name for f in meta.fields if f.queryable]
        leaf = draw(st.sampled_from([*plain, *meta.lists, *meta.aliases, "__userTag__", "__systemTag__"]))
        op = draw(st.sampled_from(OPS))
        if op.endswith("null"):
            return Asked((*path, leaf), op)
        field = meta.by_name.get(meta.aliases.get(leaf, leaf))
        choices: tuple[str, ...] = field.choices if field else ()
        kind = meta.lists[leaf].kind if leaf in meta.lists else field.kind if field else "text"
        if op.endswith("~="):
            return Asked((*path, leaf), op, draw(st.sampled_from(PATTERNS[:-1])))
        pool = choices or (TAGS if leaf.startswith("__") else VALUES[kind])
        if op.endswith("?="):
            items = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3))
            tail = "," if kind == "text" and not choices and draw(st.booleans()) else ""
            return Asked((*path, leaf), op, ", ".join(items) + tail)
        return Asked((*path, leaf), op, draw(st.sampled_from(pool)))

    return one()


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, list[Asked], str | None]:
    root = draw(st.sampled_from(sorted(WORLD)))
    asked = draw(st.lists(conditions(root), max_size=4))
    return root, asked, draw(st.sampled_from((None, *ACCOUNTS)))


@SLOW
@given(question=questions())
async def test_any_conjunction_finds_what_a_naive_evaluation_finds(conn, rows, question):
    root, asked, account = question
    await agree(conn, rows, root, asked, account)


@SLOW
@given(
    asked=st.lists(conditions("QtVm"), min_size=1, max_size=3),
    account=st.sampled_from((None, *ACCOUNTS)),
)
async def test_any_conjunction_on_the_owned_inventory_in_the_middle(conn, rows, asked, account):
    await agree(conn, rows, "QtVm", asked, account)


@pytest.mark.parametrize("seed", range(4))
async def test_every_operator_on_every_field_in_other_worlds(database_url, seed):
    rows = random_rows(100 + seed, size=9)
    conn = await asyncpg.connect(database_url)
    await store(conn, rows)
    r = random.Random(seed)
    for root, declared in WORLD.items():
        meta = declared.meta
        for leaf in [*(f.name for f in meta.fields if f.queryable), *meta.lists, "__userTag__"]:
            field = meta.by_name.get(leaf)
            kind = meta.lists[leaf].kind if leaf in meta.lists else field.kind if field else "text"
            for op in OPS:
                pool = (field.choices if field else ()) or (TAGS if leaf.startswith("__") else VALUES[kind])
                pool = PATTERNS[:-1] if op.endswith("~=") else pool
                value = (
                    "" if op.endswith("null") else ", ".join(r.sample(pool, 2 if op.endswith("?=") else 1))
                )
                await agree(conn, rows, root, [Asked((leaf,), op, value)], r.choice((None, *ACCOUNTS)))
    await conn.close()


@SLOW
@given(
    root=st.sampled_from(sorted(WORLD)),
    data=st.data(),
    descending=st.booleans(),
    page=st.integers(min_value=1, max_value=9),
)
async def test_pages_put_together_are_the_whole_in_order(conn, rows, root, data, descending, page):
    meta = WORLD[root].meta
    field = data.draw(
        st.sampled_from([f for f in meta.fields if f.queryable and f.attribute not in meta.computed])
    )
    whole: list[Any] = []
    for start in range(0, len(rows[meta.table]) + page, page):
        sort = ("-" if descending else "") + field.name
        whole += await keys(conn, root, sort=sort, limit=str(page), start=str(start))

    def order(row: dict[str, Any]) -> tuple[Any, ...]:
        value = fold(row[field.attribute])
        return (value is not None, value if value is not None else 0, row[meta.primary_key])

    expected = sorted(rows[meta.table], key=order, reverse=descending)
    assert whole == [row[meta.primary_key] for row in expected]
