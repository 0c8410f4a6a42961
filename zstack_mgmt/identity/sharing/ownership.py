"""What else moves when a resource changes its owner. Features register their types here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from zstack_mgmt.core.errors import OperationError
from zstack_mgmt.db import Connection

Follow = Callable[[Any, str, str], Awaitable[list[str]]]
"""(connection, resource uuid, new owner) -> the resources that follow.

Checks quotas and states; may refuse.
"""

FOLLOWERS: dict[str, Follow] = {}


def on_new_owner(kind: str) -> Callable[[Follow], Follow]:
    """Register what moves with a resource of this base type."""

    def register(function: Follow) -> Follow:
        FOLLOWERS[kind] = function
        return function

    return register


async def follow(conn: Connection, kind: str, uuid: str, account_uuid: str) -> list[str]:
    """Let the resource's feature move what hangs on it; returns the uuids that follow.

    Unknown types move alone.
    """
    function = FOLLOWERS.get(kind)
    return await function(conn, uuid, account_uuid) if function is not None else []


@on_new_owner("UserVO")
async def move_user(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """The user becomes one of the new account: its bindings, roles, memberships, sessions and keys end."""
    await conn.execute("DELETE FROM user_policies WHERE user_uuid = $1", uuid)
    await conn.execute("DELETE FROM policy_role_users WHERE user_uuid = $1", uuid)
    await conn.execute("DELETE FROM group_members WHERE user_uuid = $1", uuid)
    await conn.execute("DELETE FROM sessions WHERE user_uuid = $1", uuid)
    await conn.execute("DELETE FROM access_keys WHERE user_uuid = $1", uuid)
    await conn.execute(
        "UPDATE users SET account_uuid = $2, last_op_date = now() WHERE uuid = $1", uuid, account_uuid
    )
    return []


@on_new_owner("UserGroupVO")
async def move_group(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """The group becomes one of the new account, without the old one's members and policies."""
    await conn.execute("DELETE FROM group_members WHERE group_uuid = $1", uuid)
    await conn.execute("DELETE FROM group_policies WHERE group_uuid = $1", uuid)
    await conn.execute(
        "UPDATE user_groups SET account_uuid = $2, last_op_date = now() WHERE uuid = $1", uuid, account_uuid
    )
    return []


@on_new_owner("PolicyVO")
async def move_policy(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """The policy becomes one of the new account; the old one's users and groups lose it."""
    await conn.execute("DELETE FROM user_policies WHERE policy_uuid = $1", uuid)
    await conn.execute("DELETE FROM group_policies WHERE policy_uuid = $1", uuid)
    await conn.execute("UPDATE policies SET account_uuid = $2 WHERE uuid = $1", uuid, account_uuid)
    return []


@on_new_owner("AccessKeyVO")
async def refuse_key(_conn: Connection, _uuid: str, _account_uuid: str) -> list[str]:
    """A key acts for its login for good."""
    raise OperationError("an access key cannot change its owner")


@on_new_owner("QuotaVO")
async def refuse_quota(_conn: Connection, _uuid: str, _account_uuid: str) -> list[str]:
    """A quota belongs to its account for good."""
    raise OperationError("a quota cannot change its owner")
