"""What accounts and users have in common: a name and a password to log in with."""

from __future__ import annotations

from typing import TypeVar

from zstack_mgmt.auth.passwords import check_old_password
from zstack_mgmt.core.inventory import Inventory
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.values import ClearPassword, Description, Password, ResourceName
from zstack_mgmt.db import Connection
from zstack_mgmt.resources import rows

T = TypeVar("T", bound=Inventory)


class UpdateLogin(ApiRequest):
    """A new name, description or password; what is left out stays."""

    name: ResourceName | None = None
    description: Description | None = None
    password: Password | None = None
    old_password: ClearPassword | None = None


async def old_password_fits(call: Call, conn: Connection, uuid: str, request: UpdateLogin) -> bool:
    """Whether the request has the present password, or none to compare."""
    if request.old_password is None:
        return True
    return await check_old_password(call.services, await password_of(conn, uuid), request.old_password)


async def password_of(conn: Connection, uuid: str) -> str | None:
    """The stored password of the account or user."""
    return await conn.fetchval(
        """
        SELECT password_hash FROM accounts WHERE uuid = $1
        UNION ALL SELECT password_hash FROM users WHERE uuid = $1
        """,
        uuid,
    )


async def update_login(conn: Connection, kind: type[T], uuid: str, request: UpdateLogin) -> T:
    """Set what the request has. A new password ends the login's sessions; the old one is remembered."""
    values = {"name": request.name, "description": request.description, "password_hash": request.password}
    if request.password is not None:
        await retire_password(conn, uuid)
    return await rows.update(conn, kind, uuid, {n: v for n, v in values.items() if v is not None})


async def retire_password(conn: Connection, uuid: str) -> None:
    """End the sessions that the present password has opened, and remember it; another is about to be set."""
    await end_sessions(conn, uuid)
    await conn.execute(
        """
        INSERT INTO password_history (owner_uuid, password_hash)
        SELECT uuid, password_hash FROM accounts WHERE uuid = $1
        UNION ALL SELECT uuid, password_hash FROM users WHERE uuid = $1
        """,
        uuid,
    )


async def end_sessions(conn: Connection, uuid: str) -> None:
    """End the sessions of one login. Those of an account's users live on."""
    await conn.execute("DELETE FROM sessions WHERE user_uuid = $1", uuid)
