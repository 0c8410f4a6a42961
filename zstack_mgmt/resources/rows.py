"""Reading and writing the rows of any resource type.

`owner` limits a call to the resources of one account; another account's behaves as absent. None: of any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, TypeVar, Unpack

import orjson

from zstack_mgmt.core.errors import InvalidArgument, existing
from zstack_mgmt.core.inventory import Inventory, Row
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.resources import statements
from zstack_mgmt.resources.owners import scope_of
from zstack_mgmt.resources.statements import Lock

T = TypeVar("T", bound=Inventory)


async def insert(conn: Connection, kind: type[T], values: Mapping[str, Any]) -> T:
    """Insert a row with these columns. A taken uuid or name breaks the constraint that forbids it."""
    statement = statements.insertion(kind.meta, tuple(values))
    return await read(conn, kind, await fetch_one(conn, statement, *_bound(kind, values)))


class Lookup(TypedDict, total=False):
    """How a row is looked up.

    `by` is the column whose value is given, the uuid by default; no two rows have the same value there.
    `lock` says what must wait until the transaction ends: by default deletions; None for a mere read.
    """

    by: str
    lock: Lock | None


async def find(
    conn: Connection, kind: type[T], uuid: str, owner: str | None = None, **how: Unpack[Lookup]
) -> T | None:
    """The resource, or None."""
    lock = how.get("lock", "KEY SHARE")
    statement = statements.selection(kind.meta, lock, how.get("by", "uuid"), scoped=owner is not None)
    row = await conn.fetchrow(statement, uuid, *_owner(owner))
    return None if row is None else await read(conn, kind, row)


async def get(
    conn: Connection, kind: type[T], uuid: str, owner: str | None = None, **how: Unpack[Lookup]
) -> T:
    """As `find`; raises ResourceNotFound when there is none."""
    return existing(await find(conn, kind, uuid, owner, **how), kind.meta.noun, uuid)


async def get_own(conn: Connection, call: Call, kind: type[T], uuid: str) -> T:
    """A resource of the calling account itself, for the rest of the transaction.

    Raises:
        ResourceNotFound: there is none, or it is another account's.
        InvalidArgument: the same, for an administrator, who can see that it exists.
    """
    found = await get(conn, kind, uuid, scope_of(call), lock="NO KEY UPDATE")
    if call.is_admin and await find(conn, kind, uuid, call.account_uuid) is None:
        raise InvalidArgument(f"the {kind.meta.noun} {uuid} belongs to another account")
    return found


async def update(
    conn: Connection, kind: type[T], uuid: str, values: Mapping[str, Any], owner: str | None = None
) -> T:
    """Set these columns, and lastOpDate; an update without any changes nothing. Raises ResourceNotFound."""
    if not values:
        return await get(conn, kind, uuid, owner)
    statement = statements.change(kind.meta, tuple(values), scoped=owner is not None)
    row = await conn.fetchrow(statement, uuid, *_owner(owner), *_bound(kind, values))
    return await read(conn, kind, existing(row, kind.meta.noun, uuid))


async def delete(conn: Connection, kind: type[Inventory], uuid: str, owner: str | None = None) -> bool:
    """Delete the row. False when there is none."""
    statement = statements.deletion(kind.meta, scoped=owner is not None)
    return bool(await conn.fetchval(statement, uuid, *_owner(owner)))


async def link(conn: Connection, kind: type[Inventory], name: str, uuid: str, others: Sequence[str]) -> None:
    """Tie other resources to this one by a link of its declaration; those that are tied stay so."""
    await conn.execute(statements.linking(kind.meta, name), uuid, list(others))


async def unlink(
    conn: Connection, kind: type[Inventory], name: str, uuid: str, others: Sequence[str]
) -> None:
    """Take ties of a link away; those that are not there are ignored."""
    await conn.execute(statements.unlinking(kind.meta, name), uuid, list(others))


def _owner(owner: str | None) -> tuple[str, ...]:
    return () if owner is None else (owner,)


def _bound(kind: type[Inventory], values: Mapping[str, Any]) -> list[Any]:
    documents = statements.documents_of(kind.meta)
    return [
        orjson.dumps(value).decode() if name in documents and value is not None else value
        for name, value in values.items()
    ]


async def read(conn: Connection, kind: type[T], row: Row) -> T:
    """The inventory of a row that has its columns and plain lists; what is nested in it is read too."""
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 (a row of the database is no mapping)
    for name in statements.documents_of(kind.meta):
        if isinstance(values[name], str):
            values[name] = orjson.loads(values[name])
    for name, inner, own_column, statement in statements.nested(kind.meta):
        rows = await conn.fetch(statement, values[own_column])
        values[name] = [inner.from_row(r) for r in rows]
    return kind.from_row(values)
