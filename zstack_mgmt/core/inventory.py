"""Inventories: what a resource looks like on the wire, and where its rows are.

One declaration per resource type. Queries, the `schema` map, OpenAPI and the documentation derive from it.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import (
    Any,
    ClassVar,
    Literal,
    LiteralString,
    Protocol,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
)
from zoneinfo import ZoneInfo

from zstack_mgmt.core.values import format_date, wire_name
from zstack_mgmt.core.vocabulary import COMMON
from zstack_mgmt.doc import doc_of

Kind = Literal["text", "integer", "number", "boolean", "date", "list", "object"]
T = TypeVar("T", bound="Inventory")


class Row(Protocol):
    """Values by the names of their columns: a row of the database, or a dict."""

    def __getitem__(self, name: str, /) -> Any: ...

    def keys(self) -> Iterable[str]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One field: `name` on the wire, `attribute` in Python and, unless computed, the column of that name.

    Each is equal to itself only, so that it can key a cache.
    """

    name: str
    attribute: str
    kind: Kind
    nullable: bool
    choices: tuple[str, ...] = ()  # of an enumeration; empty: free text
    queryable: bool = True
    item: type[Inventory] | None = None  # what a list or object is made of, if that has a Java class
    doc: str = ""  # what it means


@dataclass(frozen=True, slots=True)
class Link:
    """A hop of a cross-table condition: rows of `target` whose `target_column` equals our `own_column`.

    `through` names a table of references between the two: (table, column for us, column for the target).
    The columns of a pair must have the same type and collation.
    """

    name: str
    target: str
    own_column: str
    target_column: str
    through: tuple[str, str, str] | None = None
    order_by: str = ""  # column of the target by which a nested list is ordered; its primary key otherwise


@dataclass(frozen=True, slots=True)
class ListColumn:
    """A list-valued field kept in another table: `value_column` where `owner_column` is our key."""

    name: str
    table: str
    owner_column: str
    value_column: str
    order_by: str = ""
    kind: Kind = "text"  # of one element


@dataclass(frozen=True, slots=True, eq=False)
class Meta:
    """The declaration of one inventory. Each is equal to itself only, so that it can key a cache."""

    name: str  # `Zone`; also the word in `QueryZone`
    noun: str  # `zone`, as error messages call one
    java_class: str
    table: str
    resource_type: str  # `ZoneVO`; the name under which tags, shares and owners know it
    base_type: str  # the type that ownership rows hold
    primary_key: str
    owned: bool  # rows have an owner: an account sees its own, what is shared with it and what is public
    fields: tuple[Field, ...]
    links: Mapping[str, Link]
    lists: Mapping[str, ListColumn]
    aliases: Mapping[str, str]  # further condition names of native fields
    nested: Mapping[str, str]  # field holding a list of inventories -> the link that fills it
    by_name: Mapping[str, Field] = field(repr=False)
    account_column: str | None = None  # of rows outside resource_owners that belong to one account
    link_account_column: str | None = None  # the same, for rows that are reached through a link only
    computed: Mapping[str, str] = field(default_factory=dict[str, str])
    java_fields: Mapping[str, str] = field(default_factory=dict[str, str])
    hidden: tuple[str, ...] = ()  # columns that are written and never shown


INVENTORIES: dict[str, type[Inventory]] = {}


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,))
class Inventory:
    """Base of the inventories: frozen, slotted dataclasses with a `meta`."""

    meta: ClassVar[Meta]

    @classmethod
    def from_row(cls, row: Row) -> typing.Self:
        """Build it from a row that has a column for each field that is not computed."""
        return cls(**{f.attribute: row[f.attribute] for f in cls.meta.fields if f.attribute in row.keys()})  # noqa: SIM118

    def to_json(self, zone: ZoneInfo) -> dict[str, Any]:
        """The wire form: camelCase names, no nulls, dates in the manual's form and the server's zone."""
        body: dict[str, Any] = {}
        for f in self.meta.fields:
            value = getattr(self, f.attribute)
            if value is None:
                continue
            if f.kind == "date":
                body[f.name] = format_date(value, zone)
            elif f.kind == "list" and value and isinstance(value[0], Inventory):
                body[f.name] = [item.to_json(zone) for item in value]
            else:
                body[f.name] = value
        return body


