"""Text of queries: operators, parameters, and what is refused at the door."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zstack_mgmt.core.errors import ApiError, BadRequest, InternalError, InvalidArgument
from zstack_mgmt.query import catalog, coerce, compile, parser, tree  # noqa: A004
from zstack_mgmt.query.parser import (
    DEFAULT_LIMIT,
    Direction,
    Sort,
    parse_condition,
    parse_integer,
    parse_parameters,
    parse_sort,
    split_list,
)
from zstack_mgmt.query.tree import MAX_HOPS, MAX_LINKS, Condition, Op, Tree, grow


def parse(*parameters: tuple[str, str], uuid: str | None = None):
    return parse_parameters("Zone", parameters, uuid)


@pytest.mark.parametrize("op", [op for op in Op if not op.value.endswith("null")])
def test_each_operator_with_a_value(op):
    assert parse_condition(f"name{op.value}x") == Condition(("name",), op, "x")


@pytest.mark.parametrize("op", [Op.IS_NULL, Op.NOT_NULL])
def test_the_operators_without_a_value(op):
    assert parse_condition(f"name {op.value}") == Condition(("name",), op)
    assert parse_condition(f"  name   {op.value} and the rest is ignored") == Condition(("name",), op)


@pytest.mark.parametrize(
    ("text", "field", "op", "value"),
    [
        ("name=a!=b", "name", "=", "a!=b"),
        ("name!=a=b", "name", "!=", "a=b"),
        ("name~=a?=b", "name", "~=", "a?=b"),
        ("name!~=a", "name", "!~=", "a"),
        ("name!?=a,b", "name", "!?=", "a,b"),
        ("cpu>=4", "cpu", ">=", "4"),
        ("cpu>4", "cpu", ">", "4"),
        ("cpu<=4", "cpu", "<=", "4"),
        ("cpu<>4", "cpu", "<", ">4"),
        ("cpu==4", "cpu", "=", "=4"),
        ("description~=%is null%", "description", "~=", "%is null%"),
        ("description=not null", "description", "=", "not null"),
        ("name= x ", "name", "=", " x "),
        (" name =x", "name", "=", "x"),
        ("name is not null", "name is", "not null", ""),
        ("name=日本", "name", "=", "日本"),
        ("name?=,", "name", "?=", ","),
    ],
)
def test_where_the_operator_is_found(text, field, op, value):
    assert parse_condition(text) == Condition((field,), Op(op), value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name=",
        "name?=",
        "=x",
        " =x",
        "!=",
        "name IS NULL",
        ".=x",
        "a..b=1",
        "a.=1",
        ".a=1",
        "is null",
    ],
)
def test_malformed_conditions(text):
    with pytest.raises(BadRequest) as caught:
        parse(("q", text))
    assert (caught.value.code, caught.value.status) == ("SYS.1007", 400)


@pytest.mark.parametrize("text", ["name=a\0b", "na\0me=a", "name=\udc80", "name=\0"])
def test_characters_that_no_text_can_hold(text):
    with pytest.raises(BadRequest, match="no text can hold"):
        parse(("q", text))
    with pytest.raises(BadRequest):
        parse(uuid=text)


@given(st.text())
def test_any_text_is_a_condition_or_a_bad_request(text):
    try:
        condition = parse_condition(text)
    except BadRequest:
        return
    assert "" not in condition.path
    assert text.startswith(condition.path[0]) or text.lstrip().startswith(condition.path[0])
    assert text.endswith(condition.value)


def test_conditions_in_both_spellings_are_all_kept():
    query = parse(("q", "name=a"), ("condition", "state=b"), ("q", "zone.name=c"))
    assert [str(c) for c in query.where.conditions] == ["name=a", "state=b"]
    assert query.where.links == (("zone", Tree((Condition(("zone", "name"), Op.EQ, "c"),))),)


def test_the_defaults():
    query = parse(("unknown", "x"), ("session", "y"))
    assert (query.limit, query.start, query.count, query.with_total) == (DEFAULT_LIMIT, 0, False, False)
    assert (query.sort, query.group_by, query.fields, query.uuid) == (None, None, (), None)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("20", 20), ("20.0", 20), ("2.5E3", 2500), ("1e2", 100), (" 7 ", 7), ("+7", 7)],
)
def test_integers(text, value):
    assert parse(("limit", text), ("start", text)).limit == value == parse(("start", text)).start


@pytest.mark.parametrize(
    "text", ["", "x", "1.5", "1,000", "0x10", "٣", "2147483648", "1e99", "NaN", "inf", "1 0", "--1"]
)
@pytest.mark.parametrize("name", ["limit", "start"])
def test_malformed_integers(name, text):
    with pytest.raises(BadRequest, match=name):
        parse((name, text))


@pytest.mark.parametrize("name", ["limit", "start"])
def test_negative_integers(name):
    with pytest.raises(InternalError) as caught:
        parse((name, "-1"))
    assert (caught.value.code, caught.value.status) == ("SYS.1000", 503)
    assert parse_integer(name, "-1") == -1


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("TRUE", True), (" True ", True), ("1", False), ("", False)]
)
def test_only_the_word_true_is_true(text, value):
    query = parse(("count", text), ("replyWithCount", text))
    assert query.count is value
    assert query.with_total is value


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("name", Sort("name")),
        ("+name", Sort("name")),
        (" name", Sort("name")),
        ("-name", Sort("name", Direction.DESC)),
        (" - name ", Sort("name", Direction.DESC)),
        ("", None),
        ("null", None),
        ("+null", None),
        ("-true", None),
        ("+false", None),
        ("-", Sort("", Direction.DESC)),
    ],
)
def test_sort(text, sort):
    assert parse_sort(text) == parse(("sort", text)).sort == sort


@pytest.mark.parametrize(
    ("parameters", "sort"),
    [
        ((("sortBy", "name"),), Sort("name")),
        ((("sortBy", "name"), ("sortDirection", "desc")), Sort("name", Direction.DESC)),
        ((("sortBy", "name"), ("sortDirection", " ASC ")), Sort("name")),
        ((("sortDirection", "desc"),), None),
        ((("sort", "+null"), ("sortBy", "name"), ("sortDirection", "desc")), Sort("name", Direction.DESC)),
        ((("sort", "-uuid"), ("sortBy", "name")), Sort("uuid", Direction.DESC)),
        ((("sort", "uuid"), ("sort", "name")), Sort("uuid")),
    ],
)
def test_sort_by_and_direction(parameters, sort):
    assert parse(*parameters).sort == sort


def test_an_unknown_direction():
    with pytest.raises(InternalError, match="asc or desc"):
        parse(("sortBy", "name"), ("sortDirection", "up"))


def test_fields():
    assert parse(("fields", "uuid, name"), ("fields", "state,,uuid"), ("fields", "")).fields == (
        "uuid",
        "name",
        "state",
    )


def test_group_by():
    assert parse(("groupBy", " type ")).group_by == "type"
    assert parse(("groupBy", "")).group_by is None


def test_of_a_get_by_uuid_only_the_fields_are_read():
    query = parse(("q", "nonsense"), ("limit", "x"), ("count", "true"), ("fields", "name"), uuid="u")
    assert (query.uuid, query.count, query.fields, query.where) == ("u", False, ("name",), Tree())


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        (" a , b ", ["a", "b"]),
        ("a,,b,", ["a", "", "b"]),
        (",", [""]),
        (" ", [""]),
    ],
)
def test_list_values(text, items):
    assert list(split_list(text)) == items


def test_paths_that_share_links_share_the_branch():
    tree = grow([parse_condition(q) for q in ("a.b.x=1", "a.y=2", "a.b.z=3", "c.x=4", "x=5")])
    a, c = dict(tree.links)["a"], dict(tree.links)["c"]
    assert [str(one) for one in tree.conditions] == ["x=5"]
    assert [str(one) for one in a.conditions] == ["a.y=2"]
    assert [str(one) for one in dict(a.links)["b"].conditions] == ["a.b.x=1", "a.b.z=3"]
    assert [str(one) for one in c.conditions] == ["c.x=4"]


def test_the_number_of_links_is_limited():
    parse(("q", "a." * MAX_HOPS + "x=1"))
    with pytest.raises(BadRequest, match="links"):
        parse(("q", "a." * (MAX_HOPS + 1) + "x=1"))
    parse(*(("q", f"a{i}.x=1") for i in range(MAX_LINKS)))
    with pytest.raises(BadRequest, match="links"):
        parse(*(("q", f"a{i}.x=1") for i in range(MAX_LINKS + 1)))


def test_every_refusal_can_be_printed():
    long = "x" * 10_000
    for text in ("", long, f"{long}=", f"{long}\0="):
        with pytest.raises(ApiError) as caught:
            parse(("q", text))
        assert isinstance(caught.value, InvalidArgument)
        assert len(caught.value.details) < 500


@pytest.mark.parametrize("module", [parser, tree, coerce, catalog, compile])
def test_the_examples_in_docstrings(module):
    failed, attempted = doctest.testmod(module)
    assert attempted > 0
    assert failed == 0
