"""The query language on a real PostgreSQL, held against a naive evaluation in Python."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from query_oracle import Asked, find
from query_world import ACCOUNTS, JAVA, MADE, SCHEMA, TAGS, TEXTS, WORLD, Rows, random_rows, store
from zstack_mgmt import features
from zstack_mgmt.errors import InternalError, InvalidArgument
from zstack_mgmt.inventory import INVENTORIES
from zstack_mgmt.query.compile import list_sql
from zstack_mgmt.query.parser import parse_parameters
from zstack_mgmt.query.plan import BUILTIN_ADMIN, Scope, make_plan
from zstack_mgmt.query.run import answer_bytes, run, stream

UTC = ZoneInfo("UTC")
ALL = Scope.of(BUILTIN_ADMIN)
SEED = 7
SLOW = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Conn = asyncpg.Connection


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, declared in WORLD.items():
        monkeypatch.setitem(INVENTORIES, name, declared)


@pytest.fixture
async def empty(database_url: str) -> AsyncIterator[Conn]:
    """A connection to a database that has the tables of the test's world, and nothing in them."""
    conn = await asyncpg.connect(database_url)
    await conn.execute(SCHEMA)
    yield conn
    await conn.close()


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[Conn]:
    """A connection to a database that is filled with `random_rows(SEED)`."""
    conn = await asyncpg.connect(database_url)
    await store(conn, random_rows(SEED))
    yield conn
    await conn.close()


@pytest.fixture
def rows() -> Rows:
    return random_rows(SEED)


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


# ----------------------------------------------------------------------------------------------------
# Against the naive evaluation
# ----------------------------------------------------------------------------------------------------

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


async def agree(conn: Conn, rows: Rows, root: str, asked: list[Asked], account: str | None) -> int:
    scope = ALL if account is None else Scope.of(account)
    texts = [one.text for one in asked]
    expected = key_list(find(rows, root, asked, account), root)
    assert await keys(conn, root, *texts, scope=scope) == expected, texts
    assert (await ask(conn, root, *texts, scope=scope, count="true"))["total"] == len(expected)
    return len(expected)


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
        value = row[field.attribute]
        return (value is not None, value if value is not None else 0, row[meta.primary_key])

    expected = sorted(rows[meta.table], key=order, reverse=descending)
    assert whole == [row[meta.primary_key] for row in expected]


# ----------------------------------------------------------------------------------------------------
# Links
# ----------------------------------------------------------------------------------------------------


async def two_nics(conn: Conn) -> None:
    await conn.execute(
        """
        INSERT INTO qt_vms (uuid, name, state) VALUES ('v1', 'one', 'Running'), ('v2', 'two', 'Running');
        INSERT INTO qt_nics (uuid, vm_uuid, ip, mac) VALUES
            ('n1', 'v1', 'A', 'x'), ('n2', 'v1', 'B', 'y'), ('n3', 'v2', 'A', 'y');
        """
    )


async def test_conditions_behind_one_link_hold_on_the_same_row(empty):
    await two_nics(empty)
    assert await keys(empty, "QtVm", "vmNics.ip=A", "vmNics.mac=y") == ["v2"]
    assert await keys(empty, "QtVm", "vmNics.ip=A", "vmNics.mac=x") == ["v1"]
    assert await keys(empty, "QtVm", "vmNics.ip!=A") == ["v1"]  # a NIC that differs, not none that is equal


async def test_a_loop_of_links_comes_back_to_other_rows_too(empty):
    await two_nics(empty)
    assert await keys(empty, "QtVm", "vmNics.vm.name=one") == ["v1"]
    assert await keys(empty, "QtNic", "vm.vmNics.mac=x") == ["n1", "n2"]


async def test_a_link_through_references_finds_each_row_once(conn, rows):
    members = {m["user_uuid"] for m in rows["qt_members"]}
    assert await keys(conn, "QtUser", "group.id>0") == sorted(members)


