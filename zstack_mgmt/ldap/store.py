"""The SQL of AD/LDAP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zstack_mgmt.db import Connection
from zstack_mgmt.identity.accounts.model import Account
from zstack_mgmt.ldap.model import LdapServer, dn_key


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
