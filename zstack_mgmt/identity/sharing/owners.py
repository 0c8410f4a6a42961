"""Owning a resource: what every feature with owned resources calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from zstack_mgmt.core.errors import ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.db import Connection

T = TypeVar("T")
EPHEMERAL = "ephemeral::"


def found(row: T | None, kind: str, uuid: str) -> T:
    """The row, or ResourceNotFound."""
    if row is None:
        raise ResourceNotFound(f"no {kind} has the uuid {uuid}")
    return row


def scope_of(call: Call) -> str | None:
    """The account whose rows a change may touch; None for a system administrator: any."""
    return None if call.is_admin else call.account_uuid


async def own(conn: Connection, uuid: str, account_uuid: str, request: ApiRequest | None = None) -> None:
    """Note the owner of a resource that this transaction has made, and the tags that the request has."""
    await own_all(conn, [uuid], account_uuid)
    if request is not None:
        await tag(conn, uuid, request)


async def own_all(conn: Connection, uuids: Sequence[str], account_uuid: str) -> None:
    """Note the owner of resources that this transaction has made, in their order."""
    await conn.execute(
        """
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
        SELECT r.uuid, r.base_type, $2 FROM unnest($1::text[]) WITH ORDINALITY AS n (uuid, position)
        JOIN resources r ON r.uuid = n.uuid ORDER BY n.position
        """,
        uuids,
        account_uuid,
    )


async def tag(conn: Connection, uuid: str, request: ApiRequest) -> None:
    """Store the request's user and system tags on a resource that this transaction has made."""
    tags = [("User", text) for text in request.user_tags]
    tags += [("System", text) for text in request.system_tags if not text.startswith(EPHEMERAL)]
    if tags:
        await conn.execute(
            """
            INSERT INTO tags (uuid, resource_uuid, resource_type, tag, type)
            SELECT n.uuid, r.uuid, r.resource_type, n.tag, n.type
            FROM resources r, unnest($2::text[], $3::text[], $4::text[]) AS n (uuid, type, tag)
            WHERE r.uuid = $1
            ON CONFLICT DO NOTHING
            """,
            uuid,
            [new_uuid() for _ in tags],
            [kind for kind, _ in tags],
            [text for _, text in tags],
        )


async def is_visible(conn: Connection, uuid: str, account_uuid: str) -> bool:
    """Whether the account owns the resource, or it is shared with it or with the public.

    A share lets it be used.
    """
    return bool(
        await conn.fetchval(
            """
            SELECT true FROM resource_owners o WHERE o.resource_uuid = $1 AND (o.account_uuid = $2 OR EXISTS (
                SELECT FROM resource_shares s
                WHERE s.resource_uuid = $1 AND (s.to_public OR s.receiver_account_uuid = $2)))
            """,
            uuid,
            account_uuid,
        )
    )


async def owners_of(conn: Connection, uuids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """(owner, type) of the owned ones among the resources; they are locked against a change of owner."""
    rows = await conn.fetch(
        """
        SELECT resource_uuid, account_uuid, resource_type FROM resource_owners
        WHERE resource_uuid = ANY ($1) ORDER BY resource_uuid FOR NO KEY UPDATE
        """,
        list(uuids),
    )
    return {row["resource_uuid"]: (row["account_uuid"], row["resource_type"]) for row in rows}