async def test_joined_rows_of_other_accounts_are_as_if_absent(empty):
    await two_nics(empty)
    await empty.execute(
        """
        INSERT INTO accounts (uuid, name, type, password_hash) VALUES
            ('mine', 'm', 'Normal', 'x'), ('other', 'o', 'Normal', 'x');
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid) VALUES
            ('v1', 'QtMachineVO', 'mine'), ('v2', 'QtMachineVO', 'other'),
            ('n1', 'QtNicVO', 'mine'), ('n2', 'QtNicVO', 'other'), ('n3', 'QtNicVO', 'mine');
        """
    )
    mine = Scope.of("mine")
    assert await keys(empty, "QtVm", scope=mine) == ["v1"]
    assert await keys(empty, "QtVm", "vmNics.mac=y", scope=mine) == []
    assert await keys(empty, "QtNic", "vm.name=two", scope=mine) == []
    assert (await ask(empty, "QtVm", count="true", scope=mine))["total"] == 1
    assert (await run(empty, parse_parameters("QtVm", [], "v2"), mine, UTC))["inventories"] == []
    assert len((await run(empty, parse_parameters("QtVm", [], "v1"), mine, UTC))["inventories"]) == 1

    columns = "resource_uuid, resource_type, owner_account_uuid, receiver_account_uuid, to_public"
    share = f"INSERT INTO resource_shares ({columns})"
    await empty.execute(f"{share} VALUES ('v2', 'QtMachineVO', 'other', 'mine', false)")
    assert await keys(empty, "QtVm", scope=mine) == ["v1", "v2"]
    await empty.execute("DELETE FROM resource_shares")
    assert await keys(empty, "QtVm", scope=mine) == ["v1"]
    await empty.execute(f"{share} VALUES ('v2', 'QtMachineVO', 'other', NULL, true)")
    assert await keys(empty, "QtVm", scope=mine) == ["v1", "v2"]
    assert await keys(empty, "QtVm", scope=Scope.of("nobody")) == ["v2"]


async def test_another_system_admin_is_filtered_like_anybody():
    assert Scope.of(BUILTIN_ADMIN).sees_all
    assert not Scope.of(ACCOUNTS[0]).sees_all


# ----------------------------------------------------------------------------------------------------
# Answers
# ----------------------------------------------------------------------------------------------------


async def one_vm(conn: Conn) -> None:
    await conn.execute(
        """
        INSERT INTO qt_vms (uuid, name, state, cpu, price, ha, made, settings)
        VALUES ('v1', 'one', 'Running', 2, 100.01, false, $1, '[{"key": "boot", "mode": "cd"}, {"key": "x"}]')
        """,
        MADE + timedelta(microseconds=5),
    )
    await conn.execute(
        """
        INSERT INTO qt_nics (uuid, vm_uuid, ip, device) VALUES ('n2', 'v1', 'A', 1), ('n1', 'v1', 'B', 2);
        INSERT INTO qt_vm_triggers VALUES ('v1', 't2'), ('v1', 't1');
        """
    )


async def test_an_answer_with_lists_and_nested_inventories(empty):
    await one_vm(empty)
    assert await ask(empty, "QtVm", zone=ZoneInfo("Asia/Shanghai")) == {
        "inventories": [
            {
                "uuid": "v1",
                "name": "one",
                "state": "Running",
                "cpu": 2,
                "price": 100.01,
                "ha": False,
                "made": "Jan 1, 2017 7:31:06 PM",
                "settings": [{"key": "boot", "mode": "cd"}, {"key": "x"}],
                "triggersUuid": ["t1", "t2"],
                "ports": [],
                "vmNics": [
                    {"uuid": "n2", "vmUuid": "v1", "ip": "A", "device": 1},
                    {"uuid": "n1", "vmUuid": "v1", "ip": "B", "device": 2},
                ],
            }
        ],
        "schema": {
            "inventories[0]": f"{JAVA}.VmInventory",
            "inventories[0].settings[0]": f"{JAVA}.SettingInventory",
            "inventories[0].settings[0].mode": f"{JAVA}.Mode",
            "inventories[0].settings[1]": f"{JAVA}.SettingInventory",
            "inventories[0].vmNics[0]": f"{JAVA}.NicInventory",
            "inventories[0].vmNics[1]": f"{JAVA}.NicInventory",
        },
    }


async def test_in_the_schema_parents_come_before_children(empty):
    await one_vm(empty)
    paths = list((await ask(empty, "QtVm"))["schema"])
    for i, path in enumerate(paths):
        parents = [p for p in paths if path.startswith(f"{p}.")]
        assert all(paths.index(p) < i for p in parents)


async def test_nested_inventories_through_references(conn, rows):
    found = (await ask(conn, "QtUser"))["inventories"]
    for user in found:
        expected = [m["group_id"] for m in rows["qt_members"] if m["user_uuid"] == user["uuid"]]
        assert [g["id"] for g in user["groups"]] == sorted(expected)


async def test_get_by_uuid_ignores_conditions_but_takes_fields(empty):
    await one_vm(empty)
    query = parse_parameters("QtVm", [("q", "nonsense"), ("limit", "x"), ("fields", "name, note")], "v1")
    assert await run(empty, query, ALL, UTC) == {
        "inventories": [{"name": "one"}],
        "schema": {"inventories[0]": f"{JAVA}.VmInventory"},
    }
    gone = await run(empty, parse_parameters("QtVm", [], "v9"), ALL, UTC)
    assert gone == {"inventories": [], "schema": {}}


