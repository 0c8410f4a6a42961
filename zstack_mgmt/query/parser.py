"""The text of a query: conditions and the other parameters of a Query API, before any name is looked up.

Everything here needs neither the catalog nor a connection, so that malformed text is refused at the door.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from zstack_mgmt.core.errors import BadRequest, InternalError
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.query.tree import ALL, Condition, Op, Tree, grow

DEFAULT_LIMIT: Annotated[int, Doc("rows of a query that names no `limit`"), Bound()] = 1000
MAX_CONDITIONS: Annotated[int, Doc("conditions of a query"), Bound("BadRequest")] = 100
MAX_FIELDS: Annotated[int, Doc("names in the `fields` of a query"), Bound("BadRequest")] = 200
MAX_LIMIT: Annotated[int, Doc("rows of one page of a query; a larger `limit` means this one"), Bound()] = (
    100_000
)
MAX_INTEGER = 2**31 - 1  # of limit and start
MAX_TEXT = 128  # characters of the client's text that an error message repeats

_OPERATOR = re.compile(r"!\?=|!~=|!=|>=|<=|~=|\?=|=|>|<| is null| not null")
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{0,20})?([eE]\+?[0-9]{1,2})?")
_NO_SORT = frozenset(("null", "true", "false"))  # what one Java SDK sends in place of the field


class Direction(StrEnum):
    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True)
class Sort:
    """The one field by which the client orders."""

    field: str
    direction: Direction = Direction.ASC


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. Its names are still the client's words."""

    inventory: str  # name of the root, `Zone`
    where: Tree = ALL
    uuid: str | None = None  # of GET /{uuid}: the primary key, and nothing else but `fields` matters
    limit: int = DEFAULT_LIMIT
    start: int = 0
    count: bool = False  # only the total
    with_total: bool = False  # the total beside the rows
    group_by: str | None = None
    sort: Sort | None = None
    fields: tuple[str, ...] = ()  # empty: all


def parse_condition(text: str) -> Condition:
    """Split one condition into path, operator and value; the operator is the leftmost one, the longest there.

    The name is trimmed, the value is not. What follows `is null` and `not null` is ignored.

    >>> parse_condition("name=web-1")
    Condition(path=('name',), op=<Op.EQ: '='>, value='web-1')
    >>> parse_condition("name=a!=b").value  # the first operator counts, not the first of a list
    'a!=b'
    >>> parse_condition("vmNics.ip!?=10.0.0.1,10.0.0.2")
    Condition(path=('vmNics', 'ip'), op=<Op.NOT_IN: '!?='>, value='10.0.0.1,10.0.0.2')
    >>> parse_condition(" uuid = x")
    Condition(path=('uuid',), op=<Op.EQ: '='>, value=' x')
    >>> parse_condition("description is null")
    Condition(path=('description',), op=<Op.IS_NULL: 'is null'>, value='')
    >>> parse_condition("name is not null").path  # no such field, as on the product
    ('name is',)
    >>> parse_condition("name=")
    Traceback (most recent call last):
    zstack_mgmt.core.errors.BadRequest: the condition 'name=' has no value; an empty text cannot be queried

    Raises:
        BadRequest: no operator, no name, no value, or text that PostgreSQL cannot hold.

    Source: ours where the product looks for operators one by one and splits `name=a!=b` at the wrong one.
    """
    shown = repr(text[:MAX_TEXT])
    if not _is_storable(text):
        raise BadRequest(f"the condition {shown} holds a character that no text can hold")
    found = _OPERATOR.search(text)
    if found is None:
        known = " ".join(op.value for op in Op)
        raise BadRequest(
            f"the condition {shown} has no operator; write name, operator, value with one of {known}"
        )
    op = Op(found.group().strip())
    path = tuple(text[: found.start()].strip().split("."))
    if "" in path:
        raise BadRequest(f"the condition {shown} names no field before its operator {op.value!r}")
    if op in (Op.IS_NULL, Op.NOT_NULL):
        return Condition(path, op)
    value = text[found.end() :]
    if not value:
        raise BadRequest(f"the condition {shown} has no value; an empty text cannot be queried")
    return Condition(path, op, value)


