"""From a plan's shape to SQL text: the only place where SQL is put together at run time.

Identifiers come from the shape, which has them from the catalog, and pass `quote`. The client's values are
never here: a condition knows only the number of its parameter. Declared expressions (`Meta.computed`) are the
one text that is taken as it is; the type checker sees that they are literals.
"""
# ruff: noqa: S608  (the rule cannot see the above)

from __future__ import annotations

from functools import lru_cache
from typing import LiteralString, cast

from zstack_mgmt.core.inventory import Kind, Link
from zstack_mgmt.query.catalog import Column
from zstack_mgmt.query.plan import Compare, Hop, ListTest, Order, Private, Rows, Select, TagTest, Visible
from zstack_mgmt.query.tree import Op

_TYPES: dict[Kind, str] = {
    "text": "text",
    "integer": "bigint",
    "number": "numeric",
    "boolean": "boolean",
    "date": "timestamptz",
}
_CACHED = 1024  # shapes whose text is kept


def quote(name: str) -> str:
    """An identifier as SQL text.

    >>> quote("uuid"), quote('odd"name')
    ('"uuid"', '"odd""name"')
    """
    return '"' + name.replace('"', '""') + '"'


def _statement(text: str) -> LiteralString:
    """The confession: what this module has put together passes for a literal, and nothing else does."""
    return cast("LiteralString", text)


@lru_cache(_CACHED)
def list_sql(select: Select) -> LiteralString:
    """The statement that reads a page. After the slots it binds limit and start, if the shape is paged.

    A grouped query takes of each group, NULL being one, the row with the smallest primary key.
    """
    rows = select.rows
    where = _where(rows, "t0", _Names())
    page = f" LIMIT ${select.slots + 1}::bigint OFFSET ${select.slots + 2}::bigint" if select.paged else ""
    columns = [_column("t0", column) for column in select.columns]
    order = [_value("t0", order.column) for order in select.order]
    source = f"{quote(rows.table)} t0{where}"
    if select.group_by is None:
        by = f" ORDER BY {_order(select.order, order)}" if order else ""
        return _statement(f"SELECT {', '.join(columns) or 'NULL'} FROM {source}{by}{page}")
    group = _group(select.group_by)
    inner = ", ".join(f"{text} AS c{i}" for i, text in enumerate((*columns, *order)))
    outer = ", ".join(f"g.c{i}" for i in range(len(columns)))
    by = _order(select.order, [f"g.c{len(columns) + i}" for i in range(len(order))])
    distinct = (
        f"SELECT DISTINCT ON ({group}) {inner} FROM {source} ORDER BY {group}, {_column('t0', rows.key)}"
    )
    return _statement(f"SELECT {outer} FROM ({distinct}) g ORDER BY {by}{page}")


@lru_cache(_CACHED)
def count_sql(select: Select) -> LiteralString:
    """The statement that counts all rows, or of a grouped query all groups. It binds the slots only."""
    source = f"{quote(select.rows.table)} t0{_where(select.rows, 't0', _Names())}"
    if select.group_by is None:
        return _statement(f"SELECT count(*) FROM {source}")
    return _statement(f"SELECT count(*) FROM (SELECT DISTINCT {_group(select.group_by)} FROM {source}) g")


def elements_sql(table: str, owner: Column, value_column: str, order_by: str) -> LiteralString:
    """The statement that reads (element, owner) of a list field for the owners in $1."""
    order = ", ".join(
        quote(name) for name in dict.fromkeys((owner.name, order_by or value_column, value_column))
    )
    return _statement(
        f"SELECT {quote(value_column)}, {quote(owner.name)} FROM {quote(table)}"
        f" WHERE {quote(owner.name)} = ANY ($1::{_TYPES[owner.kind]}[]) ORDER BY {order}"
    )


