"""What accounts and users have in common: a name and a password to log in with."""

from __future__ import annotations

from typing import TypeVar

from zstack_mgmt.auth.passwords import check_old_password
from zstack_mgmt.config import Settings
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

    def takes_rights(self) -> bool:
        return self.password is not None


async def fitting_password(call: Call, conn: Connection, uuid: str, request: UpdateLogin) -> str | None:
    """The stored password that the request's old one fits; None when it fits none, or is not given.

    Hashing takes long: ask before the login is locked, and have `still_fits` look again then.
    """
    if request.old_password is None:
        return None
    stored = await password_of(conn, uuid)
    return stored if await check_old_password(call.services, stored, request.old_password) else None


async def still_fits(conn: Connection, uuid: str, request: UpdateLogin, fitting: str | None) -> bool:
    """Whether the login, locked now, still has the password that was found to fit, if one is asked for."""
    return request.old_password is None or (fitting is not None and await password_of(conn, uuid) == fitting)


async def password_of(conn: Connection, uuid: str) -> str | None:
    """The stored password of the account or user."""
    return await conn.fetchval(
        """
        SELECT password_hash FROM accounts WHERE uuid = $1
        UNION ALL SELECT password_hash FROM users WHERE uuid = $1
        """,
        uuid,
    )


async def update_login(call: Call, conn: Connection, kind: type[T], uuid: str, request: UpdateLogin) -> T:
    """Set what the request has. A new password ends the login's sessions; the old one is remembered."""
    values = {"name": request.name, "description": request.description, "password_hash": request.password}
    if request.password is not None:
        await retire_password(conn, uuid)
        by_owner = uuid == call.user_uuid
        await password_was_set(conn, call.services.settings, uuid, strength=None, by_owner=by_owner)
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


async def set_password(conn: Connection, uuid: str, password_hash: str) -> None:
    """Store the new password of an account or user."""
    await conn.execute(
        "UPDATE accounts SET password_hash = $2, last_op_date = now() WHERE uuid = $1", uuid, password_hash
    )
    await conn.execute(
        "UPDATE users SET password_hash = $2, last_op_date = now() WHERE uuid = $1", uuid, password_hash
    )


async def first_password_was_set(conn: Connection, settings: Settings, uuid: str) -> None:
    """As `password_was_set` by somebody else, for a new login; nothing where no rule asks for it."""
    if (
        settings.password_expires_days
        or settings.password_change_on_first_use
        or settings.password_min_age_days
    ):
        await password_was_set(conn, settings, uuid, strength=None, by_owner=False)


async def password_was_set(
    conn: Connection, settings: Settings, uuid: str, *, strength: str | None, by_owner: bool
) -> None:
    """Note the new password's age and strength, and when it expires by the rules of the settings.

    Args:
        strength: None: unknown, as of a password that came as a digest.
        by_owner: else its owner should choose another, and must if the settings say so.
    """
    await conn.execute(
        """
        INSERT INTO login_details AS d (login_uuid, password_set_at, password_strength, password_reset)
        VALUES ($1, now(), $2, $3)
        ON CONFLICT (login_uuid) DO UPDATE
        SET password_set_at = now(), password_strength = $2, password_reset = $3
        """,
        uuid,
        strength,
        not by_owner,
    )
    await conn.execute(
        """
        WITH new AS (
            SELECT uuid, CASE
                WHEN $3 AND options ->> 'ignore_change_password_upon_first_use' IS DISTINCT FROM 'true'
                    THEN now()
                WHEN $2 > 0 AND options ->> 'ignore_password_expiry' IS DISTINCT FROM 'true'
                    THEN now() + make_interval(days => $2) END AS expires_at
            FROM logins WHERE uuid = $1),
        account AS (
            UPDATE accounts a SET password_expires_at = new.expires_at FROM new WHERE a.uuid = new.uuid)
        UPDATE users u SET password_expires_at = new.expires_at FROM new WHERE u.uuid = new.uuid
        """,
        uuid,
        settings.password_expires_days,
        settings.password_change_on_first_use == 1 and not by_owner,
    )


async def end_sessions(conn: Connection, uuid: str) -> None:
    """End the sessions of one login. Those of an account's users live on."""
    await conn.execute("DELETE FROM sessions WHERE user_uuid = $1", uuid)
