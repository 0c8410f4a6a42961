"""The SQL of tokens."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, LiteralString

from zstack_mgmt.core.errors import ResourceNotFound
from zstack_mgmt.db import Connection, Pool
from zstack_mgmt.identity.configs.model import SESSIONS
from zstack_mgmt.identity.roles.model import NOWHERE, Authority
from zstack_mgmt.identity.roles.store import AUTHORITY, AUTHORITY_OF_SCOPE, authority_from
from zstack_mgmt.identity.tokens.model import Credential, Token

Scope = tuple[str, str | None]  # its kind and uuid
_FEW: LiteralString = "$1, $2"
_MANY: LiteralString = f"{_FEW}, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16"
MOST_TOKENS = 16
_TOKENS: LiteralString = f"""
    SELECT s.token_hash, s.account_uuid, s.user_uuid, l.name AS user_name, a.name AS account_name,
           l.password_expires_at, s.origin, s.methods, s.audit_id, s.parent_audit_id, s.create_date,
           s.expired_date, a.type = 'SystemAdmin' AS is_admin, s.credential_uuid,
           (SELECT version FROM catalog_versions) AS catalog_version, {AUTHORITY}
    FROM sessions s JOIN accounts a ON a.uuid = s.account_uuid
    JOIN logins l ON l.uuid = s.user_uuid AND l.account_uuid = s.account_uuid
    CROSS JOIN LATERAL (
        SELECT s.user_uuid AS login_uuid, s.credential_uuid,
               CASE WHEN s.origin = 'keystone' THEN s.scope_kind ELSE 'project' END AS kind,
               CASE WHEN s.origin = 'keystone' THEN s.scope_uuid
                    ELSE (SELECT p.uuid FROM projects p WHERE p.account_uuid = a.uuid AND p.is_first) END
               AS uuid) scope
    {AUTHORITY_OF_SCOPE}
    WHERE s.expired_date >= now() AND a.enabled AND l.enabled AND s.token_hash IN
