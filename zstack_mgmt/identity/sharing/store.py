"""The SQL of shares, names and changes of owner."""

from __future__ import annotations

from collections.abc import Sequence

from zstack_mgmt.db import Connection
from zstack_mgmt.identity.sharing.model import ResourceNameEntry


async def share(
    conn: Connection, resource_uuids: Sequence[str], owner_uuid: str, receivers: Sequence[str] | None
) -> None:
    """Share the resources with the receivers, or with the public when it is None. Shares that exist stay."""
    await conn.execute(
        """
        INSERT INTO resource_shares
            (resource_uuid, resource_type, owner_account_uuid, receiver_account_uuid, to_public)
        SELECT o.resource_uuid, o.resource_type, $2, receiver, receiver IS NULL
        FROM resource_owners o, unnest(coalesce($3::text[], ARRAY[NULL::text])) AS receiver
        WHERE o.resource_uuid = ANY ($1) ON CONFLICT DO NOTHING
        """,
        list(resource_uuids),
        owner_uuid,
        None if receivers is None else list(receivers),
    )


async def revoke(
    conn: Connection,
    resource_uuids: Sequence[str],
    owner_uuid: str | None,
    receivers: Sequence[str],
    *,
    public: bool,
    every: bool,
) -> None:
    """Delete shares given by the owner (None: by any): with the receivers, the public, or all of them."""
    await conn.execute(
        """
        DELETE FROM resource_shares
        WHERE resource_uuid = ANY ($1) AND ($2::text IS NULL OR owner_account_uuid = $2)
          AND ($5 OR ($4 AND to_public) OR receiver_account_uuid = ANY ($3))
        """,
        list(resource_uuids),
        owner_uuid,
        list(receivers),
        public,
        every,
    )


async def missing_accounts(conn: Connection, uuids: Sequence[str]) -> list[str]:
    """Those of the uuids that no account has."""
    rows = await conn.fetch("SELECT uuid FROM accounts WHERE uuid = ANY ($1) FOR KEY SHARE", list(uuids))
    known = {row["uuid"] for row in rows}
    return [uuid for uuid in uuids if uuid not in known]


async def names(
    conn: Connection, uuids: Sequence[str], account_uuid: str, *, sees_all: bool
) -> list[ResourceNameEntry]:
    """Names and types of those that the account can see: unowned, its own, shared with it, public."""
    rows = await conn.fetch(
        """
        SELECT r.uuid, r.resource_name, r.resource_type FROM resources r
        LEFT JOIN resource_owners o ON o.resource_uuid = r.uuid
        WHERE r.uuid = ANY ($1) AND ($3 OR o.account_uuid = $2 OR r.uuid = $2
            OR (o.account_uuid IS NULL AND r.resource_type <> 'AccountVO')
            OR EXISTS (SELECT FROM resource_shares s
                       WHERE s.resource_uuid = r.uuid AND (s.to_public OR s.receiver_account_uuid = $2)))
        ORDER BY r.uuid
        """,
        list(uuids),
        account_uuid,
        sees_all,
    )
    return [ResourceNameEntry.from_row(row) for row in rows]


async def set_owner(conn: Connection, resource_uuids: Sequence[str], account_uuid: str) -> None:
    """Give the resources to the account.

    Their shares end: the old owner gave them, and the new one has not. So do ties between a tag's pattern and
    a resource that have different owners now: whoever owns the pattern could write on what is another's.
    """
    await conn.execute(
        "UPDATE resource_owners SET account_uuid = $2, last_op_date = now() WHERE resource_uuid = ANY ($1)",
        list(resource_uuids),
        account_uuid,
    )
    await conn.execute("DELETE FROM resource_shares WHERE resource_uuid = ANY ($1)", list(resource_uuids))
    await conn.execute(
        """
        UPDATE tags g SET pattern_uuid = NULL
        FROM resource_owners p JOIN accounts a ON a.uuid = p.account_uuid
        WHERE (g.resource_uuid = ANY ($1) OR g.pattern_uuid = ANY ($1)) AND p.resource_uuid = g.pattern_uuid
          AND a.type <> 'SystemAdmin' AND NOT EXISTS (
            SELECT FROM resource_owners o
            WHERE o.resource_uuid = g.resource_uuid AND o.account_uuid = p.account_uuid)
        """,
        list(resource_uuids),
    )
