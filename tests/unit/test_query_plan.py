"""Names and values resolved against the catalog, the caller's scope, and the SQL that comes of it."""

import re
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_world import WORLD
from zstack_mgmt.core.errors import ApiError, InternalError, InvalidArgument, ResourceNotFound
from zstack_mgmt.core.inventory import INVENTORIES
from zstack_mgmt.query.catalog import describe
from zstack_mgmt.query.coerce import bound_values, like_pattern, parse_stretch, parse_value
from zstack_mgmt.query.compile import count_sql, list_sql, quote
from zstack_mgmt.query.parser import parse_parameters
from zstack_mgmt.query.plan import Compare, Plan, Private, Scope, TagTest, Visible, make_plan
from zstack_mgmt.query.tree import Op

UTC = ZoneInfo("UTC")
ALL = Scope("admin", sees_all=True)
MINE = Scope("a" * 32, sees_all=False)


@pytest.fixture(autouse=True)
def world(monkeypatch):
    for name, declared in WORLD.items():
        monkeypatch.setitem(INVENTORIES, name, declared)


def plan(name: str, *q: str, scope: Scope = ALL, **more: str) -> Plan:
    return make_plan(parse_parameters(name, [*(("q", text) for text in q), *more.items()]), scope, UTC)


@pytest.mark.parametrize(
    ("q", "more", "error", "part"),
    [
        (["nmae=x"], {}, InvalidArgument, "did you mean name"),
        (["secretx=x"], {}, InvalidArgument, "no queryable field 'secretx'"),
        (["vmNics=x"], {}, InvalidArgument, "it is a link to QtNic"),
        (["settings=x"], {}, InvalidArgument, "settings"),
        (["vm_nics=x"], {}, InvalidArgument, "vmNics"),
        (["name is not null"], {}, InvalidArgument, "'name is'"),
        ([], {"fields": "uuid,nope"}, InvalidArgument, "nope"),
        ([], {"fields": "vmNics"}, InvalidArgument, "native"),
        ([], {"fields": "triggersUuid"}, InvalidArgument, "native"),
        ([], {"fields": "settings"}, InvalidArgument, "native"),
        ([], {"fields": "__userTag__"}, InvalidArgument, "native"),
        (["hots.name=x"], {}, InternalError, "did you mean host?"),
        (["name.x=x"], {}, InternalError, "no link 'name'"),
        (["host.nope=x"], {}, InternalError, "'host.nope'"),
        (["host.secret=x"], {}, InternalError, "'host.secret'"),
        (["host.zone.vm.x=x"], {}, InternalError, "'host.zone.vm'"),
        (["__userTag__.x=x"], {}, InternalError, "__userTag__"),
        (["cpu=x"], {}, InternalError, "cpu: 'x' is not an integer"),
        (["host.cpu=1.5"], {}, InternalError, "host.cpu"),
        (["cpu?=1,x"], {}, InternalError, "'x'"),
        (["price=x"], {}, InternalError, "price"),
        (["made=Jan 1, 2017 11:31:06 AM"], {}, InternalError, "yyyy-MM-dd HH:mm:ss"),
        (["ports=x"], {}, InternalError, "ports"),
        ([], {"sort": "nope"}, InternalError, "sort: QtVm has no field 'nope'"),
        ([], {"sort": "-"}, InternalError, "sort"),
        ([], {"sort": "vmNics"}, InternalError, "sort"),
        ([], {"sort": "host.name"}, InternalError, "sort"),
        ([], {"sort": "__userTag__"}, InternalError, "sort"),
        ([], {"groupBy": "nmae"}, InternalError, "did you mean name"),
        ([], {"groupBy": "triggersUuid"}, InternalError, "groupBy"),
        ([], {"groupBy": "__systemTag__"}, InternalError, "groupBy"),
    ],
)
def test_what_the_catalog_refuses(q, more, error, part):
    with pytest.raises(ApiError, match=re.escape(part)) as caught:
        plan("QtVm", *q, **more)
    assert type(caught.value) is error
    assert caught.value.status == 503


def test_a_hidden_field_is_refused_as_a_condition():
    with pytest.raises(InvalidArgument, match="secret"):
        plan("QtHost", "secret=x")
    assert "secret" in [c.name for c in plan("QtHost").select.columns]


def test_an_alias_stands_for_its_field():
    assert plan("QtNic", "address=x") == plan("QtNic", "ip=x")


def test_like_works_on_the_text_of_an_enumeration():
    assert plan("QtVm", "state~=Run%").values == ("run%",)


def test_equal_shapes_have_one_text_whatever_the_values():
    first, second = plan("QtVm", "name=a", "cpu?=1,2"), plan("QtVm", "name=b", "cpu?=3", limit="5")
    assert first.select == second.select
    assert first.values != second.values
    assert list_sql(first.select) is list_sql(second.select)


def test_plans_can_be_printed_and_compared():
    assert plan("QtVm", "name=a") == plan("QtVm", "name=a") != plan("QtVm", "name=b")
    assert "name='qt_vms'" in repr(plan("QtVm", "name=a")) or "table='qt_vms'" in repr(plan("QtVm", "name=a"))


def test_no_value_is_in_the_text():
    made = plan(
        "QtVm",
        "name=evil'",
        "host.zone.note~=evil'",
        "__userTag__?=evil',evil'",
        "triggersUuid!=evil'",
        sort="name",
    )
    for sql in (list_sql(made.select), count_sql(made.select)):
        assert "evil" not in sql


