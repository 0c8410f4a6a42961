"""What can be asked about: fields, links, lists and tags of every inventory, and their columns.

The only place where a client's word becomes an identifier of the database.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple

from zstack_mgmt.core.errors import InternalError, InvalidArgument, ResourceNotFound
from zstack_mgmt.core.inventory import INVENTORIES, Field, Kind, ListColumn, Meta

TAGS = {"__systemTag__": "System", "__userTag__": "User"}
"""The condition names of tags, and the type of tag that they mean."""

_NO_CAPITALS = re.compile(r"(.*_)?uuid|(vip_)?ip|mac")  # columns
_SHOWN = 64  # characters of an unknown name that an error message repeats, and that are compared


class Column(NamedTuple):
    """A column as SQL needs it: its name, or the declared expression that stands for it."""

    name: str
    kind: Kind
    nullable: bool = True
    expression: str = ""
    folded: bool = False  # compared without the case of its ASCII letters


def meta_of(name: str) -> Meta:
    """The declaration of an inventory.

    Raises:
        InternalError: a link names an inventory that no feature declares.
    """
    try:
        return INVENTORIES[name].meta
    except KeyError:
        raise InternalError(f"nothing is known about {name}") from None


def column_of(meta: Meta, field: Field) -> Column:
    """The column of a native field."""
    expression = meta.computed.get(field.attribute, "")
    return Column(field.attribute, field.kind, field.nullable, expression)


@lru_cache(4096)
def compared(column: Column) -> Column:
    """The column as conditions and orders compare it: text without case, as in ZStack's MySQL.

    What never holds a capital letter stays as it is, and so do the indexes on it.
    """
    plain = column.kind != "text" or (_NO_CAPITALS.fullmatch(column.name) and not column.expression)
    return column if plain else column._replace(folded=True)


@lru_cache(1024)
def key_of(meta: Meta) -> Column:
    """The primary key. One that is not among the fields is a number that the database gave."""
    field = next((f for f in meta.fields if f.attribute == meta.primary_key), None)
    return Column(meta.primary_key, field.kind if field else "integer", nullable=False)


def is_native(meta: Meta, field: Field) -> bool:
    """Whether the field is a plain value that queries read from the row itself."""
    return field.kind not in ("list", "object") and meta.computed.get(field.attribute) != ""


def condition_field(meta: Meta, path: tuple[str, ...]) -> Field | ListColumn | None:
    """What the last name of a condition's path means in the inventory that the path leads to; None: a tag.

    Raises:
        InvalidArgument: an unknown or hidden field of the root.
        InternalError: the same behind a link.

    Source: error codes as on the product, which resolves the two differently.
    """
    name = path[-1]
    if name in TAGS:
        return None
    if name in meta.lists:
        return meta.lists[name]
    field = meta.by_name.get(meta.aliases.get(name, name))
    if field is not None and field.queryable and is_native(meta, field):
        return field
    raise (InvalidArgument if len(path) == 1 else InternalError)(
        f"{meta.name} has no queryable field {_shown('.'.join(path))}{_hint(name, meta)}"
    )


def link_target(meta: Meta, name: str, path: tuple[str, ...]) -> Meta:
    """The inventory that a link leads to.

    Raises:
        InternalError: there is no such link; the message names the nearest ones.
    """
    link = meta.links.get(name)
    if link is None:
        raise InternalError(f"{meta.name} has no link {_shown('.'.join(path))}{nearest(name, meta.links)}")
    return meta_of(link.target)


def order_field(meta: Meta, name: str, parameter: str) -> Field:
    """The field of `sort` or `groupBy`.

    Raises:
        InternalError: it is no queryable native field.
    """
    field = meta.by_name.get(meta.aliases.get(name, name))
    if field is None or not field.queryable or not is_native(meta, field):
        known = [f.name for f in meta.fields if f.queryable]
        raise InternalError(f"{parameter}: {meta.name} has no field {_shown(name)}{nearest(name, known)}")
    return field


@lru_cache(1024)
def output_fields(meta: Meta, names: tuple[str, ...]) -> tuple[Field, ...]:
    """The fields to return, in the order of the declaration; all of them when no name is given.

    Raises:
        InvalidArgument: a name is not that of a native field.
    """
    asked = set(names)
    if not asked:
        return tuple(f for f in meta.fields if meta.computed.get(f.attribute) != "")
    native = [f for f in meta.fields if is_native(meta, f)]
    for name in sorted(asked - {f.name for f in native}):
        hint = nearest(name, [f.name for f in native])
        raise InvalidArgument(f"fields: {meta.name} has no native field {_shown(name)}{hint}")
    return tuple(f for f in native if f.name in asked)


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: up to three known names that resemble the unknown one.

    >>> nearest("nmae", ["name", "uuid", "state"]), nearest("zzz", ["name"])
    ('; did you mean name?', '')
    """
    lower = {word.lower(): word for word in known}
    close = get_close_matches(name[:_SHOWN].lower(), list(lower), n=3)
    return f"; did you mean {', '.join(lower[word] for word in close)}?" if close else ""


def describe(name: str = "") -> list[dict[str, Any]]:
    """What can be queried, of one inventory or of all: native fields with types, lists, links and aliases.

    Raises:
        ResourceNotFound: there is no such inventory.

    Source: ours; the product's command line has this baked in, and no API for it.
    """
    if not name:
        return [_describe(INVENTORIES[key].meta) for key in sorted(INVENTORIES)]
    found = {key.lower(): key for key in INVENTORIES}.get(name.lower().removesuffix("inventory"))
    if found is None:
        raise ResourceNotFound(f"there is no resource {_shown(name)}{nearest(name, INVENTORIES)}")
    return [_describe(INVENTORIES[found].meta)]


def _describe(meta: Meta) -> dict[str, Any]:
    fields: list[dict[str, Any]] = []
    for field in meta.fields:
        if is_native(meta, field):
            entry: dict[str, Any] = {"name": field.name, "type": field.kind, "nullable": field.nullable}
            if field.choices:
                entry["values"] = list(field.choices)
            fields.append(entry | {"queryable": field.queryable})
    links = [
        {"name": link.name, "target": link.target, "nested": link.name in meta.nested.values()}
        for link in meta.links.values()
        if link.target in INVENTORIES
    ]
    return {
        "name": meta.name,
        "javaClass": meta.java_class,
        "primaryKey": next(
            (f.name for f in meta.fields if f.attribute == meta.primary_key), meta.primary_key
        ),
        "fields": fields,
        "lists": [{"name": column.name, "type": column.kind} for column in meta.lists.values()],
        "links": links,
        "aliases": dict(meta.aliases),
        "tags": list(TAGS),
    }


def _hint(name: str, meta: Meta) -> str:
    if name in meta.links:
        return f"; it is a link to {meta.links[name].target}, so name a field behind it, as in {name}.uuid"
    return nearest(
        name, [f.name for f in meta.fields if f.queryable] + [*meta.lists, *meta.links, *meta.aliases]
    )


def _shown(name: str) -> str:
    return repr(name if len(name) <= _SHOWN else name[:_SHOWN] + "...")