def inventory(
    java_class: str,
    *,
    table: str,
    resource_type: str = "",
    base_type: str = "",
    primary_key: str = "uuid",
    owned: bool = False,
    links: tuple[Link, ...] = (),
    lists: tuple[ListColumn, ...] = (),
    aliases: Mapping[str, str] | None = None,
    nested: Mapping[str, str] | None = None,
    not_queryable: tuple[str, ...] = (),
    account_column: str | None = None,
    link_account_column: str | None = None,
    computed: Mapping[str, LiteralString] | None = None,
    java_fields: Mapping[str, str] | None = None,
    hidden: tuple[LiteralString, ...] = (),
    name: str = "",
    noun: str = "",
) -> Callable[[type[T]], type[T]]:
    """Declare a resource type. `name` defaults to the class's; snake_case becomes the wire's camelCase.

    Args:
        account_column: for rows that are private to an account but not listed in resource_owners: the
            column with its uuid.
        computed: attributes that are no column of the table -> the SQL expression that yields them, in
            which `{row}` stands for the row; an empty expression: queries do not read the attribute.
            A constant is written `coalesce(…)`, since results are not ordered by constants.
        java_fields: fields (wire names) whose value has a Java class in the `schema` map, such as an
            enumeration.
        hidden: columns that are written and never shown, such as the hash of a password.
        noun: what error messages call one; the words of the name by default.
    """

    def decorate(cls: type[T]) -> type[T]:
        made: type[T] = dataclasses.dataclass(frozen=True, slots=True, kw_only=True)(cls)
        hints = typing.get_type_hints(made, include_extras=True)
        fields = tuple(
            _field(f.name, hints[f.name], queryable=f.name not in not_queryable)
            for f in dataclasses.fields(typing.cast("Any", made))
        )
        label = name or cls.__name__
        kind = resource_type or f"{label}VO"
        made.meta = Meta(
            name=label,
            noun=noun or re.sub(r"(?<=[a-z0-9])[A-Z]", r" \g<0>", label).lower(),
            java_class=java_class,
            table=table,
            resource_type=kind,
            base_type=base_type or kind,
            primary_key=primary_key,
            owned=owned,
            fields=fields,
            links={link.name: link for link in links},
            lists={column.name: column for column in lists},
            aliases=aliases or {},
            nested=nested or {},
            by_name={f.name: f for f in fields},
            account_column=account_column,
            link_account_column=link_account_column,
            computed=computed or {},
            java_fields=java_fields or {},
            hidden=hidden,
        )
        if table:
            INVENTORIES[label] = made
        return made

    return decorate


def _field(attribute: str, hint: Any, *, queryable: bool) -> Field:
    nullable, doc = False, doc_of(hint) or COMMON.get(attribute, "")
    if get_origin(hint) is typing.Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, types.UnionType):
        inner = [arg for arg in get_args(hint) if arg is not type(None)]
        nullable = len(inner) < len(get_args(hint))
        hint = inner[0]
    if get_origin(hint) is typing.Annotated:
        hint = get_args(hint)[0]
    choices: tuple[str, ...] = ()
    if get_origin(hint) is Literal:
        choices = tuple(str(arg) for arg in get_args(hint))
        hint = str
    kinds: dict[Any, Kind] = {str: "text", bool: "boolean", int: "integer", float: "number", datetime: "date"}
    kind: Kind = kinds.get(hint, "object")
    if get_origin(hint) in (list, tuple) or hint in (list, tuple):
        kind = "list"
    part = next(iter(get_args(hint)), None) if kind == "list" else hint
    item = part if isinstance(part, type) and issubclass(part, Inventory) else None
    queryable = queryable and kind not in ("list", "object")
    return Field(wire_name(attribute), attribute, kind, nullable, choices, queryable, item, doc)
