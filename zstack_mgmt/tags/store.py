"""The SQL of tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.db import Connection


async def lock_taggable(
    conn: Connection, uuids: Sequence[str], account_uuid: str | None
) -> dict[str, tuple[str, str]]:
    """The concrete and base types of those of the resources that the account owns; they stay until the end.

    Args:
        account_uuid: None: any resource, also of types that nobody owns.
    """
    rows = await conn.fetch(
        """
        SELECT r.uuid, r.resource_type, r.base_type FROM resources r
        WHERE r.uuid = ANY ($1) AND ($2::text IS NULL OR EXISTS (
            SELECT FROM resource_owners o WHERE o.resource_uuid = r.uuid AND o.account_uuid = $2))
        ORDER BY r.uuid FOR KEY SHARE OF r
        """,
        list(uuids),
        account_uuid,
    )
    return {row["uuid"]: (row["resource_type"], row["base_type"]) for row in rows}


async def insert(
    conn: Connection,
    resource_uuid: str,
    resource_type: str,
    tag: str,
    type_: Literal["System", "User"],
    pattern_uuid: str | None = None,
) -> str:
    """Put a tag on a resource; its uuid. One that is there breaks tags_resource_tag_key."""
    uuid = new_uuid()
    await conn.execute(
        """
        INSERT INTO tags (uuid, resource_uuid, resource_type, tag, type, pattern_uuid)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        uuid,
        resource_uuid,
        resource_type,
        tag,
        type_,
        pattern_uuid,
    )
    return uuid


async def attach(
    conn: Connection, resource_uuid: str, resource_type: str, tag: str, pattern_uuid: str
) -> str:
    """Put the user tag of a pattern on a resource; the uuid of it, or of the same one that is there."""
    return await conn.fetchval(
        """
        INSERT INTO tags (uuid, resource_uuid, resource_type, tag, type, pattern_uuid)
        VALUES ($1, $2, $3, $4, 'User', $5)
        ON CONFLICT (resource_uuid, type, tag) DO UPDATE SET pattern_uuid = excluded.pattern_uuid
        RETURNING uuid
        """,
        new_uuid(),
        resource_uuid,
        resource_type,
        tag,
        pattern_uuid,
    )


async def detach(
    conn: Connection, pattern_uuid: str, resource_uuids: Sequence[str], account_uuid: str | None
) -> None:
    """Take a pattern's tags off those of the resources that the account (None: any) owns."""
    await conn.execute(
        """
        DELETE FROM tags g
        WHERE g.pattern_uuid = $1 AND g.resource_uuid = ANY ($2) AND ($3::text IS NULL OR EXISTS (
            SELECT FROM resource_owners o WHERE o.resource_uuid = g.resource_uuid AND o.account_uuid = $3))
        """,
        pattern_uuid,
        list(resource_uuids),
        account_uuid,
    )


async def change(
    conn: Connection, uuid: str, type_: Literal["System", "User"], tag: str, account_uuid: str | None
) -> bool:
    """Set the text of a tag on a resource of the account (None: of any). False when there is none."""
    return bool(
        await conn.fetchval(
            """
            UPDATE tags g SET tag = $3, pattern_uuid = NULL, last_op_date = now()
            WHERE g.uuid = $1 AND g.type = $2 AND ($4::text IS NULL OR EXISTS (
                SELECT FROM resource_owners o
                WHERE o.resource_uuid = g.resource_uuid AND o.account_uuid = $4))
            RETURNING true
            """,
            uuid,
            type_,
            tag,
            account_uuid,
        )
    )


async def change_attached(conn: Connection, pattern_uuid: str, tag: str) -> None:
    """Give all tags of a pattern another text. One that a resource has besides is the same tag then."""
    await conn.execute(
        """
        WITH twins AS (
            DELETE FROM tags g USING tags p
            WHERE p.pattern_uuid = $1 AND g.resource_uuid = p.resource_uuid AND g.type = 'User' AND g.tag = $2
              AND g.uuid <> p.uuid RETURNING g.uuid
        )
        SELECT count(*) FROM twins
        """,
        pattern_uuid,
        tag,
    )
    await conn.execute(
        "UPDATE tags SET tag = $2, last_op_date = now() WHERE pattern_uuid = $1 AND tag <> $2",
        pattern_uuid,
        tag,
    )


async def delete(conn: Connection, uuid: str, account_uuid: str | None) -> None:
    """Take a tag off a resource of the account (None: of any)."""
    await conn.execute(
        """
        DELETE FROM tags g WHERE g.uuid = $1 AND ($2::text IS NULL OR EXISTS (
            SELECT FROM resource_owners o WHERE o.resource_uuid = g.resource_uuid AND o.account_uuid = $2))
        """,
        uuid,
        account_uuid,
    )
