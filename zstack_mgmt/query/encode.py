"""From rows to the wire form of their inventory, without looking at declarations row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, LiteralString, Protocol
from zoneinfo import ZoneInfo

import orjson

from zstack_mgmt.core.inventory import Field, Meta
from zstack_mgmt.core.values import format_date
from zstack_mgmt.query import catalog
from zstack_mgmt.query.compile import elements_sql, nested_sql
from zstack_mgmt.query.plan import hidden_columns, own_column, read_columns, reads_column

Body = dict[str, Any]


class Row(Protocol):
    """Values by position."""

    def __getitem__(self, index: int, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


@dataclass(frozen=True, slots=True)
class Child:
    """A field whose value is in other rows: one statement reads it for a whole page."""

    name: str
    sql: LiteralString  # binds the owners; the last column is the owner again
    owner: int  # position of the owner's value in the row
    encoder: Encoder | None  # None: a list of plain values


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """How rows of one inventory become JSON objects; made once for each choice of fields."""

    java_class: str
    keys: tuple[str, ...]  # of the row's first columns
    dates: tuple[str, ...]
    numbers: tuple[str, ...]
    documents: tuple[str, ...]  # lists and objects kept in the row itself
    children: tuple[Child, ...]
    typed: tuple[tuple[str, Encoder | str], ...]  # fields with entries of their own in the schema map

    def bodies(self, rows: Sequence[Row], zone: ZoneInfo) -> list[Body]:
        """The objects of these rows, the children's fields still missing. NULLs are left out."""
        keys = self.keys
        # The row may go on with columns that are not returned.
        made = [
            {key: value for key, value in zip(keys, row, strict=False) if value is not None} for row in rows
        ]
        for key in self.dates:
            for body in made:
                if key in body:
                    body[key] = format_date(body[key], zone)
        for key in self.numbers:
            for body in made:
                if key in body:
                    body[key] = float(body[key])
        for key in self.documents:
            for body in made:
                if isinstance(body.get(key), str):
                    body[key] = orjson.loads(body[key])
        return made

    def schema(self, bodies: Sequence[Body], first: int = 0) -> dict[str, str]:
        """The schema map of a page: the path of each object and the server class behind it, parents first.

        Source: manual, "Query API", and the Java SDK, which reads the map in order.
        """
        if not self.typed:
            java_class = self.java_class
            return {f"inventories[{i}]": java_class for i in range(first, first + len(bodies))}
        found: dict[str, str] = {}
        for i, body in enumerate(bodies, first):
            self.describe(body, f"inventories[{i}]", found)
        return found

    def describe(self, body: Mapping[str, Any], path: str, found: dict[str, str]) -> None:
        """Add the entries of one object."""
        found[path] = self.java_class
        for name, kind in self.typed:
            value = body.get(name)
            if value is None:
                continue
            if isinstance(kind, str):
                found[f"{path}.{name}"] = kind
            elif isinstance(value, list):
                items: list[Body] = value  # pyright: ignore[reportUnknownVariableType]
                for i, item in enumerate(items):
                    kind.describe(item, f"{path}.{name}[{i}]", found)
            else:
                kind.describe(value, f"{path}.{name}", found)


@lru_cache(1024)
def encoder_of(meta: Meta, fields: tuple[Field, ...], outer: frozenset[str] = frozenset()) -> Encoder:
    """The encoder for rows that were read with `plan.make_plan`'s columns for these fields.

    `outer` names the inventories that this one is nested in; it does not nest them again.
    """
    read = [f for f in fields if reads_column(meta, f)]
    hidden = [column.name for column in hidden_columns(meta, fields)]
    children: list[Child] = []
    typed: list[tuple[str, Encoder | str]] = []
    for f in fields:
        if f.name in meta.lists:
            declared = meta.lists[f.name]
            owner = catalog.Column(declared.owner_column, catalog.key_of(meta).kind)
            sql = elements_sql(declared.table, owner, declared.value_column, declared.order_by)
            children.append(Child(f.name, sql, len(read) + hidden.index(meta.primary_key), None))
        elif f.name in meta.nested:
            link = meta.links[meta.nested[f.name]]
            target = catalog.meta_of(link.target)
            if target.name in outer | {meta.name}:
                continue
            inner_fields = catalog.output_fields(target, ())
            inner = encoder_of(target, inner_fields, outer | {meta.name})
            columns = read_columns(target, inner_fields)
            kind = own_column(meta, link.own_column).kind
            sql = nested_sql(link, kind, target.table, catalog.key_of(target), columns)
            children.append(Child(f.name, sql, len(read) + hidden.index(link.own_column), inner))
            typed.append((f.name, inner))
        elif f.item is not None:
            typed.append((f.name, _document_encoder(f.item.meta)))
        elif f.name in meta.java_fields:
            typed.append((f.name, meta.java_fields[f.name]))
    return Encoder(
        meta.java_class,
        tuple(f.name for f in read),
        tuple(f.name for f in read if f.kind == "date"),
        tuple(f.name for f in read if f.kind == "number"),
        tuple(f.name for f in read if f.kind in ("list", "object")),
        tuple(children),
        tuple(typed),
    )


def _document_encoder(meta: Meta) -> Encoder:
    """Only describes: the objects inside a document are stored in their wire form."""
    typed: list[tuple[str, Encoder | str]] = [
        (f.name, _document_encoder(f.item.meta)) for f in meta.fields if f.item is not None
    ]
    typed += meta.java_fields.items()
    return Encoder(meta.java_class, (), (), (), (), (), tuple(typed))