def nested_sql(link: Link, kind: Kind, table: str, key: Column, columns: tuple[Column, ...]) -> LiteralString:
    """The statement that reads the linked rows of the owners in $1, the owner's value as last column."""
    read = ", ".join(_column("t0", column) for column in columns)
    order = ", ".join(f"t0.{quote(name)}" for name in dict.fromkeys((link.order_by or key.name, key.name)))
    source = f"{quote(table)} t0"
    owner = f"t0.{quote(link.target_column)}"
    if link.through is not None:
        references, for_owner, for_target = link.through
        owner = f"r0.{quote(for_owner)}"
        source = (
            f"{quote(references)} r0 JOIN {source} ON t0.{quote(link.target_column)} = r0.{quote(for_target)}"
        )
    return _statement(
        f"SELECT {read}, {owner} FROM {source} WHERE {owner} = ANY ($1::{_TYPES[kind]}[]) ORDER BY {order}"
    )


class _Names:
    """Numbers the tables of one statement."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        self._last += 1
        return self._last


def _where(rows: Rows, alias: str, names: _Names) -> str:
    terms = _terms(rows, alias, names)
    return f" WHERE {' AND '.join(terms)}" if terms else ""


def _terms(rows: Rows, alias: str, names: _Names) -> list[str]:
    terms: list[str] = []
    for test in rows.tests:
        match test:
            case Compare():
                terms.append(_compare(_value(alias, test.column), test.column.kind, test.op, test.slot))
            case ListTest():
                terms.append(_list_test(test, _column(alias, rows.key)))
            case TagTest():
                terms.append(_tag_test(test, _column(alias, rows.key), rows.key.kind))
    match rows.scope:
        case Visible() as scope:
            terms.append(_visible(scope, _column(alias, rows.key), _bounds(rows)))
        case Private() as scope:
            terms.append(f"{alias}.{quote(scope.column)} = ${scope.account + 1}::text")
        case None:
            pass
    terms.extend(_hop(hop, alias, names) for hop in rows.hops)
    for group in rows.groups:
        fits = (" AND ".join(_terms(each, alias, names)) for each in group)
        terms.append(f"({' OR '.join(f'({each})' for each in fits)})")
    return terms


def _compare(column: str, kind: Kind, op: Op, slot: int) -> str:
    """One comparison. The NULL rules are SQL's: no operator but `is null` matches a NULL."""
    first, second = f"${slot + 1}", f"${slot + 2}"
    type_ = _TYPES[kind]
    match op:
        case Op.IS_NULL:
            return f"{column} IS NULL"
        case Op.NOT_NULL:
            return f"{column} IS NOT NULL"
        case Op.LIKE | Op.NOT_LIKE:
            text = column if kind == "text" else f"{column}::text"
            if kind == "date":
                text = f"to_char({column} AT TIME ZONE {second}::text, 'YYYY-MM-DD HH24:MI:SS')"
            return f"{text} {'LIKE' if op is Op.LIKE else 'NOT LIKE'} {first}::text"
        case _ if kind == "date":
            return _compare_date(column, op, first, second)
        case Op.IN:
            return f"{column} = ANY ({first}::{type_}[])"
        case Op.NOT_IN:
            return f"{column} <> ALL ({first}::{type_}[])"
        case _:
            return f"{column} {'<>' if op is Op.NE else op.value} {first}::{type_}"


def _compare_date(column: str, op: Op, first: str, second: str) -> str:
    """Dates are stretches, see `coerce.bound_values`."""
    match op:
        case Op.EQ:
            return f"({column} >= {first}::timestamptz AND {column} < {second}::timestamptz)"
        case Op.NE:
            return f"({column} < {first}::timestamptz OR {column} >= {second}::timestamptz)"
        case Op.IN | Op.NOT_IN:
            stretches = f"unnest({first}::timestamptz[], {second}::timestamptz[]) AS s (a, b)"
            inside = f"EXISTS (SELECT 1 FROM {stretches} WHERE {column} >= s.a AND {column} < s.b)"
            return inside if op is Op.IN else f"({column} IS NOT NULL AND NOT {inside})"
        case Op.GT | Op.GE:
            return f"{column} >= {first}::timestamptz"
        case _:
            return f"{column} < {first}::timestamptz"


def _list_test(test: ListTest, key: str) -> str:
    """Some element passes; but `!?=` and `is null` say that no element does."""
    mine = f"SELECT 1 FROM {quote(test.table)} l WHERE l.{quote(test.owner_column)} = {key}"
    element = _value("l", test.element)
    match test.op:
        case Op.IS_NULL:
            return f"NOT EXISTS ({mine})"
        case Op.NOT_NULL:
            return f"EXISTS ({mine})"
        case Op.NOT_IN:
            return f"NOT EXISTS ({mine} AND {_compare(element, test.element.kind, Op.IN, test.slot)})"
        case _:
            return f"EXISTS ({mine} AND {_compare(element, test.element.kind, test.op, test.slot)})"


