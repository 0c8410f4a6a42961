"""A console proxy agent: its sign of life, who may open a console at it, and for how long."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlsplit

import asyncpg
import structlog

from zstack_mgmt import db, tasks
from zstack_mgmt.addresses import servers_of
from zstack_mgmt.auth.permissions import may_call
from zstack_mgmt.auth.standing import SessionCaller, callers_now
from zstack_mgmt.compute.vms.consoles import open_console
from zstack_mgmt.config import Settings
from zstack_mgmt.console import store, tokens
from zstack_mgmt.console.store import Right, Ticket
from zstack_mgmt.core.errors import ApiError
from zstack_mgmt.core.registry import APIS, Call, Services
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.drivers.protocol import Console
from zstack_mgmt.engine.outside import Direct

log = structlog.get_logger()

BEAT_S = 1.0
LIVES_S = 5.0
MAX_TOKEN = 256
_WATCH_S = 1.0
UNCHECKED_S: Annotated[
    float, Doc("seconds that a console stays open while the database cannot be asked"), Bound()
] = 30.0
_ANY_ADDRESS = ("0.0.0.0", "::", "")
_AWAY = (TimeoutError, *db.UNAVAILABLE, asyncpg.PostgresError)


class ConsoleRefused(Exception):
    """No console is opened; the message is for whoever asked."""


@dataclass(eq=False)
class Visit:
    """A console that is open."""

    ticket: Ticket
    remote: str
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = ""

    def end(self, reason: str) -> None:
        """Have it closed; the first reason counts."""
        self.reason = self.reason or reason
        self.ended.set()


class Agent:
    """What one agent knows: the consoles that are open at it."""

    def __init__(self, pool: db.Pool, services: Services, port: int) -> None:
        self._pool = pool
        self._services = services
        self._settings = services.settings
        self._port = port
        self._management_ip = own_address(services.settings)
        self._visits: set[Visit] = set()
        self._taken = 0  # of the agent's places, also by consoles that are still being opened
        self._places: Counter[str] = Counter()  # of these, by account
        self._checked_at = time.monotonic()
        self.alive = asyncio.Event()

    def start(self) -> list[asyncio.Task[None]]:
        """Begin to give signs of life and to watch the open consoles."""
        return [
            asyncio.create_task(self._beat(), name="console-beat"),
            asyncio.create_task(self._watch(), name="console-watch"),
        ]

    def end_all(self) -> None:
        """End every console that is open."""
        for visit in self._visits:
            visit.end("the console proxy agent stops")

    async def stop(self, *running: asyncio.Task[None]) -> None:
        """Say that this agent is gone. Call it when no console is open any more."""
        await tasks.end(*running)
        try:
            async with asyncio.timeout(2), self._pool.acquire() as conn:
                await store.leave(conn, self._management_ip, self._port)
        except _AWAY as error:
            log.warning("the agent could not sign off", action="stop", error=type(error).__name__)

    @asynccontextmanager
    async def visit(self, token: str, remote: str) -> AsyncGenerator[tuple[Visit, Console]]:
        """The console that a token opens, for the time of the block. Whoever has it ends it when told to.

        Raises:
            ConsoleRefused: the token opens nothing now. One that was good is used up, unless it was for
                another address or this agent has no room.
        """
        if self._taken >= self._settings.console_max_connections:
            raise ConsoleRefused("as many consoles are open at this agent as it carries; try again later")
        self._taken += 1
        try:
            with _asking():
                ticket = await self._redeem(token, remote)
            with self._place_of(ticket.right.account_uuid):
                with _asking():
                    console = await self._connect(ticket, remote)
                visit = Visit(ticket, remote)
                self._visits.add(visit)
                try:
                    yield visit, console
                finally:
                    self._visits.discard(visit)
                    await console.close()
        finally:
            self._taken -= 1

    @contextmanager
    def _place_of(self, account_uuid: str) -> Generator[None]:
        """One of the account's places, also while the console is still being opened."""
        if self._places[account_uuid] >= self._settings.console_account_connections:
            count = self._places[account_uuid]
            raise ConsoleRefused(f"the account has {count} consoles open at this agent; close one")
        self._places[account_uuid] += 1
        try:
            yield
        finally:
            self._places[account_uuid] -= 1
            self._places += Counter()  # without those that are at 0

    async def _connect(self, ticket: Ticket, remote: str) -> Console:
        right = ticket.right
        (caller,) = await self._callers([right])
        if caller is None:
            raise ConsoleRefused("the session has ended, or the VM may not be used any more")
        call = Call(caller, self._services, remote=remote)
        try:
            return await open_console(call, Direct(self._pool), right.vm_uuid, ticket.kind)
        except ApiError as error:
            raise ConsoleRefused(error.details) from None

    async def _redeem(self, token: str, remote: str) -> Ticket:
        ticket = None
        if 0 < len(token) <= MAX_TOKEN:
            async with self._pool.acquire() as conn:
                ticket = await store.use_token(conn, tokens.hash_of(self._services.sealer, token), remote)
        if ticket is None:
            raise ConsoleRefused(
                "the token opens no console: it is unknown, has expired, was used, or is for another address"
            )
        return ticket

    async def _callers(self, rights: Sequence[Right]) -> list[SessionCaller | None]:
        """Of each right the caller that has it, None where it is gone."""
        declared = APIS["RequestConsoleAccess"]
        async with self._pool.acquire() as conn:
            holds = await store.still_right(conn, rights)
            logins = {(right.account_uuid, right.user_uuid) for right in rights}
            callers = await callers_now(conn, logins)
        found = (callers.get((right.account_uuid, right.user_uuid)) for right in rights)
        return [
            caller if held and caller is not None and may_call(declared, caller) else None
            for held, caller in zip(holds, found, strict=True)
        ]

    async def _beat(self) -> None:
        while True:
            try:
                async with asyncio.timeout(LIVES_S), self._pool.acquire() as conn:
                    await store.beat(conn, self._management_ip, self._port, LIVES_S)
            except _AWAY as error:
                self._pool.absence.lost(error)
            else:
                self._pool.absence.back()
                self.alive.set()
            await asyncio.sleep(BEAT_S)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_S)
            visits = list(self._visits)
            if not visits:
                self._checked_at = time.monotonic()
                continue
            try:
                async with asyncio.timeout(LIVES_S):
                    callers = await self._callers([visit.ticket.right for visit in visits])
            except _AWAY:
                if time.monotonic() - self._checked_at > UNCHECKED_S:
                    for visit in visits:
                        visit.end("the database is away, so nobody knows whether it may stay open")
                continue
            self._checked_at = time.monotonic()
            for visit, caller in zip(visits, callers, strict=True):
                if caller is None:
                    visit.end("the VM has stopped, the session has ended, or the right to it is gone")


@contextmanager
def _asking() -> Generator[None]:
    """Turn the loss of the database into a refusal."""
    try:
        yield
    except _AWAY:
        raise ConsoleRefused("the database is away; ask for another token") from None


def own_address(settings: Settings) -> str:
    """The address that clients are told: as set, else where we listen, else our end towards the database."""
    if settings.console_address:
        return settings.console_address
    if settings.host not in _ANY_ADDRESS:
        return settings.host
    database = urlsplit(servers_of(settings.session_url)[0]).hostname or "127.0.0.1"
    with socket.socket(socket.AF_INET6 if ":" in database else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((database, 9))  # sends nothing: the kernel chooses the route
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
