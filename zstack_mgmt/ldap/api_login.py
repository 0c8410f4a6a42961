"""Logging in through the directory."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import StringConstraints
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from zstack_mgmt.auth.sessions import token_hash
from zstack_mgmt.auth.throttle import forget_failures, is_blocked, note_failure, subject_of, take_turn
from zstack_mgmt.core.errors import (
    AuthenticationFailed,
    DirectoryUnreachable,
    EntryNotFound,
    InternalError,
    NoDirectory,
    TooManySessions,
)
from zstack_mgmt.core.inventory import Inventory
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.identity.accounts.model import Account
from zstack_mgmt.identity.sessions.model import Session
from zstack_mgmt.identity.sessions.open import open_session
from zstack_mgmt.ldap import questions, store
from zstack_mgmt.ldap.access import Configured, configured, reaching
from zstack_mgmt.ldap.api_servers import servers
from zstack_mgmt.ldap.calls import Asker
from zstack_mgmt.ldap.model import dn_key

_REFUSAL_S = 0.25
"""Refusals are given at multiples of this after the call came in.

A directory takes longer to refuse a wrong password than an unknown name, and to look for groups. Up to a
quarter of a second of that does not show.
"""


class LogInByLdap(ApiRequest):
    """Open a session of the account to which the caller's entry, or a group that it is in, is bound.

    `uid` is the value of the login attribute: cn, or what the server's tag `ldapUseAsLoginName::` says. The
    password goes to the directory as it is; an empty one opens nothing.

    Source: manual, "AD/LDAP > LogInByLdap", where the sample calls a part of a distinguished name `uid`.
    """

    uid: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    password: Annotated[str, StringConstraints(max_length=1024, strip_whitespace=False)]


class DirectoryLogin(TypedDict):
    """The session, and the account that it is of."""

    inventory: Session
    accountInventory: Account


def _classes(body: Mapping[str, Any]) -> dict[str, str]:
    """The `schema` map of a login, which has two inventories and not the one of other answers."""
    kinds: dict[str, type[Inventory]] = {"inventory": Session, "accountInventory": Account}
    return {key: kinds[key].meta.java_class for key in body if key in kinds}


@servers.action(
    LogInByLdap,
    "PUT /v1/ldap/login",
    mode="sync",
    access="public",
    response_key="",
    returns=Session,
    describe=_classes,
    raises=(
        AuthenticationFailed,
        TooManySessions,
        NoDirectory,
        EntryNotFound,
        DirectoryUnreachable,
        InternalError,
    ),
    outside=True,
)
async def log_in_by_ldap(call: Call, work: Direct, request: LogInByLdap) -> DirectoryLogin:
    began = time.monotonic()
    async with work.transaction() as conn:
        server = await configured(call, conn)
    if server is None:
        raise NoDirectory("there is no LDAP server to log in with")
    async with reaching(call, server.target, login=True) as ask:
        opened = await _log_in(call, work, server, ask, request)
    if opened is not None:
        return opened
    spent = time.monotonic() - began
    await asyncio.sleep(_REFUSAL_S * math.ceil(spent / _REFUSAL_S) - spent)
    raise AuthenticationFailed("the name or the password is wrong")


async def _log_in(
    call: Call, work: Direct, server: Configured, ask: Asker, request: LogInByLdap
) -> DirectoryLogin | None:
    """The answer to a login, or None when it is refused; the failure is counted then."""
    dn = await _find(server, ask, request.uid)
    # A name has many spellings, an entry one: the throttle counts entries where it can.
    sealer, known = call.services.sealer, dn_key(dn) if dn else f"name:{request.uid}"
    subject = subject_of(sealer, "ldap", server.uuid, known)
    async with work.transaction() as conn:
        blocked = await is_blocked(conn, subject, call.remote)
        bound = await store.bound_accounts(conn, server.uuid, [dn] if dn else [])
    # Who is unknown or must wait is asked for all the same, under a name that nobody has.
    asked = dn if dn and not blocked else f"cn={new_uuid()},{server.target.base}"
    names = [asked] if await ask(questions.authenticates, asked, request.password) else []
    if names and not bound:
        names += await ask(questions.groups_above, server.options.member_attributes, asked)
    async with work.transaction() as conn:
        await take_turn(conn, subject)
        # Looked at again, as every login does: many attempts at once must not all be free.
        blocked = blocked or await is_blocked(conn, subject, call.remote)
        account = None if blocked or not names else await _account(conn, server, names)
        if account is not None:
            await forget_failures(conn, subject, call.remote)
            session = await open_session(call, conn, account.uuid, account.uuid)
            await store.note_login(conn, token_hash(sealer, session.uuid), asked)
            return {"inventory": session, "accountInventory": account}
        if not blocked:
            await note_failure(conn, call.services.settings, subject, call.remote)
    return None


async def _find(server: Configured, ask: Asker, uid: str) -> str | None:
    """The entry with this login name, or None. Raises EntryNotFound when several have it."""
    attribute = server.options.login_attribute
    found = await ask(questions.logins, attribute, uid)
    if len(found) > 1:
        raise EntryNotFound(f"several entries have this {attribute}; ask the administrator")
    return found[0] if found else None


async def _account(conn: Connection, server: Configured, names: list[str]) -> Account | None:
    """The account to log in to, or None. A binding of the entry itself wins over those of its groups.

    Raises InternalError when its groups lead to different accounts.
    """
    accounts = await store.bound_accounts(conn, server.uuid, names[:1])
    accounts = accounts or await store.bound_accounts(conn, server.uuid, names[1:])
    if len(accounts) > 1:
        raise InternalError("the groups of the entry are bound to different accounts; bind the entry itself")
    return await store.open_account(conn, accounts[0]) if accounts else None
