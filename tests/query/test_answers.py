"""What links find and what answers show."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from query.asking import ALL, UTC, Conn, ask, keys
from query_world import ACCOUNTS, JAVA, MADE
from zstack_mgmt.core.callers import AccountCaller
from zstack_mgmt.db import fetch_planned
from zstack_mgmt.query.parser import parse_parameters
from zstack_mgmt.query.plan import Scope
from zstack_mgmt.query.run import run


async def two_nics(conn: Conn) -> None:
    await conn.execute(
        """
        INSERT INTO qt_vms (uuid, name, state) VALUES ('v1', 'one', 'Running'), ('v2', 'two', 'Running');
        INSERT INTO qt_nics (uuid, vm_uuid, ip, mac) VALUES
            ('n1', 'v1', 'a', 'x'), ('n2', 'v1', 'b', 'y'), ('n3', 'v2', 'a', 'y');
        """
    )


async def test_conditions_behind_one_link_hold_on_the_same_row(empty):
    await two_nics(empty)
    assert await keys(empty, "QtVm", "vmNics.ip=a", "vmNics.mac=y") == ["v2"]
    assert await keys(empty, "QtVm", "vmNics.ip=a", "vmNics.mac=x") == ["v1"]
    assert await keys(empty, "QtVm", "vmNics.ip!=a") == ["v1"]  # a NIC that differs, not none that is equal


async def test_only_what_is_asked_by_key_or_name_keeps_its_plan(empty):
    await two_nics(empty)
    for _ in range(7):  # after the fifth time a plan may be kept
        assert await keys(empty, "QtVm", "name=one") == ["v1"]
        assert await keys(empty, "QtVm", "cpu is null") == ["v1", "v2"]
        assert (await ask(empty, "QtVm", "cpu is null", count="true"))["total"] == 2
    kept = await empty.fetch("SELECT statement FROM pg_prepared_statements WHERE generic_plans > 0")
    (statement,) = [row["statement"] for row in kept if 'FROM "qt_vms"' in row["statement"]]
    assert 'lower(t0."name"' in statement


async def test_a_value_that_an_enumeration_lacks_matches_nothing(empty):
    await two_nics(empty)
    assert await keys(empty, "QtVm", "state=Gone") == await keys(empty, "QtVm", "state?=Gone,x") == []
    for condition in ("state!=Gone", "state!?=Gone,x", "state?=Gone,Running"):
        assert await keys(empty, "QtVm", condition) == ["v1", "v2"]


async def test_case_counts_only_where_it_is_to(empty):
    await empty.execute(
        """
        INSERT INTO qt_vms (uuid, name, state) VALUES ('v1', 'Web-É', 'Running'), ('v2', 'web-É', 'Running');
        INSERT INTO tags (uuid, resource_uuid, resource_type, tag, type)
            VALUES ('g1', 'v1', 'QtVmVO', 'Env', 'User');
        """
    )
    for condition in (
        "name=WEB-É",
        "name?=x,WEB-É",
        "name~=wEb%",
        "name>=WEB",
        "state=running",
        "uuid?=V1,V2",
    ):
        assert await keys(empty, "QtVm", condition) == ["v1", "v2"], condition
    for condition in ("name!=WEB-É", "name!~=W%", "name=web-é"):
        assert await keys(empty, "QtVm", condition) == [], condition
    assert await keys(empty, "QtVm", "__userTag__=ENV") == ["v1"]
    exact = [
        ("name=Web-É", ["v1"]),
        ("name?=Web-É", ["v1"]),
        ("name~=W%", ["v1"]),
        ("name!=Web-É", ["v2"]),
        ("name!~=W%", ["v2"]),
        ("name>a", ["v2"]),
        ("name not null", ["v1", "v2"]),
        ("state=running", []),
        ("__userTag__=ENV", []),
    ]
    for condition, found in exact:
        query = parse_parameters("QtVm", [("q", condition)])
        answer = await run(empty, query, ALL, UTC, exact=True)
        assert [vm["uuid"] for vm in answer["inventories"]] == found, condition


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
    mine = Scope("mine", sees_all=False)
    assert await keys(empty, "QtVm", scope=mine) == ["v1"]
    assert await keys(empty, "QtNic", "vm.name=two", scope=mine) == []
    assert await keys(empty, "QtNic", "vm.vmNics.mac=z", scope=mine) == []
    # But what is nested in a row is shown with it, and found by it.
    (one,) = (await ask(empty, "QtVm", scope=mine))["inventories"]
    assert [nic["mac"] for nic in one["vmNics"]] == ["x", "y"]
    assert await keys(empty, "QtVm", "vmNics.mac=y", scope=mine) == ["v1"]
    # Its tags are not shown.
    columns = "uuid, resource_uuid, resource_type, tag, type"
    await empty.execute(f"INSERT INTO tags ({columns}) VALUES ('t', 'n2', 'QtNicVO', 'hidden', 'User')")
    assert await keys(empty, "QtVm", "vmNics.__userTag__=hidden") == ["v1"]
    assert await keys(empty, "QtVm", "vmNics.__userTag__=hidden", scope=mine) == []
    assert (await ask(empty, "QtVm", count="true", scope=mine))["total"] == 1
    assert (await run(empty, parse_parameters("QtVm", [], "v2"), mine, UTC))["inventories"] == []
    assert len((await run(empty, parse_parameters("QtVm", [], "v1"), mine, UTC))["inventories"]) == 1

    columns = "resource_uuid, resource_type, owner_account_uuid, receiver_account_uuid, to_public"
    share = f"INSERT INTO resource_shares ({columns})"
    await empty.execute(f"{share} VALUES ('v2', 'QtMachineVO', 'other', 'mine', false)")
    assert await keys(empty, "QtVm", scope=mine) == ["v1", "v2"]
    assert await keys(empty, "QtVm", "uuid>v1", scope=mine) == ["v2"]
    assert await keys(empty, "QtVm", "uuid>=v1", "uuid<v2", scope=mine) == ["v1"]
    await empty.execute("DELETE FROM resource_shares")
    assert await keys(empty, "QtVm", scope=mine) == ["v1"]
    await empty.execute(f"{share} VALUES ('v2', 'QtMachineVO', 'other', NULL, true)")
    assert await keys(empty, "QtVm", scope=mine) == ["v1", "v2"]
    assert await keys(empty, "QtVm", scope=Scope("nobody", sees_all=False)) == ["v2"]


async def test_every_system_admin_sees_all():
    assert Scope.of(AccountCaller(ACCOUNTS[0], is_admin=True)).sees_all
    assert not Scope.of(AccountCaller(ACCOUNTS[0], is_admin=False)).sees_all


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
    pages: list[dict[str, Any]] = [{}, {"start": "2"}, {"start": "99"}, {"limit": str(len(rows["qt_vms"]))}]
    for more in pages:
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


async def test_a_statement_that_is_planned_for_its_values_is_described_once(empty):
    text = "SELECT $1::int / $2::int AS n"
    assert [(await fetch_planned(empty, text, n, 1))[0]["n"] for n in (1, 2)] == [1, 2]
    kept = await empty._get_statement(text, None)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await fetch_planned(empty, text, 1, 0)
    assert (await fetch_planned(empty, text, 6, 3))[0]["n"] == 2
    assert await empty._get_statement(text, None) is kept
    assert await empty.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE statement = $1", text) == 0
    assert (await empty.fetch(text, 8, 2))[0]["n"] == 4
    assert (await empty.fetch(f"{text} ", 8, 4))[0]["n"] == 2
    assert (await fetch_planned(empty, f"{text} ", 9, 3))[0]["n"] == 3
