"""Who owns a resource, and who may see it."""

from __future__ import annotations

from collections.abc import Sequence

from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection


def scope_of(call: Call) -> str | None:
    """The account whose rows a change may touch; None for a system administrator: any."""
    return None if call.is_admin else call.account_uuid


async def own(conn: Connection, account_uuid: str, *uuids: str) -> None:
    """Note the owner of resources that this transaction has made, in their order."""
    await conn.execute(
        """
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
        SELECT r.uuid, r.base_type, $1 FROM unnest($2::text[]) WITH ORDINALITY AS n (uuid, position)
        JOIN resources r ON r.uuid = n.uuid ORDER BY n.position
        """,
        account_uuid,
        uuids,
    )


async def is_visible(conn: Connection, uuid: str, account_uuid: str) -> bool:
    """Whether the account owns the resource, or it is shared with the account or the public.

    A share allows use of the resource.
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
