"""Makes the sockets of webhooks: names are looked up in turns, and every address is judged at its socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from ipaddress import IPv6Address, ip_address
from threading import Thread
from typing import Any

from aiohappyeyeballs import start_connection  # pyright: ignore[reportUnknownVariableType]

from zstack_mgmt.config import Settings
from zstack_mgmt.turns import Turns
from zstack_mgmt.webhooks.egress import Place, address_of, check_address, check_port, control_plane

DNS_CACHE_S = 10.0
_LOOKUPS = 64  # at the same time
_LOOKUPS_OF_ACCOUNT = 8


class BlockedAddress(OSError):
    """No socket was made: the address is against a rule."""

    def __init__(self, address: str, rule: str) -> None:
        super().__init__(f"{address} is refused by the rule {rule!r}")
        self.address = address
        self.rule = rule


@dataclass(slots=True)
class Trail:
    """The addresses that one exchange dialled, kept connections aside, and the one that was refused."""

    account_uuid: str = ""  # for whom it is
    dialled: str = ""  # the last one
    peer: str = ""  # the other end of the connection that was used
    blocked: BlockedAddress | None = None

    def note_peer(self, peer: Any) -> None:
        """Args: peer: the socket's name for the other end."""
        self.peer = _text(peer) if peer else ""


class Dialler:
    """Makes sockets to names and addresses that pass the rules."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names = Names()
        own = control_plane(*settings.server_urls)
        self._own_names = [place for place in own if address_of(place[0]) is None]
        self._own: dict[Place, list[Place]] = {}  # where they were last
        self._own_until = 0.0

    async def dial(self, host: str, port: int, trail: Trail) -> socket.socket:
        """A connected socket; every address is judged when its socket is about to be made."""
        found = await self._names.find(host, port, trail.account_uuid)
        own = await self._control_plane() if self._own_names else []
        return await start_connection(
            found,
            happy_eyeballs_delay=0.25,
            interleave=1,
            socket_factory=partial(_guarded_socket, self._settings, own, trail),
        )

    async def _control_plane(self) -> list[Place]:
        """The places that the names of PostgreSQL and Redis stand for.

        A name that does not resolve just now, as that of a container that is away, keeps its last ones.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._own_until:
            for name, port in self._own_names:
                try:
                    found = await self._names.find(name, port)
                except OSError:
                    continue
                self._own[name, port] = [(str(info[4][0]).partition("%")[0], port) for info in found]
            self._own_until = now + DNS_CACHE_S
        return [place for places in self._own.values() for place in places]


class Names:
    """getaddrinfo, kept for a few seconds.

    It blocks for as long as a name server likes, so each call has a thread, and an account has few of them:
    one whose names are slow holds up no other. The threads do not outlive the process.
    """

    def __init__(self) -> None:
        self._turns = Turns(_LOOKUPS, _LOOKUPS_OF_ACCOUNT)
        self._known: dict[Place, tuple[float, list[Any]]] = {}

    async def find(self, host: str, port: int, account_uuid: str = "") -> list[Any]:
        """What getaddrinfo says; raises what it raises. Args: account_uuid: who asks; empty: the service."""
        found = self._recall(host, port)
        if found is not None:
            return found
        await self._turns.take(account_uuid)
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda answer: self._answered(host, port, account_uuid, answer))
        found = self._recall(host, port)  # others may have asked meanwhile
        if found is not None:
            answer.set_result(found)
        else:
            _start_look_up(host, port, answer)
        return await asyncio.shield(answer)  # who gives up waiting leaves the thread at work, in its place

    def _recall(self, host: str, port: int) -> list[Any] | None:
        until, found = self._known.get((host, port), (0.0, None))
        return found if until >= asyncio.get_running_loop().time() else None

    def _answered(self, host: str, port: int, account_uuid: str, answer: asyncio.Future[list[Any]]) -> None:
        self._turns.give(account_uuid)
        now = asyncio.get_running_loop().time()
        self._known = {place: kept for place, kept in self._known.items() if kept[0] >= now}
        if answer.exception() is None:
            self._known.setdefault((host, port), (now + DNS_CACHE_S, answer.result()))


def _start_look_up(host: str, port: int, answer: asyncio.Future[list[Any]]) -> None:
    """Ask in a thread; whatever comes of it, the answer will be there."""
    loop = answer.get_loop()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:  # ValueError: a name that is none
            tell = partial(answer.set_exception, error)
        else:
            tell = partial(answer.set_result, found)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell)

    try:
        Thread(target=look_up, name="webhook-dns", daemon=True).start()
    except RuntimeError as error:
        answer.set_exception(OSError(f"no thread can be started: {error}"))


def _guarded_socket(settings: Settings, own: Iterable[Place], trail: Trail, info: Any) -> socket.socket:
    """A socket for the address, or BlockedAddress; whatever cannot be judged is refused."""
    family, kind, proto, _, target = info
    try:
        address = ip_address(str(target[0]).partition("%")[0])
    except ValueError:
        raise BlockedAddress(str(target), "address-form") from None
    rule = check_address(address, settings) or check_port(address, target[1], settings, own)
    if rule is not None:
        trail.blocked = BlockedAddress(str(address), rule)
        raise trail.blocked
    trail.dialled = _text(target)
    return socket.socket(family=family, type=kind, proto=proto)


@lru_cache(maxsize=4096)
def _text(target: tuple[Any, ...]) -> str:
    address = ip_address(target[0].partition("%")[0])
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return f"[{address}]:{target[1]}" if address.version == 6 else f"{address}:{target[1]}"
