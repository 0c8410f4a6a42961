"""The SQL of AD/LDAP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.identity.accounts.model import Account
from zstack_mgmt.ldap.model import LdapBinding, LdapServer, dn_key


@dataclass(frozen=True, slots=True)
class StoredServer:
    """A server with what its inventory does not show."""

    inventory: LdapServer
    sealed_password: str
    tags: tuple[str, ...]  # its system tags


async def only_server(conn: Connection) -> StoredServer | None:
    """The server, or None."""
    return _stored(
        await conn.fetchrow(
            """
            SELECT s.uuid, s.name, s.description, s.url, s.base, s.username, s.encryption, s.create_date,
                   s.last_op_date, s.sealed_password,
                   ARRAY(SELECT t.tag FROM tags t WHERE t.resource_uuid = s.uuid AND t.type = 'System'
                         ORDER BY t.tag) AS tags
            FROM ldap_servers s
            """
        )
    )


async def server_made_by(conn: Connection, job_uuid: str) -> LdapServer | None:
    """The server that an earlier run of the job has added, or None."""
    row = await conn.fetchrow(
        """
        SELECT uuid, name, description, url, base, username, encryption, create_date, last_op_date
        FROM ldap_servers WHERE made_by = $1
        """,
        job_uuid,
    )
    return None if row is None else LdapServer.from_row(row)


async def insert_server(
    conn: Connection,
    uuid: str,
    name: str,
    description: str | None,
    url: str,
    base: str,
    username: str,
    sealed_password: str,
    encryption: str,
    job_uuid: str,
) -> LdapServer:
    """Insert the server; a second one breaks ldap_servers_singleton_key."""
    row = await fetch_one(
        conn,
        """
        INSERT INTO ldap_servers
            (uuid, name, description, url, base, username, sealed_password, encryption, made_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        RETURNING uuid, name, description, url, base, username, encryption, create_date, last_op_date
        """,
        uuid,
        name,
        description,
        url,
        base,
        username,
        sealed_password,
        encryption,
        job_uuid,
    )
    return LdapServer.from_row(row)


async def update_server(
    conn: Connection,
    uuid: str,
    name: str | None,
    description: str | None,
    url: str | None,
    base: str | None,
    username: str | None,
    sealed_password: str | None,
    encryption: str | None,
) -> LdapServer | None:
    """Set what is not None; None when there is no such server."""
    row = await conn.fetchrow(
        """
        UPDATE ldap_servers SET name = coalesce($2, name), description = coalesce($3, description),
               url = coalesce($4, url), base = coalesce($5, base), username = coalesce($6, username),
               sealed_password = coalesce($7, sealed_password), encryption = coalesce($8, encryption),
               last_op_date = now()
        WHERE uuid = $1
        RETURNING uuid, name, description, url, base, username, encryption, create_date, last_op_date
        """,
        uuid,
        name,
        description,
        url,
        base,
        username,
        sealed_password,
        encryption,
    )
    return None if row is None else LdapServer.from_row(row)


async def delete_tags(conn: Connection, uuid: str, patterns: Sequence[str]) -> None:
    """Drop the server's system tags of these patterns, so that others can take their place."""
    await conn.execute(
        """
        DELETE FROM tags t USING unnest($2::text[]) AS p (start)
        WHERE t.resource_uuid = $1 AND t.type = 'System' AND starts_with(t.tag, p.start)
        """,
        uuid,
        list(patterns),
    )


async def delete_server(conn: Connection, uuid: str) -> None:
    """Delete the server with its bindings and tags, if there is one."""
    await conn.execute("DELETE FROM ldap_servers WHERE uuid = $1", uuid)


async def account_exists(conn: Connection, uuid: str) -> bool:
    """Whether there is such an account; it stays until the transaction ends."""
    return bool(await conn.fetchval("SELECT true FROM accounts WHERE uuid = $1 FOR KEY SHARE", uuid))


async def server_exists(conn: Connection, uuid: str) -> bool:
    """Whether the server is still there; it stays until the transaction ends."""
    return bool(await conn.fetchval("SELECT true FROM ldap_servers WHERE uuid = $1 FOR KEY SHARE", uuid))


async def binding_made_by(conn: Connection, job_uuid: str) -> LdapBinding | None:
    """The binding that an earlier run of the job has made, or None."""
    row = await conn.fetchrow(
        """
        SELECT uuid, ldap_uid, ldap_server_uuid, account_uuid, create_date, last_op_date
        FROM ldap_bindings WHERE made_by = $1
        """,
        job_uuid,
    )
    return None if row is None else LdapBinding.from_row(row)


async def insert_binding(
    conn: Connection, uuid: str, dn: str, server_uuid: str, account_uuid: str, job_uuid: str
) -> LdapBinding:
    """Insert the binding; an entry that is bound already breaks ldap_bindings_dn_key."""
    row = await fetch_one(
        conn,
        """
        INSERT INTO ldap_bindings (uuid, ldap_uid, dn_key, ldap_server_uuid, account_uuid, made_by)
        VALUES ($1, $2, $3, $4, $5, $6)
        RETURNING uuid, ldap_uid, ldap_server_uuid, account_uuid, create_date, last_op_date
        """,
        uuid,
        dn,
        dn_key(dn),
        server_uuid,
        account_uuid,
        job_uuid,
    )
    return LdapBinding.from_row(row)


async def delete_binding(conn: Connection, uuid: str) -> None:
    """Delete the binding, if there is one."""
    await conn.execute("DELETE FROM ldap_bindings WHERE uuid = $1", uuid)


async def bound_names(conn: Connection, server_uuid: str) -> list[str]:
    """The names of all bound entries."""
    rows = await conn.fetch("SELECT ldap_uid FROM ldap_bindings WHERE ldap_server_uuid = $1", server_uuid)
    return [row[0] for row in rows]


async def names_with_sessions(conn: Connection) -> list[str]:
    """The names of the entries that have live sessions."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT l.dn FROM ldap_logins l JOIN sessions s ON s.token_hash = l.token_hash
        WHERE s.expired_date >= now()
        """
    )
    return [row[0] for row in rows]


