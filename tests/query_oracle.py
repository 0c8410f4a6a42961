"""What a query should find, worked out row by row in plain Python: the meaning that the SQL must have."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from query_world import Rows
from zstack_mgmt.core.inventory import INVENTORIES, Meta

TAG_TYPES = {"__systemTag__": "System", "__userTag__": "User"}
POSITIVE = {"!=": "=", "!?=": "?=", "!~=": "~=", "is null": "not null"}


@dataclass(frozen=True)
class Asked:
    """One condition."""

    path: tuple[str, ...]
    op: str
    value: str = ""

    @property
    def text(self) -> str:
        gap = " " if self.op.endswith("null") else ""
        return f"{'.'.join(self.path)}{gap}{self.op}{self.value}"


def find(rows: Rows, name: str, asked: list[Asked], account: str | None) -> list[dict[str, Any]]:
    """The rows of an inventory that match; `account` None sees all."""
    meta = INVENTORIES[name].meta
    return [row for row in rows[meta.table] if matches(rows, meta, row, asked, account)]


def matches(
    rows: Rows,
    meta: Meta,
    row: dict[str, Any],
    asked: list[Asked],
    account: str | None,
    *,
    nested: bool = False,
) -> bool:
    """`nested`: the row is shown within one that is visible."""
    if account is not None and not nested and not visible(rows, meta, row, account):
        return False
    groups: dict[str, list[Asked]] = {}
    for one in asked:
        if len(one.path) == 1:
            if not holds(rows, meta, row, one):
                return False
        else:
            groups.setdefault(one.path[0], []).append(Asked(one.path[1:], one.op, one.value))
    for name, inner in groups.items():
        link = meta.links[name]
        target = INVENTORIES[link.target].meta
        own = row[link.own_column]
        keys = {own}
        if link.through:
            table, mine, theirs = link.through
            keys = {ref[theirs] for ref in rows[table] if own is not None and ref[mine] == own}
        near = [r for r in rows[target.table] if r[link.target_column] in keys - {None}]
        nested = name in meta.nested.values() and not any(one.path[0] in TAG_TYPES for one in inner)
        if not any(matches(rows, target, r, inner, account, nested=nested) for r in near):
            return False
    return True


def visible(rows: Rows, meta: Meta, row: dict[str, Any], account: str) -> bool:
    if meta.account_column:
        return row[meta.account_column] == account
    if not meta.owned:
        return True
    uuid = row[meta.primary_key]
    owns = any(o["resource_uuid"] == uuid and o["account_uuid"] == account for o in rows["resource_owners"])
    shares = [s for s in rows["resource_shares"] if s["resource_uuid"] == uuid]
    return owns or any(s["receiver_account_uuid"] in (None, account) for s in shares)


def holds(rows: Rows, meta: Meta, row: dict[str, Any], one: Asked) -> bool:
    name = one.path[0]
    key = row[meta.primary_key]
    if name in TAG_TYPES:
        tags = [
            t["tag"]
            for t in rows["tags"]
            if t["resource_uuid"] == key
            and t["type"] == TAG_TYPES[name]
            and t["resource_type"] in (meta.resource_type, meta.base_type)
        ]
        op = POSITIVE.get(one.op, one.op)
        found = any(op == "not null" or compare(t, "text", op, one.value) for t in tags)
        return found != (one.op in POSITIVE)
    if name in meta.lists:
        column = meta.lists[name]
        items = [r[column.value_column] for r in rows[column.table] if r[column.owner_column] == key]
        match one.op:
            case "is null":
                return not items
            case "not null":
                return bool(items)
            case "!?=":
                return not any(compare(item, column.kind, "?=", one.value) for item in items)
            case _:
                return any(compare(item, column.kind, one.op, one.value) for item in items)
    field = meta.by_name[meta.aliases.get(name, name)]
    if field.attribute in meta.computed:
        return compare(None if row["cpu"] is None else row["cpu"] // 2, field.kind, one.op, one.value)
    return compare(row[field.attribute], field.kind, one.op, one.value)


def fold(text: Any) -> Any:
    """Text without the case of its ASCII letters; what else there is stays as it is."""
    return "".join(c.lower() if c.isascii() else c for c in text) if isinstance(text, str) else text


def compare(have: Any, kind: str, op: str, text: str) -> bool:
    have, text = fold(have), fold(text)
    if op == "is null":
        return have is None
    if have is None:
        return False
    if op == "not null":
        return True
    if op in ("~=", "!~="):
        return like(as_text(have, kind), text) == (op == "~=")
    if op in ("?=", "!?="):
        items = [item.strip() for item in text.split(",")]
        while len(items) > 1 and items[-1] == "":
            items.pop()
        return any(same(have, kind, item) for item in items) == (op == "?=")
    if op in ("=", "!="):
        return same(have, kind, text) == (op == "=")
    want, have = parse(kind, text), floor(have, text) if kind == "date" else have
    return {">": have > want, "<": have < want, ">=": have >= want, "<=": have <= want}[op]


def same(have: Any, kind: str, text: str) -> bool:
    if kind == "date":
        have = floor(have, text)
    return bool(have == parse(kind, text))


def parse(kind: str, text: str) -> Any:
    match kind:
        case "integer":
            return int(float(text)) if "." in text else int(text)
        case "number":
            return float(text)
        case "boolean":
            return text.lower() == "true"
        case "date":
            whole, _, fraction = text.partition(".")
            moment = datetime.strptime(whole, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            return moment + timedelta(microseconds=int(fraction.ljust(6, "0")[:6] or 0))
        case _:
            return text


def floor(moment: datetime, text: str) -> datetime:
    """The moment as far as a condition of this precision can tell."""
    fraction = text.partition(".")[2]
    step = 1_000_000 if fraction in ("", "0") else 10 ** (6 - min(6, len(fraction)))
    return moment.replace(microsecond=moment.microsecond // step * step)


def as_text(have: Any, kind: str) -> str:
    match kind:
        case "boolean":
            return "true" if have else "false"
        case "date":
            return f"{have:%Y-%m-%d %H:%M:%S}"
        case "number":
            return f"{Decimal(str(have)):.2f}"  # the column is numeric(9, 2)
        case _:
            return str(have)


def like(text: str, pattern: str) -> bool:
    parts: list[str] = []
    escaped = False
    for c in pattern:
        if escaped or c not in "%_\\":
            parts.append(re.escape(c))
            escaped = False
        elif c == "\\":
            escaped = True
        else:
            parts.append(".*" if c == "%" else ".")
    if escaped:
        parts.append(re.escape("\\"))
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None
