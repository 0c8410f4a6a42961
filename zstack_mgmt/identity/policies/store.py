"""The SQL of policies."""

from __future__ import annotations

from collections.abc import Sequence

from zstack_mgmt.core.errors import InvalidArgument, ResourceNotFound
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection


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