"""  # noqa: S608 (all of it is written here and in the SQL of roles)


async def read_tokens(conn: Connection, hashes: Collection[bytes]) -> dict[bytes, Token]:
    """By their hashes, at least one and at most MOST_TOKENS, those that are alive, as `read_token` says.

    It is one statement: services have tokens validated with each of their own calls. It takes values and no
    array, of which PostgreSQL expects so many rows that it would plan each call anew.
    """
    places, count = (_FEW, 2) if len(hashes) <= 2 else (_MANY, MOST_TOKENS)
    values = list(hashes)
    values += values[-1:] * (count - len(values))
    rows = await conn.fetch(f"{_TOKENS} ({places})", *values)
    return {row["token_hash"]: token for row in rows if (token := _token(row)) is not None}


async def live_tokens(pool: Pool, hashes: Collection[bytes]) -> dict[bytes, Token]:
    """What `read_tokens` says, on a connection of its own."""
    async with pool.acquire() as conn:
        return await read_tokens(conn, hashes)


async def read_token(conn: Connection, hashed: bytes) -> Token | None:
    """The token, if it is alive, its user and domain are enabled, and it still has a role in its scope."""
    return (await read_tokens(conn, [hashed])).get(hashed)


def _token(row: Any) -> Token | None:
    """The token of a session; None without a role in its scope."""
    authority = authority_from(row, row["user_uuid"], row["account_uuid"])
    if authority is None:
        if row["origin"] == "keystone":
            return None
        # A session that has no role here is one all the same.
        authority = Authority(row["user_uuid"], row["account_uuid"], NOWHERE, ())
    return Token(
        account_uuid=row["account_uuid"],
        user_uuid=row["user_uuid"],
        user_name=row["user_name"],
        account_name=row["account_name"],
        password_expires_at=row["password_expires_at"],
        methods=tuple(row["methods"]),
        audit_ids=tuple(filter(None, (row["audit_id"], row["parent_audit_id"]))),
        issued_at=row["create_date"],
        expires_at=row["expired_date"],
        authority=authority,
        is_admin=row["is_admin"],
        credential=row["credential_uuid"]
        and Credential(row["credential_uuid"], row["credential_name"], row["unrestricted"]),
        catalog_version=row["catalog_version"],
    )


async def insert_token(
    conn: Connection,
    hashed: bytes,
    login: Any,
    scope: Scope,
    *,
    methods: list[str],
    audit_ids: tuple[str, str | None],
    timeout_s: int,
    expires_at: datetime | None,
    credential: Any,
    most: int,
) -> None:
    """Store a token, whether or not the login has a role in its scope: `read_token` tells.

    Past the limit the user's oldest ones end. Issues at once do not wait for each other: so many tokens more
    there can be, until the next issue.

    Args:
        expires_at: just when it ends, or None.
        credential: the application credential that opens it, or None; it ends with that at the latest.
        most: the limit, unless an administrator has chosen one.
    """
    await conn.execute(
        """
        WITH last AS MATERIALIZED (
            SELECT create_date, token_hash FROM sessions WHERE user_uuid = $3 AND origin = 'keystone'
            ORDER BY create_date DESC, token_hash DESC OFFSET coalesce(
                (SELECT chosen::int FROM global_configs WHERE category = $13 AND name = $14), $15) - 1
            LIMIT 1),
        ended AS (
            DELETE FROM sessions WHERE token_hash = ANY (ARRAY(
                SELECT token_hash FROM sessions WHERE user_uuid = $3 AND origin = 'keystone'
                  AND (create_date, token_hash)
                      <= ((SELECT create_date FROM last), (SELECT token_hash FROM last))
                FOR UPDATE SKIP LOCKED))),
        worked AS (
            INSERT INTO login_details AS d (login_uuid, last_project_uuid)
            SELECT $3, $5 WHERE $4 = 'project' AND NOT EXISTS (
                SELECT FROM login_details WHERE login_uuid = $3 AND last_project_uuid = $5)
            ON CONFLICT (login_uuid) DO UPDATE SET last_project_uuid = $5)
        INSERT INTO sessions (token_hash, account_uuid, user_uuid, scope_kind, scope_uuid, methods, audit_id,
                              expired_date, parent_audit_id, credential_uuid, origin, renewable)
        VALUES ($1, $2, $3, $4, $5, $6, $7, least(coalesce($9, now() + make_interval(secs => $8)), $12), $10,
                $11, 'keystone', false)
        """,
        hashed,
        login["account_uuid"],
        login["user_uuid"],
        *scope,
        methods,
        audit_ids[0],
        timeout_s,
        expires_at,
        audit_ids[1],
        credential and credential["credential_uuid"],
        credential and credential["expires_at"],
        SESSIONS.category,
        SESSIONS.name,
        most,
    )


async def delete_token(conn: Connection, hashed: bytes) -> None:
    """End the token. Raises ResourceNotFound when it has ended already."""
    if not await conn.fetchval("DELETE FROM sessions WHERE token_hash = $1 RETURNING true", hashed):
        raise ResourceNotFound("no such token")


async def find_login(conn: Connection, uuid: str | None, account_uuid: str | None, name: str | None) -> Any:
    """account_uuid, account_name, user_uuid, name, password_hash and default project of an enabled login.

    By its uuid, or by its domain and name; None when there is none. Of an account and a user with the same
    name the account is meant.
    """
    return await conn.fetchrow(
        """
        SELECT l.account_uuid, a.name AS account_name, l.uuid AS user_uuid, l.name, l.password_hash,
               d.default_project_uuid, l.options
        FROM logins l JOIN accounts a ON a.uuid = l.account_uuid
        LEFT JOIN login_details d ON d.login_uuid = l.uuid
        WHERE l.enabled AND a.enabled
          AND ($1::text IS NOT NULL AND l.uuid = $1
               OR $1::text IS NULL AND l.account_uuid = $2 AND l.name = $3)
        ORDER BY l.uuid = l.account_uuid DESC LIMIT 1
        """,
        uuid,
        account_uuid,
        name,
    )


async def present_and_former_hashes(conn: Connection, login_uuid: str, count: int) -> list[str]:
    """The hashes of the present password and of those before it, the newest first."""
    rows = await conn.fetch(
        """
        (SELECT password_hash FROM logins WHERE uuid = $1)
        UNION ALL
        (SELECT password_hash FROM password_history WHERE owner_uuid = $1 ORDER BY created_at DESC LIMIT $2)
        """,
        login_uuid,
        count - 1,
    )
    return [row[0] for row in rows]


async def is_too_young(conn: Connection, login_uuid: str, days: int) -> bool:
    """Whether the password was set less than so many days ago."""
    return bool(
        await conn.fetchval(
            """
            SELECT true FROM login_details
            WHERE login_uuid = $1 AND NOT password_reset
              AND password_set_at > now() - make_interval(days => $2)
            """,
            login_uuid,
            days,
        )
    )
