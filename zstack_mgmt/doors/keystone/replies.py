"""The forms of answers and errors in Keystone's API."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

from zstack_mgmt.core.errors import (
    ApiError,
    AuthenticationFailed,
    InvalidSession,
    PermissionDenied,
    ResourceNotFound,
)
from zstack_mgmt.doors.trace import SETTINGS
from zstack_mgmt.doors.wire import origin_of

JSON = "application/json"
_STATUS: Mapping[str, int] = {
    "ID.1000": 401,
    "ID.1001": 401,
    "ID.1002": 403,
    "SYS.1001": 504,
    "SYS.1003": 404,
    "SYS.1006": 403,
    "SYS.1007": 409,  # what a job finds wrong is a name that is taken; the rest is refused before
    "SYS.1010": 503,
    "SYS.1017": 503,
}


_TITLES = {413: "Request Entity Too Large"}  # where Python's phrase depends on its version


class Refusal(Exception):
    """How a job ended that failed: the error's code and sentence."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(details)
        self.status = _STATUS.get(code, 500)
        self.details = details


def is_keystone(request: web.BaseRequest) -> bool:
    """Whether the request came for this door."""
    return request.path == "/v3" or request.path.startswith("/v3/")


def new_request_id() -> str:
    return f"req-{uuid.uuid4()}"


def json_reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer with a JSON body."""
    return web.Response(body=orjson.dumps(body), status=status, content_type=JSON, headers=headers)


def refusal_reply(error: Refusal, request: web.BaseRequest) -> web.Response:
    """How the job of a call failed, in Keystone's form."""
    return _error(request, error.status, error.details, {})


def error_reply(error: ApiError, request: web.BaseRequest, status: int | None = None) -> web.Response:
    """The error in Keystone's form."""
    match error:
        case AuthenticationFailed() | InvalidSession():
            status = 401
        case PermissionDenied():
            status = 403
        case ResourceNotFound():
            status = 404
        case _:
            status = status or (_STATUS.get(error.code, 500) if error.status == 503 else error.status)
    return _error(request, status, error.details, error.headers)


def _error(request: web.BaseRequest, status: int, message: str, headers: Mapping[str, str]) -> web.Response:
    title = _TITLES.get(status) or HTTPStatus(status).phrase
    body = {"error": {"code": status, "message": message, "title": title}}
    more = dict(headers)
    if status == 401 and isinstance(request, web.Request):
        more["WWW-Authenticate"] = f'Keystone uri="{origin_of(request.app[SETTINGS], request)}/v3"'
    return json_reply(body, status, more)


def mark(reply: web.StreamResponse, request_id: str) -> None:
    """Set what every answer of this door carries."""
    reply.headers["x-openstack-request-id"] = request_id
    reply.headers["RequestId"] = request_id
    reply.headers["Vary"] = "X-Auth-Token"
