"""Pages of other origins that may call the API, if the operator names them."""

from __future__ import annotations

from aiohttp import web

from zstack_mgmt.config import Settings

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_SHOWN = (
    "Location, Retry-After, X-Job-UUID, X-Job-State, X-Request-ID, X-Ignored-Parameters, Preference-Applied"
)
_FOR_S = "600"


def preflight(request: web.Request, settings: Settings) -> web.Response | None:
    """The answer to OPTIONS, None to other methods. Without CORS it only tells the methods."""
    if request.method != "OPTIONS":
        return None
    reply = web.Response(status=204, headers={"Allow": _METHODS})
    if _is_allowed(request, settings):
        asked = request.headers.get("Access-Control-Request-Headers", "")
        reply.headers["Access-Control-Allow-Methods"] = _METHODS
        reply.headers["Access-Control-Allow-Headers"] = asked[:1024]
        reply.headers["Access-Control-Max-Age"] = _FOR_S
    return reply


def allow(request: web.Request, reply: web.StreamResponse, settings: Settings) -> None:
    """Let the page that asked read the answer, if its origin is listed."""
    if settings.cors_origins:
        reply.headers.add("Vary", "Origin")
        if _is_allowed(request, settings):
            reply.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            reply.headers["Access-Control-Expose-Headers"] = _SHOWN


def _is_allowed(request: web.Request, settings: Settings) -> bool:
    return request.headers.get("Origin", "") in settings.cors_origins
