"""The session of a page of our own: a cookie that no script reads, and a token that no other page has.

The cookie opens reads of this origin alone, and changes only beside the token in `X-CSRF-Token`.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from aiohttp import web

from zstack_mgmt.auth.sessions import csrf_token
from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import InvalidSession
from zstack_mgmt.doors.wire import origin_of
from zstack_mgmt.service.parts import Service

CSRF_HEADER = "X-CSRF-Token"
_PLAIN = "zstack-session"
_SECURE = "__Host-zstack-session"  # browsers take such a cookie from this host alone, over TLS
_READS = ("GET", "HEAD")


def cookie_token(request: web.Request, service: Service) -> str:
    """The session uuid in the cookie; empty without one.

    Raises InvalidSession when the request may come from a page of another origin.
    """
    token = session_cookie(request, service.settings)
    if not token:
        return ""
    if not is_same_origin(request, service.settings):
        raise InvalidSession("the cookie of a session is taken from pages of this origin only")
    if request.method not in _READS:
        given = request.headers.get(CSRF_HEADER, "")
        wanted = csrf_token(service.services.sealer, token)
        if not hmac.compare_digest(given.encode(errors="surrogateescape"), wanted.encode()):
            raise InvalidSession(f"beside the cookie of a session, a change needs the header {CSRF_HEADER}")
    return token


def is_same_origin(request: web.Request, settings: Settings) -> bool:
    """Whether the browser says that the request comes from a page of ours, or from its user.

    Browsers tell `Sec-Fetch-Site` over TLS and on this machine, and `Origin` with every change.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin" or (site == "none" and request.method in _READS)
    origin = request.headers.get("Origin")
    if origin is None:
        return request.method in _READS
    return origin == origin_of(settings, request) or urlsplit(origin).netloc == request.headers.get("Host")


def session_cookie(request: web.Request, settings: Settings) -> str:
    """The cookie's text, whether or not it may be used."""
    return request.cookies.get(_name(request, settings), "")[:64]


def set_cookie(request: web.Request, settings: Settings, reply: web.StreamResponse, token: str) -> None:
    """Have the browser keep the session until it is closed; an empty token takes it away."""
    name = _name(request, settings)
    if token:
        reply.set_cookie(name, token, path="/", secure=name == _SECURE, httponly=True, samesite="Strict")
    else:
        reply.del_cookie(name, path="/", secure=name == _SECURE, httponly=True, samesite="Strict")


def _name(request: web.Request, settings: Settings) -> str:
    return _SECURE if origin_of(settings, request).startswith("https:") else _PLAIN