async def test_get_by_an_integer_key(conn):
    found = await run(conn, parse_parameters("QtGroup", [], "2"), ALL, UTC)
    assert [g["id"] for g in found["inventories"]] == [2]


async def test_count_and_total(conn, rows):
    assert await ask(conn, "QtVm", count="TRUE") == {"total": len(rows["qt_vms"]), "schema": {}}
    page = await ask(conn, "QtVm", replyWithCount="true", limit="3", start="2")
    assert (len(page["inventories"]), page["total"]) == (3, len(rows["qt_vms"]))
    for more in ({}, {"start": "2"}, {"start": "99"}, {"limit": str(len(rows["qt_vms"]))}):
        assert (await ask(conn, "QtVm", replyWithCount="true", **more))["total"] == len(rows["qt_vms"])
    assert await ask(conn, "QtVm", limit="0", replyWithCount="true") == {
        "inventories": [],
        "total": len(rows["qt_vms"]),
        "schema": {},
    }


async def test_group_by_gives_one_row_and_one_count_per_value(conn, rows):
    for field in ("state", "note", "cpu", "made"):
        groups = {
            row[field].replace(microsecond=0) if field == "made" and row[field] else row[field]
            for row in rows["qt_vms"]
        }
        found = await ask(conn, "QtVm", groupBy=field, replyWithCount="true", limit=str(len(groups)))
        values = [item.get(field) for item in found["inventories"]]
        assert len(values) == len(set(values)) == found["total"] == len(groups)
        assert (await ask(conn, "QtVm", groupBy=field, count="true"))["total"] == len(groups)
    smallest = {
        s: min(v["uuid"] for v in rows["qt_vms"] if v["state"] == s) for s in ("Running", "Stopped", "Paused")
    }
    assert await keys(conn, "QtVm", groupBy="state", sort="-state") == [
        smallest["Stopped"],
        smallest["Running"],
        smallest["Paused"],
    ]
    distinct = await ask(conn, "QtVm", groupBy="state", fields="state", sort="state")
    assert distinct["inventories"] == [{"state": "Paused"}, {"state": "Running"}, {"state": "Stopped"}]


async def test_fields_in_both_spellings_and_only_lists(empty):
    await one_vm(empty)
    query = parse_parameters("QtVm", [("fields", "uuid,cpu"), ("fields", "note"), ("fields", "cpu")])
    assert (await run(empty, query, ALL, UTC))["inventories"] == [{"uuid": "v1", "cpu": 2}]


async def test_a_computed_field_is_returned_and_compared(conn, rows):
    found = (await ask(conn, "QtHost", "halfCpu=4"))["inventories"]
    assert [h["uuid"] for h in found] == [h["uuid"] for h in rows["qt_hosts"] if h["cpu"] == 8]
    assert all(h["halfCpu"] == 4 for h in found)


async def test_what_a_reply_shows_finds_its_row(empty):
    await one_vm(empty)
    assert await keys(empty, "QtVm", "made=2017-01-01 11:31:06") == ["v1"]
    assert await keys(empty, "QtVm", "made>2017-01-01 11:31:06") == []
    shanghai = ZoneInfo("Asia/Shanghai")
    assert await keys(empty, "QtVm", "made=2017-01-01 19:31:06", zone=shanghai) == ["v1"]
    assert await keys(empty, "QtVm", "made~=2017-01-01 19:%", zone=shanghai) == ["v1"]
    assert await keys(empty, "QtVm", "made=9999-12-31 23:59:58") == []


# ----------------------------------------------------------------------------------------------------
# Large pages
# ----------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1700])
async def test_a_streamed_page_is_the_same_as_one_in_memory(empty, count):
    await many(empty, count)
    large = parse_parameters("QtVm", [("limit", "5000"), ("replyWithCount", "true")])
    whole = await run(empty, large, ALL, UTC)
    pieces = [piece async for piece in stream(empty, large, ALL, UTC)]
    assert orjson.loads(b"".join(pieces)) == whole
    assert await answer_bytes(empty, large, ALL, UTC) == b"".join(pieces)
    assert len(whole["inventories"]) == whole["total"] == count
    assert not empty.is_in_transaction()


async def test_a_stream_inside_a_transaction_and_cut_off(empty):
    await many(empty, 1200)
    cut = parse_parameters("QtVm", [("limit", "1100"), ("replyWithCount", "true"), ("fields", "uuid")])
    async with empty.transaction():
        body = orjson.loads(await answer_bytes(empty, cut, ALL, UTC))
    assert (len(body["inventories"]), body["total"]) == (1100, 1200)
    assert list(body["schema"])[-1] == "inventories[1099]"
    pieces = stream(empty, cut, ALL, UTC)
    await anext(pieces)
    await pieces.aclose()
    assert not empty.is_in_transaction()


