"""The directory as handlers see it: its settings opened, its failures told as errors of the catalogue."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from zstack_mgmt.core.errors import DirectoryTestFailed, DirectoryUnreachable, OperationError
from zstack_mgmt.core.registry import Call, Sealer
from zstack_mgmt.db import Connection
from zstack_mgmt.ldap import questions, store
from zstack_mgmt.ldap.calls import Asker, turn
from zstack_mgmt.ldap.directory import BadFilter, DirectoryError, Reason
from zstack_mgmt.ldap.model import Options, Target, options_of

log = structlog.get_logger()

_WORDS: dict[Reason, str] = {
    "unreachable": "the host cannot be reached",
    "tls": "TLS cannot be set up",
    "credentials": "the user name or the password is wrong",
    "base": "the base is wrong",
    "failed": "the server refuses",
}


@dataclass(frozen=True, slots=True)
class Configured:
    """The directory that there is."""

    uuid: str
    target: Target
    options: Options


def seal_context(uuid: str) -> str:
    """What a server's bind password is sealed for."""
    return f"ldap-server:{uuid}"


def sealed_for(sealer: Sealer, uuid: str, password: str) -> str:
    """The bind password as the server's row keeps it."""
    return sealer.seal(password, seal_context(uuid))


def target_of(sealer: Sealer, stored: store.StoredServer) -> Target:
    """The stored settings, with the password opened."""
    server = stored.inventory
    password = sealer.open(stored.sealed_password, seal_context(server.uuid))
    return Target(server.url, server.base, server.username, password, server.encryption)


async def configured(call: Call, conn: Connection) -> Configured | None:
    """The directory, or None when no server was added."""
    stored = await store.only_server(conn)
    if stored is None:
        return None
    return Configured(stored.inventory.uuid, target_of(call.services.sealer, stored), options_of(stored.tags))


async def prove(call: Call, target: Target) -> None:
    """Try the settings. Raises DirectoryTestFailed, which tells the wrong one, and TooBusy."""
    try:
        async with turn(call.services.settings, target) as ask:
            await ask(questions.test)
    except DirectoryError as error:
        raise DirectoryTestFailed(f"{_WORDS[error.reason]}: {error.details}", reason=error.reason) from None


@asynccontextmanager
async def reaching(call: Call, target: Target, *, login: bool = False) -> AsyncGenerator[Asker]:
    """Have a turn at the directory. Its failures become DirectoryUnreachable (LDAP.1000) and OperationError.

    Args: login: this is a login. Logins start at a limited rate and are not told why they fail; the log is.
    """
    try:
        async with turn(call.services.settings, target, login=login) as ask:
            yield ask
    except DirectoryError as error:
        log.warning("the directory fails", action="ldap", reason=error.reason, details=error.details)
        why = "; other logins are not affected" if login else f": {_WORDS[error.reason]}, {error.details}"
        raise DirectoryUnreachable(f"the LDAP server cannot be used now{why}") from None
    except BadFilter as error:
        raise OperationError(str(error)) from None