def _tag_test(test: TagTest, key: str, kind: Kind) -> str:
    key = key if kind == "text" else f"{key}::text"
    found = (
        f"SELECT 1 FROM tags g WHERE g.resource_uuid = {key} AND g.type = '{test.tag_type}'"
        f" AND g.resource_type = ANY (${test.types + 1}::text[])"
    )
    if test.op is not Op.NOT_NULL:
        found += f" AND {_compare(_value('g', test.tag), 'text', test.op, test.slot)}"
    return f"{'NOT ' if test.negated else ''}EXISTS ({found})"


def _bounds(rows: Rows) -> str:
    """What the conditions say of the range of keys, for the table of owners.

    PostgreSQL does not conclude it: it read the owners from the first one on, for whichever page of a list.
    """
    return "".join(
        f" AND {_compare('o.resource_uuid', test.column.kind, test.op, test.slot)}"
        for test in rows.tests
        if isinstance(test, Compare) and test.column == rows.key and test.op in (Op.GT, Op.GE, Op.LT, Op.LE)
    )


def _visible(scope: Visible, key: str, bounds: str) -> str:
    """Own, shared to the account, public. A share without a receiver is to the public.

    Shared resources have an owner too, so the one table of owners decides, and PostgreSQL may start from
    either side: from few rows, and look their owners up, or from the few resources of a small account. The
    obvious UNION of owned and shared resources leaves it no choice: for an account with 100,000 VMs, finding
    one by its name took 95 ms instead of 0.05.
    """
    account, kind = f"${scope.account + 1}::text", f"${scope.resource_type + 1}::text"
    shared = (
        f"SELECT s.resource_uuid FROM resource_shares s WHERE s.resource_type = {kind}"
        f" AND (s.receiver_account_uuid = {account} OR s.receiver_account_uuid IS NULL)"
    )
    return (
        f"{key} IN (SELECT o.resource_uuid FROM resource_owners o WHERE o.resource_type = {kind}{bounds}"
        f" AND (o.account_uuid = {account} OR o.resource_uuid = ANY (ARRAY({shared}))))"
    )


def _hop(hop: Hop, alias: str, names: _Names) -> str:
    number = names.next()
    target = f"t{number}"
    own = f"{alias}.{quote(hop.own_column)}"
    source = f"{quote(hop.rows.table)} {target}"
    if hop.through is None:
        first = f"{target}.{quote(hop.target_column)} = {own}"
    else:
        table, for_own, for_target = hop.through
        reference = f"r{number}"
        join = f"{target}.{quote(hop.target_column)} = {reference}.{quote(for_target)}"
        source = f"{quote(table)} {reference} JOIN {source} ON {join}"
        first = f"{reference}.{quote(for_own)} = {own}"
    terms = [first, *_terms(hop.rows, target, names)]
    return f"EXISTS (SELECT 1 FROM {source} WHERE {' AND '.join(terms)})"


def _column(alias: str, column: Column) -> str:
    if column.expression:
        return f"({column.expression.replace('{row}', alias)})"
    return f"{alias}.{quote(column.name)}"


def _value(alias: str, column: Column) -> str:
    """The column as it is compared. The collation makes `lower` touch the letters that `coerce.fold` does."""
    text = _column(alias, column)
    return f'lower({text} COLLATE "C")' if column.folded else text


def _group(column: Column) -> str:
    """What rows are grouped by; a date as replies show it, in whole seconds."""
    text = _column("t0", column)
    return f"date_trunc('second', {text})" if column.kind == "date" else text


def _order(orders: tuple[Order, ...], columns: list[str]) -> str:
    """NULL is the smallest value, as on the product; said only where one can be, so that indexes serve."""
    parts: list[str] = []
    for order, column in zip(orders, columns, strict=True):
        text = f"{column} DESC" if order.descending else column
        if order.column.nullable:
            text += " NULLS LAST" if order.descending else " NULLS FIRST"
        parts.append(text)
    return ", ".join(parts)
