"""Tags of resources."""

from __future__ import annotations

from collections.abc import Sequence

from zstack_mgmt.core.registry import ApiRequest
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.db import Connection

EPHEMERAL = "ephemeral::"
"""System tags with this prefix are options of one call and are not stored."""


async def tag(conn: Connection, uuid: str, request: ApiRequest) -> None:
    """Store the request's user and system tags on a resource that this transaction has made."""
    tags = [("User", text) for text in request.user_tags]
    tags += [("System", text) for text in request.system_tags if not text.startswith(EPHEMERAL)]
    await _insert(conn, uuid, tags)


async def tag_system(conn: Connection, uuid: str, texts: Sequence[str]) -> None:
    """Store further system tags on a resource that this transaction has made."""
    await _insert(conn, uuid, [("System", text) for text in texts])


async def _insert(conn: Connection, uuid: str, tags: Sequence[tuple[str, str]]) -> None:
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