def parse_sort(text: str) -> Sort | None:
    """The field and direction of `sort`; None when it names none.

    >>> parse_sort("-name")
    Sort(field='name', direction=<Direction.DESC: 'desc'>)
    >>> parse_sort("+name") == parse_sort(" name") == parse_sort("name") == Sort("name")
    True
    >>> parse_sort("+null") is parse_sort("-true") is parse_sort("false") is None
    True
    """
    text = text.strip()
    sign, field = (text[0], text[1:].strip()) if text[:1] in ("+", "-") else ("+", text)
    if not text or field in _NO_SORT:
        return None
    return Sort(field, Direction.DESC if sign == "-" else Direction.ASC)


def parse_integer(name: str, text: str) -> int:
    """The integer of `limit` or `start`; integral floats such as `20.0` or `2.5E3` count.

    >>> parse_integer("limit", "20.0"), parse_integer("limit", " 7 "), parse_integer("start", "-1")
    (20, 7, -1)

    Raises:
        BadRequest: not an integer of 32 bits.
    """
    text = text.strip()
    if _INTEGER.fullmatch(text):
        value = Decimal(text)
        if value == value.to_integral_value() and abs(value) <= MAX_INTEGER:
            return int(value)
    raise BadRequest(f"parameter {name!r}: {text[:MAX_TEXT]!r} is not an integer up to {MAX_INTEGER}")


def parse_parameters(inventory: str, parameters: Iterable[tuple[str, str]], uuid: str | None = None) -> Query:
    """The query that the parameters of a request make; those that are unknown are ignored.

    All occurrences of `q`, `condition` and `fields` count, and the first of the others. Beside a
    `uuid`, only `fields` is read.

    Raises:
        BadRequest: a condition, `limit` or `start` is malformed.
        InternalError: a negative `limit` or `start`, or an unknown `sortDirection`.

    Source: manual, "Query API"; `condition`, `sortBy` and `sortDirection` are the manual's spelling, `q` and
    `sort` that of the clients.
    """
    conditions: list[str] = []
    fields: dict[str, None] = {}
    single: dict[str, str] = {}
    for name, value in parameters:
        match name:
            case "q" | "condition":
                conditions.append(value)
            case "fields":
                fields.update(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
            case _:
                single.setdefault(name, value)
    if len(conditions) > MAX_CONDITIONS or len(fields) > MAX_FIELDS:
        raise BadRequest(f"a query takes at most {MAX_CONDITIONS} conditions and {MAX_FIELDS} fields")
    if uuid is not None:
        if not _is_storable(uuid):
            raise BadRequest("the uuid in the path holds a character that no text can hold")
        return Query(inventory, uuid=uuid.lower(), fields=tuple(fields))
    return Query(
        inventory,
        where=grow([parse_condition(text) for text in conditions]),
        limit=min(MAX_LIMIT, _not_negative("limit", single, DEFAULT_LIMIT)),
        start=_not_negative("start", single, 0),
        count=_is_true(single, "count"),
        with_total=_is_true(single, "replyWithCount"),
        group_by=single.get("groupBy", "").strip() or None,
        sort=_sort(single),
        fields=tuple(fields),
    )


def split_list(text: str) -> Sequence[str]:
    """The items of `?=` and `!?=`: trimmed; trailing empty ones are dropped, but one item always remains.

    >>> split_list("a, b,,c,,"), split_list(",,")
    (('a', 'b', '', 'c'), ('',))
    """
    items = [part.strip() for part in text.split(",")]
    while len(items) > 1 and not items[-1]:
        items.pop()
    return tuple(items)


def _sort(single: dict[str, str]) -> Sort | None:
    sort = parse_sort(single.get("sort", ""))
    if sort is not None:
        return sort
    by = parse_sort(single.get("sortBy", ""))
    direction = single.get("sortDirection", "").strip().lower()
    if direction not in ("", *Direction):
        raise InternalError(f"sortDirection is {direction[:MAX_TEXT]!r}, but can be asc or desc")
    return Sort(by.field, Direction(direction)) if by and direction else by


def _not_negative(name: str, single: dict[str, str], default: int) -> int:
    if name not in single:
        return default
    value = parse_integer(name, single[name])
    if value < 0:
        raise InternalError(f"parameter {name!r} is {value}, but cannot be negative")
    return value


def _is_true(single: dict[str, str], name: str) -> bool:
    return single.get(name, "").strip().lower() == "true"


def _is_storable(text: str) -> bool:
    # NUL has no place in PostgreSQL's text, and half of a surrogate pair has none in UTF-8.
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
