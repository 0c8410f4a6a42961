"""What rights somebody has now: sessions ask when they are looked up, workers when a job begins."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from zstack_mgmt.auth.policy import policy_set
from zstack_mgmt.core.callers import AccountCaller, UserCaller
from zstack_mgmt.db import Connection

SessionCaller = AccountCaller | UserCaller
Login = tuple[str, str]
"""Account and user; of an account itself its uuid in both places."""


async def callers_now(conn: Connection, logins: Collection[Login]) -> dict[Login, SessionCaller]:
    """The logins that exist and are enabled, each with its policies of this moment."""
    rows = await conn.fetch(
        """
        SELECT l.account, l.login, a.type = 'SystemAdmin'
        FROM unnest($1::text[], $2::text[]) AS l (account, login)
        JOIN accounts a ON a.uuid = l.account AND a.enabled
        LEFT JOIN users u ON u.uuid = l.login AND u.account_uuid = l.account
        WHERE l.login = l.account OR u.enabled
        """,
        [account for account, _ in logins],
        [login for _, login in logins],
    )
    return {(account, login): await caller_of(conn, account, login, admin) for account, login, admin in rows}


async def caller_of(conn: Connection, account_uuid: str, login_uuid: str, is_admin: bool) -> SessionCaller:
    """The caller behind a login that is known to exist."""
    return await caller_with(
        account_uuid, login_uuid, is_admin, await statements_of(conn, account_uuid, login_uuid)
    )


async def caller_with(
    account_uuid: str, login_uuid: str, is_admin: bool, statements: Iterable[str]
) -> SessionCaller:
    """The same once the statements are known: compiling them can take its time, and needs no connection."""
    if login_uuid == account_uuid:
        return AccountCaller(account_uuid, is_admin)
    return UserCaller(account_uuid, login_uuid, is_admin, await policy_set(statements, account_uuid))


async def statements_of(conn: Connection, account_uuid: str, login_uuid: str) -> list[str]:
    """The statements, as JSON text, of each policy of the user and of its groups, and of its roles.

    An account itself has none.
    """
    if login_uuid == account_uuid:
        return []
    rows = await conn.fetch(
        """
        SELECT p.statements::text FROM policies p
        WHERE p.uuid IN (SELECT policy_uuid FROM user_policies WHERE user_uuid = $1
                         UNION SELECT gp.policy_uuid FROM group_members m
                         JOIN group_policies gp ON gp.group_uuid = m.group_uuid WHERE m.user_uuid = $1)
        UNION ALL
        SELECT jsonb_path_query_array(r.statements, '$[*].statement')::text FROM policy_roles r
        WHERE r.state = 'Enabled'
          AND r.uuid IN (SELECT role_uuid FROM policy_role_users WHERE user_uuid = $1
                         UNION SELECT ra.role_uuid FROM users u
                         JOIN policy_role_accounts ra ON ra.account_uuid = u.account_uuid WHERE u.uuid = $1)
        """,
        login_uuid,
    )
    return [row[0] for row in rows]


async def shared_with(conn: Connection, account_uuid: str, uuids: Collection[str]) -> list[str]:
    """Those of the resources that are another's and shared with the account: to use, not to change."""
    rows = await conn.fetch(
        """
        SELECT o.resource_uuid FROM resource_owners o
        WHERE o.resource_uuid = ANY ($2) AND o.account_uuid <> $1 AND EXISTS (
            SELECT FROM resource_shares s
            WHERE s.resource_uuid = o.resource_uuid AND (s.to_public OR s.receiver_account_uuid = $1))
        """,
        account_uuid,
        list(uuids),
    )
    return [row["resource_uuid"] for row in rows]
