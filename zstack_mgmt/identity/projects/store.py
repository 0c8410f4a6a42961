"""The SQL of projects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from zstack_mgmt.db import Connection


async def find_project(conn: Connection, uuid: str) -> Any:
    """The project's row, or None."""
    return await conn.fetchrow("SELECT * FROM projects WHERE uuid = $1", uuid)


async def project_named(conn: Connection, account_uuid: str, name: str) -> str | None:
    """The uuid of the domain's project of this name."""
    return await conn.fetchval(
        "SELECT uuid FROM projects WHERE account_uuid = $1 AND name = $2", account_uuid, name
    )


async def list_projects(
    conn: Connection,
    *,
    account_uuid: str | None = None,
    uuids: Sequence[str] | None = None,
    name: str | None = None,
    enabled: bool | None = None,
    parent_uuid: str | None = None,
    since: str = "",
    limit: int | None = None,
) -> list[Any]:
    """Projects by uuid; a parent can be a project or, for those directly inside, the domain."""
    return await conn.fetch(
        """
        SELECT * FROM projects
        WHERE ($1::text IS NULL OR account_uuid = $1) AND ($2::text[] IS NULL OR uuid = ANY ($2))
          AND ($3::text IS NULL OR name = $3) AND ($4::boolean IS NULL OR enabled = $4)
          AND ($5::text IS NULL OR coalesce(parent_uuid, account_uuid) = $5) AND uuid >= $6
        ORDER BY uuid LIMIT $7
        """,
        account_uuid,
        None if uuids is None else list(uuids),
        name,
        enabled,
        parent_uuid,
        since,
        limit,
    )


async def insert_project(
    conn: Connection, uuid: str, account_uuid: str, parent_uuid: str | None, values: dict[str, Any]
) -> None:
    """A new project. `values` has name, description, enabled, tags and extra."""
    await conn.execute(
        """
        INSERT INTO projects (uuid, account_uuid, parent_uuid, name, description, enabled, tags, extra)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb)
        """,
        uuid,
        account_uuid,
        parent_uuid,
        values["name"],
        values["description"],
        values["enabled"],
        values["tags"],
        orjson.dumps(values["extra"]).decode(),
    )


async def update_project(conn: Connection, uuid: str, values: dict[str, Any]) -> None:
    """Set what can change of a project: name, description, enabled, tags and extra."""
    await conn.execute(
        """
        UPDATE projects SET name = $2, description = $3, enabled = $4, tags = $5, extra = $6::text::jsonb
        WHERE uuid = $1
        """,
        uuid,
        values["name"],
        values["description"],
        values["enabled"],
        values["tags"],
        orjson.dumps(values["extra"]).decode(),
    )


async def set_tags(conn: Connection, uuid: str, tags: Sequence[str]) -> None:
    """Set the tags of a project."""
    await conn.execute("UPDATE projects SET tags = $2 WHERE uuid = $1", uuid, tags)


async def has_children(conn: Connection, uuid: str) -> bool:
    """Whether other projects are inside the project."""
    return bool(await conn.fetchval("SELECT true FROM projects WHERE parent_uuid = $1 LIMIT 1", uuid))


async def delete_project(conn: Connection, uuid: str) -> None:
    """Delete the project with the roles on it."""
    await conn.execute("DELETE FROM projects WHERE uuid = $1", uuid)


async def end_tokens_of(conn: Connection, project_uuid: str) -> None:
    """End the tokens that are scoped to the project."""
    await conn.execute("DELETE FROM sessions WHERE scope_kind = 'project' AND scope_uuid = $1", project_uuid)
