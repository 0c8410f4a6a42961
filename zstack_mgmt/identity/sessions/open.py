"""How every login ends when it succeeds: with a new session."""

from __future__ import annotations

from zstack_mgmt.auth.sessions import token_hash
from zstack_mgmt.core.errors import TooManySessions
from zstack_mgmt.core.registry import Call
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.configs.model import SESSION_TIMEOUT, SESSIONS
from zstack_mgmt.identity.configs.store import value_of
from zstack_mgmt.identity.sessions import store
from zstack_mgmt.identity.sessions.model import Session


async def open_session(call: Call, conn: Connection, account_uuid: str, user_uuid: str) -> Session:
    """Store a new session and return it with its token. Raises TooManySessions; nothing is stored then."""
    settings = call.services.settings
    most = await value_of(conn, SESSIONS, settings)
    token = new_uuid()
    row = await store.insert_session(
        conn,
        token_hash(call.services.sealer, token),
        account_uuid,
        user_uuid,
        await value_of(conn, SESSION_TIMEOUT, settings),
        most,
    )
    if row is None:
        raise TooManySessions(f"there are {most} sessions already; log one of them out")
    return Session(uuid=token, **dict(row))
