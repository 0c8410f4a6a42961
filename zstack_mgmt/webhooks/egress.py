"""Where webhooks may go. Tenants choose the addresses, so each is hostile until it has passed the rules.

`check_url` refuses at the door what can be seen in the text. A name is judged where it counts, when a
socket to one of its addresses is about to be made (`Dialler`): neither redirects nor changing DNS
answers get around that.

    never                 metadata, link-local, multicast, unspecified, reserved, control-plane
    with WEBHOOK_ALLOW    loopback, private, shared, special, translated
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, NoReturn
from urllib.parse import quote, urlsplit

import yarl
from aiohappyeyeballs import start_connection  # pyright: ignore[reportUnknownVariableType]

from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import BadRequest
from zstack_mgmt.doc import Bound, Doc

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]

MAX_URL_BYTES: Annotated[int, Doc("bytes of the URL of a webhook, percent-encoded"), Bound("BadRequest")] = (
    2048
)
DNS_CACHE_S = 10
_RESOLVER_THREADS = 64

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_DOTTED_QUAD = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_ILLEGAL = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]+")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)")


def _networks(*texts: str) -> Networks:
    return tuple(ip_network(text) for text in texts)


_NEVER: tuple[tuple[str, Networks], ...] = (
    ("metadata", _networks("169.254.169.254/32", "100.100.100.200/32", "fd00:ec2::254/128")),
    ("link-local", _networks("169.254.0.0/16", "fe80::/10", "fec0::/10")),
    ("multicast", _networks("224.0.0.0/4", "ff00::/8")),
    ("unspecified", _networks("0.0.0.0/8", "::/128")),
    ("reserved", _networks("240.0.0.0/4")),
)
_UNLESS_LISTED: tuple[tuple[str, Networks], ...] = (
    ("loopback", _networks("127.0.0.0/8", "::1/128")),
    ("private", _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")),
    ("shared", _networks("100.64.0.0/10")),
    (
        "special",
        _networks(
            *(
                "192.0.0.0/24",
                "192.0.2.0/24",
                "192.88.99.0/24",
                "198.18.0.0/15",
                "198.51.100.0/24",
                "203.0.113.0/24",
            ),
            *("100::/64", "2001:2::/48", "2001:db8::/32", "3fff::/20", "5f00::/16"),
        ),
    ),
    ("translated", _networks("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "::/96")),
)
_NAT64 = ip_network("64:ff9b::/96")
_NAT64_LOCAL = ip_network("64:ff9b:1::/48")
_COMPATIBLE = ip_network("::/96")
_KNOWN_NAMES = {"localhost": "loopback", "metadata": "metadata", "metadata.google.internal": "metadata"}


class BlockedAddress(OSError):
    """No socket was made: the address is against a rule."""

    def __init__(self, address: str, rule: str) -> None:
        super().__init__(f"{address} is refused by the rule {rule!r}")
        self.address = address
        self.rule = rule


@dataclass(slots=True)
class Trail:
    """The addresses that one exchange dialled, kept connections aside, and the one that was refused."""

    dialled: str = ""  # the last one
    peer: str = ""  # the other end of the connection that was used
    blocked: BlockedAddress | None = None

    def note_peer(self, peer: Any) -> None:
        """Args: peer: the socket's name for the other end."""
        self.peer = _text(peer) if peer else ""


def check_url(url: str, settings: Settings) -> yarl.URL:
    """The URL of a webhook in its normal form: lower-case host, no default port, ASCII only.

    Raises: BadRequest naming the rule that was broken.
    """
    # A header's undecodable bytes arrive as lone surrogates (category Cs), which are refused below.
    if len(url.encode(errors="surrogatepass")) > MAX_URL_BYTES:
        _refuse("length", f"it is longer than {MAX_URL_BYTES} bytes")
    if any(c == "\\" or unicodedata.category(c)[0] in "CZ" for c in url):
        _refuse("characters", "it holds a space, a control character or a backslash")
    parts = _URL.fullmatch(url)
    if parts is None or parts[1].lower() not in ("http", "https"):
        _refuse("scheme", "it must begin with http:// or https://")
    if "#" in parts[3]:
        _refuse("fragment", "a fragment is never sent; leave it out")
    if "@" in parts[2]:
        _refuse("user-info", "a user name or password in it would be stored and logged; leave it out")
    try:
        parsed = yarl.URL(url)
        host, port = parsed.raw_host or "", parsed.port or 0
    except ValueError:
        _refuse("host", "its host or port is malformed")
    port_text = parts[2].rpartition(":")[2] if ":" in parts[2] else ""
    if not port_text.isascii() or (not parts[2].isascii() and _ends_in_number(host)):
        _refuse("address-form", "its address or port holds digits that are not plain ones")
    _check_host(host, bracketed=parts[2].startswith("["), port=port, settings=settings)
    if not 0 < port < 65536 or (settings.webhook_ports and port not in settings.webhook_ports):
        _refuse("port", f"port {port} is not one that the operator allows (WEBHOOK_PORTS)")
    # What is legal stays as it is, byte for byte, other escapes included: it may hold a token.
    target = _ILLEGAL.sub(lambda found: quote(found[0], safe=""), parts[3])
    shown_port = "" if parsed.is_default_port() else f":{port}"
    slash = "" if target.startswith("/") else "/"
    normal = f"{parsed.scheme}://{parsed.host_subcomponent}{shown_port}{slash}{target}"
    if len(normal) > MAX_URL_BYTES:  # percent-encoding makes it longer
        _refuse("length", f"it is longer than {MAX_URL_BYTES} bytes")
    return yarl.URL(normal, encoded=True)


