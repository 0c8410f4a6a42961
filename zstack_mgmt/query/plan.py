"""The plan: a query with every name resolved, every value parsed and the caller's scope added.

A plan has two halves. `Select` is its shape, made of identifiers only; equal shapes have equal SQL, so the
text is compiled once and PostgreSQL prepares it once. `values` is what the shape's slots are bound to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from zstack_mgmt.core.callers import Caller
from zstack_mgmt.core.inventory import Field, Kind, Link, ListColumn, Meta
from zstack_mgmt.query import catalog, coerce
from zstack_mgmt.query.catalog import TAGS, Column
from zstack_mgmt.query.coerce import Value
from zstack_mgmt.query.parser import Direction, Query, split_list
from zstack_mgmt.query.tree import Condition, Op, Tree

_POSITIVE = {Op.NE: Op.EQ, Op.NOT_IN: Op.IN, Op.NOT_LIKE: Op.LIKE, Op.IS_NULL: Op.NOT_NULL}
_FINDING = (Op.EQ, Op.IN, Op.LIKE)
_LISTED = (Op.EQ, Op.NE, Op.IN, Op.NOT_IN)
_TAG = Column("tag", "text", nullable=False)


class Scope(NamedTuple):
    """Whose eyes the query looks through."""

    account_uuid: str
    sees_all: bool

    @classmethod
    def of(cls, caller: Caller) -> Scope:
        """What the caller may see: an administrator everything."""
        return cls(caller.account_uuid, caller.is_admin)


@dataclass(frozen=True, slots=True)
class Compare:
    """A column against the values from `slot` on."""

    column: Column
    op: Op
    slot: int


@dataclass(frozen=True, slots=True)
class ListTest:
    """The elements of a list field against the values from `slot` on."""

    table: str
    owner_column: str
    element: Column
    op: Op
    slot: int


@dataclass(frozen=True, slots=True)
class TagTest:
    """The row has a tag that matches, or with `negated` has none; `types` is the slot of resource types."""

    tag_type: str
    tag: Column
    op: Op
    negated: bool
    types: int
    slot: int


@dataclass(frozen=True, slots=True)
class Visible:
    """The account sees the row: it owns it, or it is shared with it or with the public. Both are slots."""

    account: int
    resource_type: int


@dataclass(frozen=True, slots=True)
class Private:
    """The row belongs to the account that its column names."""

    column: str
    account: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table that pass every test."""

    table: str
    key: Column
    tests: tuple[Compare | ListTest | TagTest, ...] = ()
    scope: Visible | Private | None = None
    hops: tuple[Hop, ...] = ()
    groups: tuple[tuple[Rows, ...], ...] = ()  # of each, one must fit this same row


@dataclass(frozen=True, slots=True)
class Hop:
    """There is a linked row among `rows`."""

    name: str
    own_column: str
    target_column: str
    through: tuple[str, str, str] | None
    rows: Rows


@dataclass(frozen=True, slots=True)
class Order:
    column: Column
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Select:
    """The shape of a query: what to read, from which rows, in which order. `slots` counts the values."""

    columns: tuple[Column, ...]
    rows: Rows
    order: tuple[Order, ...]
    group_by: Column | None = None
    slots: int = 0
    paged: bool = True  # limit and start are the two values after the last slot


@dataclass(frozen=True, slots=True)
class Plan:
    """A shape, the values of its slots, and what to answer with."""

    select: Select
    values: tuple[Value, ...]
    meta: Meta = field(repr=False)
    fields: tuple[Field, ...] = field(repr=False)
    limit: int = 0
    start: int = 0
    count: bool = False
    with_total: bool = False


def make_plan(query: Query, scope: Scope, zone: ZoneInfo, *, exact: bool = False) -> Plan:
    """Resolve a query against the catalog.

    Args:
        exact: the case of letters in texts counts.

    Raises:
        InvalidArgument: an unknown or hidden field of the root, or a bad name in `fields`.
        InternalError: an unknown nested name, sort or groupBy field, or a value that does not parse.
    """
    meta = catalog.meta_of(query.inventory)
    fields = catalog.output_fields(meta, query.fields)
    build = _Builder(scope, zone, exact=exact)
    key = catalog.key_of(meta)
    columns = read_columns(meta, fields)
    if query.uuid is not None:
        slot = build.bind(coerce.bound_values(key.name, Op.EQ, query.uuid, zone, kind=key.kind))
        rows = Rows(meta.table, key, (Compare(key, Op.EQ, slot),), build.scope(meta))
        select = Select(columns, rows, (), None, len(build.values), paged=False)
        return Plan(select, tuple(build.values), meta, fields, limit=1)
    rows = build.rows(meta, query.where)
    group = query.group_by and catalog.column_of(meta, catalog.order_field(meta, query.group_by, "groupBy"))
    order = (Order(key),)
    if query.sort is not None:
        column = build.compared(catalog.column_of(meta, catalog.order_field(meta, query.sort.field, "sort")))
        descending = query.sort.direction is Direction.DESC
        order = (Order(column, descending), Order(key, descending))
        if column.name == key.name:
            order = order[1:]
    select = Select(columns, rows, order, group or None, len(build.values))
    return Plan(
        select,
        tuple(build.values),
        meta,
        fields,
        query.limit,
        query.start,
        query.count,
        query.with_total,
    )


@lru_cache(1024)
def read_columns(meta: Meta, fields: tuple[Field, ...]) -> tuple[Column, ...]:
    """What to read of a row for these fields: theirs first, then those that only we need."""
    shown = tuple(catalog.column_of(meta, f) for f in fields if reads_column(meta, f))
    return shown + hidden_columns(meta, fields)


