"""The SQL of policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from zstack_mgmt.core.errors import InvalidArgument, ResourceNotFound
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.identity.policies.model import Policy


async def insert_policy(
    conn: Connection,
    uuid: str,
    account_uuid: str,
    name: str,
    description: str | None,
    statements: Sequence[dict[str, Any]],
) -> Policy:
    """Insert the policy; names need not be unique."""
    row = await fetch_one(
        conn,
        """
        INSERT INTO policies (uuid, account_uuid, name, description, statements)
        VALUES ($1, $2, $3, $4, $5::text::jsonb)
        RETURNING uuid, account_uuid, name, description
        """,
        uuid,
        account_uuid,
        name,
        description,
        orjson.dumps(statements).decode(),
    )
    return Policy.from_row({**dict(row), "statements": list(statements)})


async def delete_policy(conn: Connection, uuid: str, account_uuid: str | None) -> None:
    """Delete the policy with its bindings; None: of any account."""
    await conn.execute(
        "DELETE FROM policies WHERE uuid = $1 AND ($2::text IS NULL OR account_uuid = $2)", uuid, account_uuid
    )


async def is_system_admin(conn: Connection, account_uuid: str) -> bool:
    """Whether the account is of type SystemAdmin."""
    return bool(
        await conn.fetchval(
            "SELECT true FROM accounts WHERE uuid = $1 AND type = 'SystemAdmin'", account_uuid
        )
    )


async def check_policies(
    conn: Connection, call: Call, uuids: Sequence[str], *, of_account: str | None = None
) -> None:
    """Make sure that all are policies of the account, by default of the calling one; none vanishes meanwhile.

    Raises:
        ResourceNotFound: one does not exist, or is another account's.
        InvalidArgument: the same, for an administrator, who can see that it exists.
    """
    rows = await conn.fetch(
        "SELECT uuid, account_uuid FROM policies WHERE uuid = ANY ($1) FOR KEY SHARE", list(uuids)
    )
    owners = {row["uuid"]: row["account_uuid"] for row in rows}
    for uuid in uuids:
        owner = owners.get(uuid)
        if owner is None or (owner != call.account_uuid and not call.is_admin):
            raise ResourceNotFound(f"no policy has the uuid {uuid}")
        if owner != (of_account or call.account_uuid):
            raise InvalidArgument(f"the policy {uuid} belongs to another account")