def test_the_scope_is_in_the_plan_of_every_owned_table_but_those_nested_in_a_row():
    made = plan("QtVm", "vmNics.vm.name=x", "host.name=y", scope=MINE)
    nics, host = (hop.rows for hop in made.select.rows.hops)
    assert isinstance(made.select.rows.scope, Visible)
    assert nics.scope is None
    assert isinstance(nics.hops[0].rows.scope, Visible)
    assert host.scope is None
    assert made.values.count(MINE.account_uuid) == 1
    assert made.values[made.select.rows.scope.resource_type] == "QtMachineVO"
    users = plan("QtUser", "group.name=x", scope=MINE).select.rows
    assert isinstance(users.scope, Private)
    assert users.hops[0].rows.scope is None
    assert plan("QtUser", "group.name=x").select.rows.scope is None


def test_negative_tag_operators_deny_the_positive_form():
    for op, positive in (("!=", Op.EQ), ("!?=", Op.IN), ("!~=", Op.LIKE)):
        (test,) = plan("QtVm", f"__userTag__{op}x").select.rows.tests
        assert isinstance(test, TagTest)
        assert (test.tag_type, test.op, test.negated) == ("User", positive, True)
    (test,) = plan("QtVm", "__systemTag__ is null").select.rows.tests
    assert isinstance(test, TagTest)
    assert (test.tag_type, test.op, test.negated) == ("System", Op.NOT_NULL, True)
    assert plan("QtVm", "__systemTag__ is null").values == (("QtVmVO", "QtMachineVO"),)


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("", 't0."uuid"'),
        ("-name", 'lower(t0."name" COLLATE "C") DESC, t0."uuid" DESC'),
        ("note", 'lower(t0."note" COLLATE "C") NULLS FIRST, t0."uuid"'),
        ("-uuid", 't0."uuid" DESC'),
    ],
)
def test_every_order_ends_in_the_primary_key(sort, order):
    assert f"ORDER BY {order} LIMIT" in list_sql(plan("QtVm", sort=sort).select)


def test_integers_are_of_64_bits():
    assert parse_value("f", "integer", str(2**63 - 1)) == 2**63 - 1
    assert parse_value("f", "integer", str(-(2**63))) == -(2**63)
    assert parse_value("f", "integer", "4.00") == 4
    for text in (str(2**63), str(-(2**63) - 1), "", "1.5", "1e3", "٣", " 1", "0x1", "9" * 5000, "1_000"):
        with pytest.raises(InternalError):
            parse_value("f", "integer", text)


def test_numbers_are_what_a_double_can_hold():
    assert parse_value("f", "number", "1e2") == Decimal(100)
    assert parse_value("f", "number", "-.5") == Decimal("-0.5")
    assert parse_value("f", "number", "0e0") == 0
    for text in ("NaN", "Infinity", "1e400", "1e-400", "", "1e9999", "x", "1_0", "٣", "9" * 400):
        with pytest.raises(InternalError):
            parse_value("f", "number", text)


@pytest.mark.parametrize(
    "text",
    [
        "2017-01-01",
        "2017-01-01T11:31:06",
        "2017-02-30 11:31:06",
        "2017-01-01 24:00:00",
        "2017-01-01 11:31",
        "2017-01-01 11:31:06.",
        "2017-01-01 11:31:06,5",
        "2017-01-01 11:31:06+08:00",
        "2017-01-01 11:31:06 ",
        "0000-01-01 00:00:00",
        "9999-12-31 23:59:59",
        "1483270266000",
    ],
)
def test_dates_that_are_none(text):
    with pytest.raises(InternalError, match="made: "):
        parse_stretch("made", text, UTC)


def test_the_first_and_last_years_in_zones():
    with pytest.raises(InternalError):
        parse_stretch("made", "0001-01-01 00:00:00", ZoneInfo("Asia/Shanghai"))
    with pytest.raises(InternalError):
        parse_stretch("made", "9999-12-31 23:00:00", ZoneInfo("America/New_York"))


@given(st.text())
def test_any_text_is_a_value_or_an_internal_error(text):
    for kind in ("text", "integer", "number", "boolean", "date"):
        for op in Op:
            try:
                values = bound_values("f", op, text, UTC, kind=kind)
            except InternalError:
                continue
            assert isinstance(values, tuple)


@given(st.text(alphabet="a%\\"))
def test_no_pattern_ends_in_a_lone_backslash(text):
    pattern = like_pattern(text)
    assert pattern.startswith(text)
    assert not re.sub(r"\\.", "", pattern).endswith("\\")


@given(st.text(min_size=1))
def test_a_quoted_identifier_cannot_be_left(name):
    quoted = quote(name)
    assert '"' not in quoted[1:-1].replace('""', "")


def test_metadata_names_what_can_be_queried():
    (vm,) = describe("QtVm")
    assert describe("qtvminventory") == [vm]
    assert {
        "name": "state",
        "type": "text",
        "nullable": False,
        "values": ["Running", "Stopped", "Paused"],
        "queryable": True,
    } in vm["fields"]
    assert vm["lists"] == [{"name": "triggersUuid", "type": "text"}, {"name": "ports", "type": "integer"}]
    assert {"name": "vmNics", "target": "QtNic", "nested": True} in vm["links"]
    assert [f["name"] for f in vm["fields"] if not f["queryable"]] == []
    assert [f["name"] for f in describe("QtHost")[0]["fields"] if not f["queryable"]] == ["secret"]
    assert {one["name"] for one in describe()} >= set(WORLD)
    with pytest.raises(ResourceNotFound, match="QtZone"):
        describe("QtZona")


def test_a_condition_on_every_field_that_metadata_shows_is_accepted():
    for entry in describe():
        for field in entry["fields"]:
            if field["queryable"]:
                (test,) = plan(entry["name"], f"{field['name']} is null").select.rows.tests
                assert isinstance(test, Compare)
        for link in entry["links"]:
            plan(entry["name"], f"{link['name']}.__userTag__ not null")
