"""What a database needs before the first process works on it, and what operators do to it without an API."""

from __future__ import annotations

import secrets

import asyncpg

from zstack_mgmt import schema
from zstack_mgmt.auth.keyring import load_keys
from zstack_mgmt.auth.passwords import PasswordService
from zstack_mgmt.config import ConfigError, Settings
from zstack_mgmt.core.values import ADMIN_UUID
from zstack_mgmt.db import UNAVAILABLE, Connection, RawConnection, losses
from zstack_mgmt.identity.accounts import store
from zstack_mgmt.identity.accounts.model import Account
from zstack_mgmt.identity.configs.store import list_configs
from zstack_mgmt.identity.logins import password_of, retire_password
from zstack_mgmt.primary import Primary
from zstack_mgmt.resources import rows
from zstack_mgmt.rotation import Count, rotate

WELL_KNOWN = "password"


async def prepare_database(
    settings: Settings, *, after: bool = True, default_password: str = ""
) -> list[str]:
    """Bring the schema up to date, and make the built-in admin if it is missing.

    Args:
        after: False leaves the `after` steps for later.
        default_password: what a new admin gets without ADMIN_PASSWORD; empty: one is generated.
    Returns: what the operator should know, a sentence each.
    """
    conn = await _connect(settings)
    try:
        await schema.apply(conn, after=after)
        await list_configs(conn, settings)
        return await _prepare_admin(conn, settings, default_password)
    finally:
        await conn.close()


async def _prepare_admin(conn: Connection, settings: Settings, default_password: str) -> list[str]:
    hasher = PasswordService(settings)
    stored = await password_of(conn, ADMIN_UUID)
    notes: list[str] = []
    if stored is None:
        password = settings.admin_password or default_password or secrets.token_urlsafe(16)
        stored = await hasher.hash(password)
        made = await store.insert_admin(conn, stored)
        if made and not (settings.admin_password or default_password):
            notes.append(f"the account `admin` was made; its password, shown only now: {password}")
    elif settings.admin_password and not await hasher.verify(stored, settings.admin_password):
        notes.append(
            "warning: ADMIN_PASSWORD changes nothing: the account `admin` was made before, with another "
            "password; `python -m zstack_mgmt admin-password` sets it"
        )
    if await hasher.verify(stored, WELL_KNOWN):
        notes.append(
            f"warning: the password of the account `admin` is `{WELL_KNOWN}`; before others can reach this "
            "server, run `python -m zstack_mgmt admin-password`, which takes ADMIN_PASSWORD or makes one up"
        )
    return notes


async def reset_admin_password(settings: Settings) -> str:
    """Give the built-in admin the password ADMIN_PASSWORD, or one that is generated, and end its sessions.

    Returns: the password that was generated, or nothing.
    """
    generated = "" if settings.admin_password else secrets.token_urlsafe(16)
    password_hash = await PasswordService(settings).hash(settings.admin_password or generated)
    conn = await _connect(settings)
    try:
        async with conn.transaction():
            await retire_password(conn, ADMIN_UUID)
            await rows.update(conn, Account, ADMIN_UUID, {"password_hash": password_hash})
            await store.note_password_reset(conn, ADMIN_UUID)
    finally:
        await conn.close()
    return generated


async def rotate_key(settings: Settings) -> Count:
    """Seal everything with the first key (`rotation.rotate`). Raises ConfigError."""
    load_keys(settings)
    conn = await _connect(settings)
    try:
        lacking = await schema.missing(conn)
        if lacking:
            raise ConfigError(f"DATABASE_URL: the schema lacks {lacking[0]}")
        return await rotate(conn, settings)
    finally:
        await conn.close()


async def _connect(settings: Settings) -> RawConnection:
    """A connection without the limits of time that a service's own have."""
    try:
        with losses():
            return await Primary(settings.session_url).connect(timeout=10)
    except (*UNAVAILABLE, asyncpg.PostgresError, ValueError) as error:
        raise ConfigError(f"DATABASE_URL: no connection: {error.__cause__ or error}") from error
