"""Where webhooks may go. Tenants choose the addresses, so each is hostile until it has passed the rules.

`check_url` refuses at the door what can be seen in the text. A name is judged where it counts, when a
socket to one of its addresses is about to be made (`dialler`): neither redirects nor changing DNS
answers get around that.

    never                 metadata, link-local, multicast, unspecified, reserved, control-plane
    with WEBHOOK_ALLOW    loopback, private, shared, special, translated
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, NoReturn
from urllib.parse import parse_qs, quote, urlsplit

import yarl

from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import BadRequest
from zstack_mgmt.doc import Bound, Doc

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]
Place = tuple[str, int]  # host and port

MAX_URL_BYTES: Annotated[int, Doc("bytes of the URL of a webhook, percent-encoded"), Bound("BadRequest")] = (
    2048
)

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_DOTTED_QUAD = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_ILLEGAL = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]+")
_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^/%:\[\]]+))(?::(\d{1,5}))?")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)")


def _networks(*texts: str) -> Networks:
    return tuple(ip_network(text) for text in texts)


_NEVER: tuple[tuple[str, Networks], ...] = (
    (
        "metadata",
        _networks(
            *("169.254.169.254/32", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
            *("fd00:ec2::254/128", "fd20:ce::254/128", "fd00:42::42/128"),
        ),
    ),
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
    (
        "translated",
        _networks("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "2001::/32", "2002::/16", "::/96"),
    ),
)
_NAT64_LOCAL = ip_network("64:ff9b:1::/48")
_ENDS_IN_IPV4 = _networks("64:ff9b::/96", "::ffff:0:0:0/96", "::/96")  # NAT64, SIIT, IPv4-compatible
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # before the IPv4 address, under any prefix (RFC 5214)
_KNOWN_NAMES = {"localhost": "loopback", "metadata": "metadata", "metadata.google.internal": "metadata"}


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
        rule = check_address(address, settings) or check_port(address, port, settings)
    elif (name, port) in control_plane(*settings.server_urls):
        rule = "control-plane"
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
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    number, octets = int(address), address.packed
    last = IPv4Address(octets[12:])
    if address in _NAT64_LOCAL:
        # RFC 6052: the address follows a prefix of 48, 56 or 64 bits, around octet 8, or one of 96 bits.
        split = octets[:8] + octets[9:]
        return (last, *(IPv4Address(split[first : first + 4]) for first in (6, 7, 8)))
    if number > 1 and any(address in network for network in _ENDS_IN_IPV4):
        return (last,)
    if (number >> 32) & 0xFFFF_FFFF in _ISATAP:
        return (last,)
    return ()


def check_port(address: Address, port: int, settings: Settings, own: Iterable[Place] = ()) -> str | None:
    """The name of the rule that forbids the port at the address, or None.

    Args: own: where PostgreSQL and Redis are, beside the places that are set as addresses.
    """
    if settings.webhook_ports and port not in settings.webhook_ports:
        return "port"
    for host, taken in (*control_plane(*settings.server_urls), *own):
        theirs = address_of(host)
        if theirs is not None and port == taken and _meet(address, theirs):
            return "control-plane"
    return None


def _meet(address: Address, other: Address) -> bool:
    """Whether a packet to the address reaches the other one. All loopback addresses are one host."""
    spellings = (address,)
    if isinstance(address, IPv6Address):
        spellings = (address.ipv4_mapped or address, *_embedded(address))
    return any(a == other or (a.is_loopback and other.is_loopback) for a in spellings)


@lru_cache(maxsize=16)
def control_plane(*urls: str) -> tuple[Place, ...]:
    """The hosts and ports that our own connections go to, from their URLs.

    >>> control_plane("postgresql://u:p@db-1,[fd00::7]:6000/x", "redis:///0")
    (('db-1', 5432), ('fd00::7', 6000), ('localhost', 6379))
    """
    places: list[Place] = []
    for url in urls:
        parts = urlsplit(url)
        said = parse_qs(parts.query)
        ports = said.get("port", ["6379" if parts.scheme.startswith("redis") else "5432"])[0].split(",")
        hosts = parts.netloc.rpartition("@")[2] or said.get("host", ["localhost"])[0]
        for number, host in enumerate(hosts.split(",")):
            port = ports[number % len(ports)]  # one for all, or one each
            found = _HOST_PORT.fullmatch(host)
            if found is None:  # the path of a socket, whose server may listen on loopback too
                places.append(("localhost", int(port)))
            else:
                places.append(((found[1] or found[2]).lower().removesuffix("."), int(found[3] or port)))
    return tuple(places)


def address_of(host: str) -> Address | None:
    """The address that the text is; None when it is a name."""
    try:
        address = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
