"""The SQL of application credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zstack_mgmt.db import Connection


async def find_credential(conn: Connection, login_uuid: str, uuid: str) -> Any:
    """The login's credential as `list_credentials` gives it, or None."""
    return next(iter(await list_credentials(conn, login_uuid, uuid=uuid)), None)


async def list_credentials(
    conn: Connection,
    login_uuid: str,
    *,
    name: str | None = None,
    uuid: str | None = None,
    since: str = "",
    limit: int = 1,
) -> list[Any]:
    """The login's credentials by uuid, from the given one on, with `roles`: the id and name of each."""
    return await conn.fetch(
        """
        SELECT c.uuid, c.login_uuid, c.project_uuid, c.name, c.description, c.unrestricted, c.expires_at,
               (SELECT coalesce(jsonb_agg(jsonb_build_object('id', r.uuid, 'name', r.name)), '[]')
                FROM roles r WHERE r.uuid = ANY (c.role_uuids))::text AS roles
        FROM application_credentials c
        WHERE c.login_uuid = $1 AND ($2::text IS NULL OR c.name = $2) AND ($3::text IS NULL OR c.uuid = $3)
          AND c.uuid >= $4
        ORDER BY c.uuid LIMIT $5
        """,
        login_uuid,
        name,
        uuid,
        since,
        limit,
    )


async def count(conn: Connection, login_uuid: str) -> int:
    """How many credentials the login has."""
    return await conn.fetchval(
        "SELECT count(*) FROM application_credentials WHERE login_uuid = $1", login_uuid
    )


async def insert(conn: Connection, values: Mapping[str, Any]) -> bool:
    """Store a credential. False when its end has passed."""
    return bool(
        await conn.fetchval(
            """
            INSERT INTO application_credentials
                (uuid, login_uuid, project_uuid, name, description, secret_hash, role_uuids, unrestricted,
                 expires_at)
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 WHERE $9::timestamptz IS NULL OR $9 > now()
            RETURNING true
            """,
            values["uuid"],
            values["login_uuid"],
            values["project_uuid"],
            values["name"],
            values["description"],
            values["secret_hash"],
            values["role_uuids"],
            values["unrestricted"],
            values["expires_at"],
        )
    )


async def delete(conn: Connection, login_uuid: str, uuid: str) -> bool:
    """Delete the login's credential, and with it the tokens that it has opened. False: there is none."""
    return bool(
        await conn.fetchval(
            "DELETE FROM application_credentials WHERE uuid = $2 AND login_uuid = $1 RETURNING true",
            login_uuid,
            uuid,
        )
    )


async def find_opening(
    conn: Connection, uuid: str | None, login: tuple[str | None, str | None, str | None], name: str | None
) -> Any:
    """The credential with its enabled login, in the form of that: `password_hash` is the secret's.

    Args:
        login: whose it is, where it is found by its name: the uuid, or the domain's uuid and the name.

    None when there is none, or its end has passed.
    """
    return await conn.fetchrow(
        """
        SELECT l.account_uuid, a.name AS account_name, l.uuid AS user_uuid, l.name, l.options,
               c.uuid AS credential_uuid, c.secret_hash AS password_hash, c.project_uuid, c.role_uuids,
               c.expires_at
        FROM application_credentials c JOIN logins l ON l.uuid = c.login_uuid
        JOIN accounts a ON a.uuid = l.account_uuid
        WHERE l.enabled AND a.enabled AND (c.expires_at IS NULL OR c.expires_at > now())
          AND ($1::text IS NOT NULL AND c.uuid = $1
               OR $1::text IS NULL AND c.name = $5
                  AND ($2::text IS NOT NULL AND l.uuid = $2
                       OR $2::text IS NULL AND l.account_uuid = $3 AND l.name = $4))
        ORDER BY l.uuid = l.account_uuid DESC LIMIT 1
        """,
        uuid,
        *login,
        name,
    )


async def still_opens(conn: Connection, found: Any) -> bool:
    """Whether both still open what was checked; they stay so until the transaction ends."""
    return (
        bool(
            await conn.fetchval(
                """
                SELECT true FROM application_credentials
                WHERE uuid = $1 AND secret_hash = $2 AND (expires_at IS NULL OR expires_at > now()) FOR SHARE
                """,
                found["credential_uuid"],
                found["password_hash"],
            )
        )
        and bool(
            await conn.fetchval(
                "SELECT true FROM accounts WHERE uuid = $1 AND enabled FOR SHARE", found["account_uuid"]
            )
        )
        and (
            found["account_uuid"] == found["user_uuid"]
            or bool(
                await conn.fetchval(
                    "SELECT true FROM users WHERE uuid = $1 AND enabled FOR SHARE", found["user_uuid"]
                )
            )
        )
    )