async def test_a_bad_query_is_refused_before_the_first_piece(empty):
    pieces = stream(empty, parse_parameters("QtVm", [("q", "nope=1"), ("limit", "5000")]), ALL, UTC)
    with pytest.raises(InvalidArgument):
        await anext(pieces)


async def test_small_answers_as_bytes(conn):
    query = parse_parameters("QtVm", [("q", "state=Running")])
    assert orjson.loads(await answer_bytes(conn, query, ALL, UTC)) == await run(conn, query, ALL, UTC)


# ----------------------------------------------------------------------------------------------------
# Hostile text
# ----------------------------------------------------------------------------------------------------

ATTACKS = (
    "' OR '1'='1",
    "'; DROP TABLE qt_vms; --",
    'x" OR "1"="1',
    "\\'; SELECT pg_sleep(9); --",
    "$1",
    "%s",
    "{row}",
    "${jndi:x}",
    "/* x */",
    "a\x01b",
    "\\",
    "%\\",
)


@pytest.mark.parametrize("text", ATTACKS)
async def test_hostile_values_are_only_values(conn, rows, text):
    for op in ("=", "!=", ">", "?=", "!?=", "~=", "!~="):
        for path in (
            ("name",),
            ("vmNics", "mac"),
            ("triggersUuid",),
            ("__userTag__",),
            ("host", "__systemTag__"),
        ):
            await agree(conn, rows, "QtVm", [Asked(path, op, text)], None)
    await conn.execute("UPDATE qt_vms SET name = $1", text)
    like = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    for condition in (f"name={text}", f"name~={like}"):
        assert len(await keys(conn, "QtVm", condition)) == len(rows["qt_vms"])


@pytest.mark.parametrize("text", [*ATTACKS, "uuid;", '"uuid"', "uuid--", "t0.uuid", "secret", "qt_vms"])
async def test_hostile_names_are_unknown_names(conn, text):
    for parameters in ([("sort", text)], [("groupBy", text)], [("q", f"a.{text.replace('=', '')}=1")]):
        with pytest.raises((InternalError, InvalidArgument)):
            await run(conn, parse_parameters("QtVm", parameters), ALL, UTC)
    for parameters in ([("fields", text)], [("q", f"{text} is null")]):
        with pytest.raises((InternalError, InvalidArgument)):
            await run(conn, parse_parameters("QtVm", parameters), ALL, UTC)


@SLOW
@given(value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
async def test_any_text_is_compared_as_it_is(conn, rows, value):
    for op in ("=", "?=", "~=", "!~="):
        await agree(conn, rows, "QtVm", [Asked(("name",), op, value)], None)
    assert await conn.fetchval("SELECT 1") == 1


# ----------------------------------------------------------------------------------------------------
# Plans of PostgreSQL
# ----------------------------------------------------------------------------------------------------


async def test_the_frequent_queries_use_indexes(empty):
    await many(empty, 20_000)
    await empty.execute(
        """
        INSERT INTO accounts (uuid, name, type, password_hash) VALUES
            ('mine', 'm', 'Normal', 'x'), ('big', 'b', 'Normal', 'x');
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
        SELECT uuid, 'QtMachineVO', CASE WHEN name LIKE '%999' THEN 'mine' ELSE 'big' END FROM qt_vms;
        ANALYZE;
        """
    )
    for q, scope in (
        ([("q", "uuid=" + "0" * 31 + "7")], ALL),
        ([("q", "name=vm-77")], ALL),
        ([("q", "name?=vm-77,vm-78")], ALL),
        ([("q", "vmNics.ip=10.9.9.9")], ALL),
        ([("q", "uuid=" + "0" * 31 + "7")], Scope.of("mine")),
        ([], Scope.of("mine")),
    ):
        plan = make_plan(parse_parameters("QtVm", q), scope, UTC)
        explained = await empty.fetch(f"EXPLAIN {list_sql(plan.select)}", *plan.values, 1000, 0)
        assert "Seq Scan on qt_vms" not in "\n".join(row[0] for row in explained), q


# ----------------------------------------------------------------------------------------------------
# The declarations of the service
# ----------------------------------------------------------------------------------------------------

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
        for scope in (ALL, Scope.of("nobody")):
            await ask(conn, name, scope=scope)
            await ask(conn, name, *conditions, scope=scope, replyWithCount="true")
            await run(conn, parse_parameters(name, [], "0"), scope, UTC)
            for field in [f.name for f in meta.fields if f.queryable]:
                await ask(conn, name, scope=scope, sort=f"-{field}", groupBy=field, count="false")
    await conn.close()
