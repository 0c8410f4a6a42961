"""What proxies say of a request: the client's address, and the origin under which it reached the service."""

from __future__ import annotations

import re
from ipaddress import ip_address

from aiohttp import web

from zstack_mgmt.config import Settings

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_FORWARDED = re.compile(r"""\s*([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*(?:;|$)""")


def is_trusted(settings: Settings, request: web.Request) -> bool:
    """Whether the peer is a proxy whose forwarding headers are believed."""
    return bool(request.remote) and _is_proxy(settings, request.remote or "")


def _is_proxy(settings: Settings, address: str) -> bool:
    try:
        peer = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(peer in network for network in settings.trusted_proxies)


def client_address(settings: Settings, request: web.Request) -> str:
    """The address of the client, as the nearest hop shows it that is no trusted proxy."""
    remote = request.remote or ""
    if not settings.trusted_proxies or not is_trusted(settings, request):
        return remote
    hops = [_address(hop) for hop in _list(request, "X-Forwarded-For")] or [
        _address(parts["for"]) for parts in _forwarded(request) if "for" in parts
    ]
    for hop in reversed(hops):
        if not hop:
            break
        if not _is_proxy(settings, hop):
            return hop
    return remote


def origin_of(settings: Settings, request: web.Request) -> str:
    """scheme://host[:port] as configured, else as the client used it; malformed text counts as none."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    scheme: str = request.scheme
    host = request.headers.get("Host", "")
    if settings.trusted_proxies and is_trusted(settings, request):
        said = (_forwarded(request) or [{}])[0]
        scheme = _first(_list(request, "X-Forwarded-Proto"), said.get("proto")).lower() or scheme
        host = _first(_list(request, "X-Forwarded-Host"), said.get("host")) or host
    if scheme not in ("http", "https"):
        scheme = request.scheme
    return f"{scheme}://{host if _HOST.fullmatch(host) else _own_host(request)}"


def _first(values: list[str], otherwise: str | None) -> str:
    return values[0] if values else otherwise or ""


def _own_host(request: web.Request) -> str:
    """The address at which the request arrived, for clients that name none (HTTP/1.0)."""
    socket: tuple[str, int] | None = None
    if request.transport is not None:
        socket = request.transport.get_extra_info("sockname")
    if not socket:
        return "localhost"
    return f"[{socket[0]}]:{socket[1]}" if ":" in socket[0] else f"{socket[0]}:{socket[1]}"


def _list(request: web.Request, header: str) -> list[str]:
    return [part.strip() for part in ",".join(request.headers.getall(header, [])).split(",") if part.strip()]


def _forwarded(request: web.Request) -> list[dict[str, str]]:
    """The hops of RFC 7239's Forwarded, the client's first."""
    hops: list[dict[str, str]] = []
    for hop in _list(request, "Forwarded"):
        pairs = _FORWARDED.findall(hop)
        hops.append({name.lower(): quoted.replace("\\", "") or plain for name, quoted, plain in pairs})
    return hops


def _address(text: str) -> str:
    """The address in `192.0.2.1`, `192.0.2.1:80` or `[2001:db8::1]:80`; empty for what is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def target_of(request: web.Request) -> str:
    """The path and query as they were sent, also of a target that names the server (RFC 9112, 3.2.2)."""
    raw = request.raw_path
    return raw if raw.startswith("/") else request.rel_url.raw_path_qs
