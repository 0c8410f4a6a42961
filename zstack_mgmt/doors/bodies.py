"""Reading the JSON body of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import orjson
from aiohttp import web

from zstack_mgmt.config import MAX_JSON_LEVELS, Settings
from zstack_mgmt.core.errors import BadRequest, EncodingUnsupported, RequestTimedOut

_ENCODINGS = ("identity", "gzip", "deflate")


async def read_body(request: web.Request, settings: Settings) -> dict[str, Any]:
    """The JSON object of a request; what is none in a DELETE, which needs no body, counts as empty.

    Raises BadRequest, RequestTimedOut when it does not arrive in time, EncodingUnsupported.
    """
    if not request.body_exists:
        return {}
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding not in _ENCODINGS:
        raise EncodingUnsupported(f"Content-Encoding must be one of {', '.join(_ENCODINGS)}")
    try:
        if request.content.is_eof():  # it is here, as nearly always: no clock is needed
            raw = await request.read()
        else:
            async with asyncio.timeout(settings.request_timeout_s):
                raw = await request.read()
    except TimeoutError:
        raise RequestTimedOut(f"the request did not arrive within {settings.request_timeout_s} s") from None
    except web.RequestPayloadError:
        raise BadRequest("the body is not what its Content-Encoding or Transfer-Encoding says") from None
    try:
        return parse_body(raw)
    except BadRequest:
        if request.method == "DELETE":
            return {}
        raise


def parse_body(raw: bytes) -> dict[str, Any]:
    """The JSON object of a request. Raises BadRequest.

    An empty body is an empty object, and so is `null`, which Python scripts send with GET and DELETE
    (`requests.get(url, data=json.dumps(None))`).
    """
    if not raw.strip():
        return {}
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    if raw.count(b"[") + raw.count(b"{") > MAX_JSON_LEVELS and _is_deeper(body, MAX_JSON_LEVELS):
        raise BadRequest(f"lists and objects must not be nested more than {MAX_JSON_LEVELS} levels deep")
    if b"\\u0000" in raw and _has_nul(body):
        raise BadRequest("text must not hold NUL characters")
    return body  # pyright: ignore[reportUnknownVariableType]


def check_text(text: str) -> None:
    """Refuse what the database cannot hold: NUL characters and halves of surrogates. Raises BadRequest."""
    if "\0" in text:
        raise BadRequest("text must not hold NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRequest("text must be valid UTF-8") from None


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested in more levels than this."""
    level: list[Any] = [value]
    for _ in range(levels):
        level = [part for one in level for part in _parts(one) if isinstance(part, dict | list)]
        if not level:
            return False
    return True


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(k) or _has_nul(v) for k, v in value.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list):
        return any(_has_nul(item) for item in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return False
