"""The SQL of a resource type's rows, written from the inventory's declaration.

Names of tables and columns come from declarations, values are bound: nothing that a client sends is here.
"""
# ruff: noqa: S608  (the rule cannot see the above)

from __future__ import annotations

from functools import lru_cache
from typing import Literal, LiteralString, cast

from zstack_mgmt.core.inventory import INVENTORIES, Field, Inventory, Meta

Lock = Literal["KEY SHARE", "NO KEY UPDATE", "UPDATE"]


def _statement(text: str) -> LiteralString:
    """The confession: what this module has put together passes for a literal."""
    return cast("LiteralString", text)


@lru_cache(None)
def columns_of(meta: Meta) -> frozenset[str]:
    """The columns that can be written: those of the inventory, and the hidden ones."""
    return frozenset(f.attribute for f in meta.fields if _is_column(meta, f)) | {*meta.hidden}


@lru_cache(None)
def documents_of(meta: Meta) -> frozenset[str]:
    """What holds JSON of a row as it is read."""
    elsewhere = {*meta.lists, *meta.nested}
    return frozenset(
        f.attribute
        for f in meta.fields
        if f.kind in ("list", "object") and f.name not in elsewhere and meta.computed.get(f.attribute) != ""
    )


@lru_cache(None)
def insertion(meta: Meta, names: tuple[str, ...]) -> LiteralString:
    """Insert a row; binds the columns in their order."""
    slots = ", ".join(f"${i}" for i in range(1, len(names) + 1))
    return _statement(
        f"INSERT INTO {meta.table} AS t ({', '.join(_checked(meta, names))}) VALUES ({slots})"
        f" RETURNING {_shown(meta)}"
    )


@lru_cache(None)
def selection(meta: Meta, lock: Lock | None, by: str, *, scoped: bool) -> LiteralString:
    """Read a row, and lock it; binds the value of its column `by` and, if `scoped`, its owner's uuid."""
    where = _where(meta, scoped, *_checked(meta, (by,)))
    locked = f" FOR {lock}" if lock else ""
    return _statement(f"SELECT {_shown(meta)} FROM {meta.table} t WHERE {where}{locked}")


@lru_cache(None)
def change(meta: Meta, names: tuple[str, ...], *, scoped: bool) -> LiteralString:
    """Set columns of a row; binds its uuid, if `scoped` its owner's, then the columns in their order."""
    sets = [f"{name} = ${i}" for i, name in enumerate(_checked(meta, names), 3 if scoped else 2)]
    if "last_op_date" in columns_of(meta):
        sets.append("last_op_date = now()")
    return _statement(
        f"UPDATE {meta.table} t SET {', '.join(sets)} WHERE {_where(meta, scoped)} RETURNING {_shown(meta)}"
    )


@lru_cache(None)
def deletion(meta: Meta, *, scoped: bool) -> LiteralString:
    """Delete a row and return true; binds its uuid and, if `scoped`, its owner's."""
    return _statement(f"DELETE FROM {meta.table} t WHERE {_where(meta, scoped)} RETURNING true")


@lru_cache(None)
def linking(meta: Meta, name: str) -> LiteralString:
    """Tie rows by a link that has a table of its own; binds our uuid and the others'."""
    table, for_us, for_target = _through(meta, name)
    return _statement(
        f"INSERT INTO {table} ({for_us}, {for_target}) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING"
    )


@lru_cache(None)
def unlinking(meta: Meta, name: str) -> LiteralString:
    """Take such ties away; binds our uuid and the others'."""
    table, for_us, for_target = _through(meta, name)
    return _statement(f"DELETE FROM {table} WHERE {for_us} = $1 AND {for_target} = ANY ($2)")


@lru_cache(None)
def nested(meta: Meta) -> tuple[tuple[str, type[Inventory], str, LiteralString], ...]:
    """Each nested list: its attribute and inventory, the column it hangs on, and the SQL that reads it."""
    found: list[tuple[str, type[Inventory], str, LiteralString]] = []
    for name, link_name in meta.nested.items():
        link = meta.links[link_name]
        target = INVENTORIES[link.target]
        inner = target.meta
        source, owner = f"{inner.table} t", f"t.{link.target_column}"
        if link.through is not None:
            table, for_us, for_target = link.through
            source += f" JOIN {table} r ON r.{for_target} = t.{link.target_column}"
            owner = f"r.{for_us}"
        order = f"t.{link.order_by or inner.primary_key}, t.{inner.primary_key}"
        text = f"SELECT {_shown(inner)} FROM {source} WHERE {owner} = $1 ORDER BY {order}"
        found.append((meta.by_name[name].attribute, target, link.own_column, _statement(text)))
    return tuple(found)


def _through(meta: Meta, name: str) -> tuple[str, str, str]:
    through = meta.links[name].through
    if through is None:
        raise TypeError(f"the link {name} of {meta.name} has no table of its own")
    return through


def _is_column(meta: Meta, f: Field) -> bool:
    return f.attribute not in meta.computed and f.name not in meta.lists and f.name not in meta.nested


def _checked(meta: Meta, names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = {*names} - columns_of(meta)
    if unknown:
        raise TypeError(f"{meta.name} has no columns {sorted(unknown)}")
    return names


def _shown(meta: Meta) -> str:
    """What is read of a row: the fields that are in it, and the plain lists that hang on it."""
    parts: list[str] = []
    for f in meta.fields:
        if f.name in meta.lists:
            column = meta.lists[f.name]
            key = f"l.{column.owner_column} = t.{meta.primary_key}"
            order = ", ".join(
                dict.fromkeys((f"l.{column.order_by or column.value_column}", f"l.{column.value_column}"))
            )
            text = f"ARRAY(SELECT l.{column.value_column} FROM {column.table} l WHERE {key} ORDER BY {order})"
        elif f.attribute in meta.computed:
            text = meta.computed[f.attribute].replace("{row}", "t")
        elif f.name in meta.nested:
            continue
        else:
            text = f"t.{f.attribute}::float8" if f.kind == "number" else f"t.{f.attribute}"
        if text:
            parts.append(f"{text} AS {f.attribute}")
    return ", ".join(parts)


def _where(meta: Meta, scoped: bool, by: str = "") -> str:
    mine = f"t.{by or meta.primary_key} = $1"
    if not scoped:
        return mine
    owners = "SELECT FROM resource_owners o WHERE o.resource_uuid = t.uuid AND o.account_uuid = $2"
    return f"{mine} AND EXISTS ({owners})"