async def bound_accounts(conn: Connection, server_uuid: str, dns: Sequence[str]) -> list[str]:
    """The accounts to which the entries are bound, each once; the bindings stay for the transaction."""
    rows = await conn.fetch(
        """
        SELECT account_uuid FROM ldap_bindings WHERE ldap_server_uuid = $1 AND dn_key = ANY ($2)
        ORDER BY uuid FOR SHARE
        """,
        server_uuid,
        [dn_key(dn) for dn in dns],
    )
    return list(dict.fromkeys(row[0] for row in rows))


async def open_account(conn: Connection, uuid: str) -> Account | None:
    """The account if it may log in, which does not change until the transaction ends."""
    row = await conn.fetchrow(
        """
        SELECT uuid, name, description, type, create_date, last_op_date FROM accounts
        WHERE uuid = $1 AND enabled FOR SHARE
        """,
        uuid,
    )
    return None if row is None else Account.from_row(row)


async def note_login(conn: Connection, token_hash: bytes, dn: str) -> None:
    """Note that the directory has opened the session, and for whom."""
    await conn.execute(
        """
        WITH opened AS (UPDATE sessions SET origin = 'ldap' WHERE token_hash = $1 RETURNING token_hash)
        INSERT INTO ldap_logins (token_hash, dn) SELECT token_hash, $2 FROM opened
        """,
        token_hash,
        dn,
    )


async def unbind(conn: Connection, server_uuid: str, dns: Sequence[str]) -> list[Account]:
    """Delete the entries' bindings and end the sessions that they, or others of their accounts, have by LDAP.

    Returns the accounts that lost a binding, by name.
    """
    rows = await conn.fetch(
        "DELETE FROM ldap_bindings WHERE ldap_server_uuid = $1 AND dn_key = ANY ($2) RETURNING account_uuid",
        server_uuid,
        [dn_key(dn) for dn in dns],
    )
    accounts = list({row[0] for row in rows})
    await conn.execute(
        """
        DELETE FROM sessions s WHERE s.origin = 'ldap' AND (s.account_uuid = ANY ($1)
            OR s.token_hash IN (SELECT l.token_hash FROM ldap_logins l WHERE l.dn = ANY ($2)))
        """,
        accounts,
        list(dns),
    )
    found = await conn.fetch(
        """
        SELECT uuid, name, description, type, create_date, last_op_date FROM accounts
        WHERE uuid = ANY ($1) ORDER BY name
        """,
        accounts,
    )
    return [Account.from_row(row) for row in found]


def _stored(row: Any) -> StoredServer | None:
    if row is None:
        return None
    return StoredServer(LdapServer.from_row(row), row["sealed_password"], tuple(row["tags"]))
