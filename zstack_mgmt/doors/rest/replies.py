"""The forms of answers: JSON bodies, errors, and the address under which a client reaches a job."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import orjson
from aiohttp import web

from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import ApiError

JSON = "application/json"
PROBLEM = "application/problem+json"


def json_reply(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer with a JSON body."""
    return web.Response(
        body=orjson.dumps(body, default=str), status=status, content_type=JSON, headers=headers
    )


def text_reply(body: str, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer whose JSON text is ready."""
    return web.Response(body=body.encode(), status=status, content_type=JSON, headers=headers)


def error_reply(error: ApiError, request: web.Request, status: int | None = None) -> web.Response:
    """The error as ZStack's clients expect it, or as RFC 9457 when `Accept` asks for that."""
    code = status or error.status
    if PROBLEM in request.headers.get("Accept", ""):
        problem = {
            "type": f"/docs/errors#{error.code}",
            "title": error.description,
            "status": code,
            "detail": error.details,
            "code": error.code,
        }
        return web.Response(
            body=orjson.dumps(problem), status=code, content_type=PROBLEM, headers=error.headers
        )
    return json_reply({"error": error.to_json()}, code, error.headers)


def is_trusted(settings: Settings, request: web.Request) -> bool:
    """Whether the peer is a proxy whose forwarding headers are believed."""
    if not settings.trusted_proxies or not request.remote:
        return False
    peer = ip_address(request.remote.partition("%")[0])
    return any(peer in network for network in settings.trusted_proxies)


def client_address(settings: Settings, request: web.Request) -> str:
    """The address of the client, as the nearest untrusted hop shows it."""
    if is_trusted(settings, request):
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
        for hop in reversed(hops):
            try:
                address = ip_address(hop)
            except ValueError:
                break
            if not any(address in network for network in settings.trusted_proxies):
                return str(address)
    return request.remote or ""


def job_location(settings: Settings, request: web.Request, uuid: str) -> str:
    """Where the client polls the job: on the host it used, or on the configured public address."""
    if settings.public_url:
        base = settings.public_url.rstrip("/")
    elif is_trusted(settings, request):
        scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
        base = f"{scheme}://{request.headers.get('X-Forwarded-Host', request.host)}"
    else:
        base = f"{request.scheme}://{request.host}"
    return f"{base}/zstack/v1/api-jobs/{uuid}"
