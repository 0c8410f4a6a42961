"""The SQL of tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from zstack_mgmt.auth.standing import caller_of
from zstack_mgmt.core.errors import PermissionDenied, ResourceNotFound
from zstack_mgmt.db import Connection, Lock
from zstack_mgmt.identity.roles.model import NOWHERE, Authority, Place
from zstack_mgmt.identity.roles.store import authority_in, find_place
from zstack_mgmt.identity.tokens.model import Token


async def read_token(conn: Connection, hashed: bytes) -> Token | None:
    """The token, if it is alive, its user and domain are enabled, and it still has a role in its scope."""
    row = await conn.fetchrow(
        """
        SELECT s.account_uuid, s.user_uuid, l.name AS user_name, a.name AS account_name,
               l.password_expires_at, s.origin, s.methods, s.audit_id, s.parent_audit_id, s.create_date,
               s.expired_date, a.type = 'SystemAdmin' AS is_admin,
               CASE WHEN s.origin = 'keystone' THEN s.scope_kind ELSE 'project' END AS scope_kind,
               CASE WHEN s.origin = 'keystone' THEN s.scope_uuid
                    ELSE (SELECT p.uuid FROM projects p WHERE p.account_uuid = a.uuid AND p.is_first) END
               AS scope_uuid
        FROM sessions s JOIN accounts a ON a.uuid = s.account_uuid
        JOIN logins l ON l.uuid = s.user_uuid AND l.account_uuid = s.account_uuid
        WHERE s.token_hash = $1 AND s.expired_date >= now() AND a.enabled AND l.enabled
        """,
        hashed,
    )
    if row is None:
        return None
    place = await find_place(conn, row["scope_kind"], row["scope_uuid"])
    authority = await authority_in(conn, row["account_uuid"], row["user_uuid"], place)
    if (
        authority is None and row["origin"] != "keystone"
    ):  # a session that has no role here is one all the same
        authority = Authority(row["user_uuid"], row["account_uuid"], NOWHERE, ())
    if authority is None:
        return None
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
        caller=await caller_of(conn, row["account_uuid"], row["user_uuid"], row["is_admin"]),
    )


async def subject_of_token(conn: Connection, bearer: Token, hashed: bytes) -> Token:
    """The token that the bearer asks about. Raises PermissionDenied or ResourceNotFound."""
    token = await read_token(conn, hashed)
    if token is None:
        raise ResourceNotFound("no such token")
    if token.user_uuid != bearer.user_uuid and not bearer.authority.is_platform_admin:
        raise PermissionDenied("the token is another user's")
    return token


async def insert_token(
    conn: Connection,
    hashed: bytes,
    login: Any,
    place: Place,
    *,
    methods: list[str],
    audit_ids: tuple[str, str | None],
    timeout_s: int,
    expires_at: datetime | None,
    limit: int,
) -> None:
    """Store a token. Past the limit the user's oldest ones end; with `expires_at` it ends just then."""
    await conn.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", Lock.SESSIONS, login["user_uuid"])
    await conn.execute(
        """
        DELETE FROM sessions WHERE token_hash IN (
            SELECT token_hash FROM sessions
            WHERE account_uuid = $1 AND user_uuid = $2 AND origin = 'keystone'
            ORDER BY create_date DESC OFFSET $3)
        """,
        login["account_uuid"],
        login["user_uuid"],
        limit - 1,
    )
    await conn.execute(
        """
        INSERT INTO sessions (token_hash, account_uuid, user_uuid, scope_kind, scope_uuid, methods, audit_id,
                              expired_date, parent_audit_id, origin, renewable)
        VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($9, now() + make_interval(secs => $8)), $10, 'keystone',
                false)
        """,
        hashed,
        login["account_uuid"],
        login["user_uuid"],
        place.kind,
        place.uuid or None,
        methods,
        audit_ids[0],
        timeout_s,
        expires_at,
        audit_ids[1],
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


async def note_use(conn: Connection, login_uuid: str, project_uuid: str | None) -> None:
    """Remember the project that the login has worked in last."""
    await conn.execute(
        """
        INSERT INTO login_details AS d (login_uuid, last_project_uuid) VALUES ($1, $2)
        ON CONFLICT (login_uuid) DO UPDATE SET last_project_uuid = $2
        WHERE d.last_project_uuid IS DISTINCT FROM $2
        """,
        login_uuid,
        project_uuid,
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