def reads_column(meta: Meta, f: Field) -> bool:
    """Whether the field comes from the row itself and not from rows of another table."""
    return f.name not in meta.lists and f.name not in meta.nested


def hidden_columns(meta: Meta, fields: tuple[Field, ...]) -> tuple[Column, ...]:
    """Columns that are read without being returned: those by which lists and nested inventories are found."""
    names = {meta.links[meta.nested[f.name]].own_column for f in fields if f.name in meta.nested}
    if any(f.name in meta.lists for f in fields):
        names.add(meta.primary_key)
    return tuple(own_column(meta, name) for name in sorted(names))


def own_column(meta: Meta, name: str) -> Column:
    """A column by its own name, which may be that of no field; it is then a key or a uuid."""
    declared = next((f for f in meta.fields if f.attribute == name), None)
    if declared is not None:
        return catalog.column_of(meta, declared)
    return catalog.key_of(meta) if name == meta.primary_key else Column(name, "text")


def _asks_tags(tree: Tree) -> bool:
    """Whether a condition is on the tags of this very row."""
    tagged = any(condition.name in TAGS for condition in tree.conditions)
    return tagged or any(_asks_tags(each) for group in tree.groups for each in group)


class _Builder:
    """Collects the values while the shape grows, so that each condition knows its slot."""

    def __init__(self, scope: Scope, zone: ZoneInfo, *, exact: bool) -> None:
        self._scope = scope
        self._zone = zone
        self._exact = exact
        self._account = -1
        self.values: list[Value] = []

    def bind(self, values: tuple[Value, ...]) -> int:
        """Append the values; returns the slot of the first."""
        self.values.extend(values)
        return len(self.values) - len(values)

    def rows(self, meta: Meta, tree: Tree, path: tuple[str, ...] = (), *, scoped: bool = True) -> Rows:
        tests = tuple(test for condition in tree.conditions for test in self._tests(meta, condition))
        scope = self.scope(meta, behind_link=bool(path)) if scoped else None
        hops: list[Hop] = []
        for name, branch in tree.links:
            target = catalog.link_target(meta, name, (*path, name))
            link: Link = meta.links[name]
            # Whoever sees a row sees those that are nested in it, but not their tags.
            shown = name in meta.nested.values() and not _asks_tags(branch)
            rows = self.rows(target, branch, (*path, name), scoped=not shown)
            hops.append(Hop(name, link.own_column, link.target_column, link.through, rows))
        groups = tuple(
            tuple(self.rows(meta, each, path, scoped=False) for each in group) for group in tree.groups
        )
        return Rows(meta.table, catalog.key_of(meta), tests, scope, tuple(hops), groups)

    def scope(self, meta: Meta, *, behind_link: bool = False) -> Visible | Private | None:
        """The filter of this inventory's rows; some are filtered only where a link leads to them."""
        private = meta.account_column or (meta.link_account_column if behind_link else None)
        if self._scope.sees_all or not (meta.owned or private):
            return None
        if self._account < 0:
            self._account = self.bind((self._scope.account_uuid,))
        if private:
            return Private(private, self._account)
        return Visible(self._account, self.bind((meta.base_type,)))

    def compared(self, column: Column) -> Column:
        """The column as this query compares it."""
        return column if self._exact else catalog.compared(column)

    def _tests(self, meta: Meta, condition: Condition) -> Iterator[Compare | ListTest | TagTest]:
        found = catalog.condition_field(meta, condition.path)
        op = condition.op
        if found is None:
            positive = _POSITIVE.get(op)
            types = self.bind((tuple(dict.fromkeys((meta.resource_type, meta.base_type))),))
            slot = self._bind_text(condition, positive or op, "text", fold=not self._exact)
            tag = self.compared(_TAG)
            yield TagTest(TAGS[condition.name], tag, positive or op, positive is not None, types, slot)
        elif isinstance(found, ListColumn):
            slot = self._bind_text(condition, op, found.kind, fold=not self._exact)
            element = self.compared(Column(found.value_column, found.kind))
            yield ListTest(found.table, found.owner_column, element, op, slot)
        else:
            yield from self._compares(meta, found, condition)

    def _compares(self, meta: Meta, declared: Field, condition: Condition) -> Iterator[Compare]:
        """One comparison; of an exact one that finds, also the folded one, since that has the indexes.

        One of an enumeration names its values as they are kept: to fold the column takes ten times as long,
        and PostgreSQL knows how frequent the values are, but not the folded ones.
        """
        op, column = condition.op, catalog.column_of(meta, declared)
        if declared.choices and op in _LISTED and not self._exact:
            known = {coerce.fold(choice): choice for choice in declared.choices}
            texts = split_list(condition.value) if op in (Op.IN, Op.NOT_IN) else (condition.value,)
            spelled = ",".join(known.get(coerce.fold(text), text) for text in texts)
            condition = replace(condition, value=spelled)
            yield Compare(column, op, self._bind_text(condition, op, column.kind, fold=False))
            return
        folded = catalog.compared(column)
        plain = self._exact or op in (Op.IS_NULL, Op.NOT_NULL)
        if not plain or (op in _FINDING and folded.folded):
            yield Compare(folded, op, self._bind_text(condition, op, column.kind, fold=True))
        if plain:
            yield Compare(column, op, self._bind_text(condition, op, column.kind, fold=False))

    def _bind_text(self, condition: Condition, op: Op, kind: Kind, *, fold: bool) -> int:
        text = coerce.fold(condition.value) if fold and kind == "text" else condition.value
        return self.bind(coerce.bound_values(".".join(condition.path), op, text, self._zone, kind=kind))