def _check_host(host: str, *, bracketed: bool, port: int, settings: Settings) -> None:
    name = host.lower().removesuffix(".")
    address: Address | None = None
    if bracketed or _DOTTED_QUAD.fullmatch(host):
        try:
            address = ip_address(host)
        except ValueError:
            _refuse("address-form", "its address is malformed; write 192.0.2.1 or [2001:db8::1]")
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            _refuse("link-local", "an address with a zone is a link-local one")
    elif _ends_in_number(name):
        # The decimal, octal, hexadecimal, short and full-width forms, which differ from resolver to resolver.
        _refuse("address-form", "its host looks like a number; write an address as 192.0.2.1")
    elif not name or len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        _refuse("host", "its host is missing or is not a host name")
    rule = _KNOWN_NAMES.get("localhost" if name.endswith(".localhost") else name)
    if rule == "loopback":
        address, rule = IPv4Address("127.0.0.1"), None
    if address is not None:
        rule = check_address(address, settings) or _check_port(address, port, settings)
    if rule is not None:
        listed = any(rule == r for r, _ in _UNLESS_LISTED)
        _refuse(
            rule, "the operator can list the network in WEBHOOK_ALLOW" if listed else "no setting allows it"
        )


def _ends_in_number(host: str) -> bool:
    return _NUMBER.fullmatch(host.lower().removesuffix(".").rpartition(".")[2]) is not None


def _refuse(rule: str, why: str) -> NoReturn:
    raise BadRequest(f"X-Web-Hook: the URL is refused by the rule {rule!r}: {why}")


def check_address(address: Address, settings: Settings) -> str | None:
    """The name of the rule that forbids the address, or None.

    An IPv6 address that carries an IPv4 address is judged by both.
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return check_address(address.ipv4_mapped, settings)  # the same host, in another spelling
    inner = _embedded(address) if isinstance(address, IPv6Address) else ()
    for rule, networks in _NEVER:
        if any(a in network for a in (address, *inner) for network in networks):
            return rule
    for rule, networks in _UNLESS_LISTED:
        for a in (address, *inner):
            if any(a in n for n in networks) and not any(a in n for n in settings.webhook_allow):
                return rule
    return None


def _embedded(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that translators and tunnels would send the packet on to."""
    number = int(address)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if address in _NAT64:
        return (IPv4Address(number & 0xFFFFFFFF),)
    if address in _NAT64_LOCAL:
        # RFC 6052: with a /48 prefix the address lies around octet 8, which is zero; with a /96, at the end.
        split = ((number >> 64) & 0xFFFF) << 16 | (number >> 40) & 0xFFFF
        return (IPv4Address(number & 0xFFFFFFFF), IPv4Address(split))
    if address in _COMPATIBLE and number > 1:
        return (IPv4Address(number),)
    return ()


def _check_port(address: Address, port: int, settings: Settings) -> str | None:
    if settings.webhook_ports and port not in settings.webhook_ports:
        return "port"
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    for url in (settings.database_url, settings.redis_url):
        own = urlsplit(url)
        host = own.hostname or "localhost"
        local = host in {"localhost", "::1"} or host.startswith("127.")
        same = address.is_loopback if local else host == str(address)
        if same and port == (own.port or (6379 if own.scheme.startswith("redis") else 5432)):
            return "control-plane"
    return None


def _guarded_socket(settings: Settings, trail: Trail, info: Any) -> socket.socket:
    """A socket for the address, or BlockedAddress; whatever cannot be judged is refused."""
    family, kind, proto, _, target = info
    try:
        address = ip_address(str(target[0]).partition("%")[0])
    except ValueError:
        raise BlockedAddress(str(target), "address-form") from None
    rule = check_address(address, settings) or _check_port(address, target[1], settings)
    if rule is not None:
        trail.blocked = BlockedAddress(str(address), rule)
        raise trail.blocked
    trail.dialled = _text(target)
    return socket.socket(family=family, type=kind, proto=proto)


class Dialler:
    """Makes sockets to names and addresses that pass the rules.

    getaddrinfo has threads of its own, so that slow name servers hold up no other work of the process.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="webhook-dns")
        self._known: dict[tuple[str, int], tuple[float, list[Any]]] = {}

    async def dial(self, host: str, port: int, trail: Trail) -> socket.socket:
        """A connected socket; every address is judged when its socket is about to be made."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        until, found = self._known.get((host, port), (0.0, []))
        if until < now:
            lookup = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
            found = await loop.run_in_executor(self._threads, lookup)
            self._known = {key: kept for key, kept in self._known.items() if kept[0] >= now}
            self._known[host, port] = (now + DNS_CACHE_S, found)
        return await start_connection(
            found,
            happy_eyeballs_delay=0.25,
            interleave=1,
            socket_factory=partial(_guarded_socket, self._settings, trail),
        )

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


@lru_cache(maxsize=4096)
def _text(target: tuple[Any, ...]) -> str:
    address = ip_address(target[0].partition("%")[0])
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return f"[{address}]:{target[1]}" if address.version == 6 else f"{address}:{target[1]}"


@cache
def system_trust() -> ssl.SSLContext:
    """Read once: the certificates take a tenth of a second to load."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
