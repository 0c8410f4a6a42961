"""Where parameters come from: path, query string and body, in the forms that old clients send them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, get_origin

import orjson
from aiohttp import web
from pydantic.alias_generators import to_camel

from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import BadRequest, EncodingUnsupported, RequestTimedOut
from zstack_mgmt.core.registry import Api

_ENCODINGS = ("identity", "gzip", "deflate")
_TAGS = ("systemTags", "userTags")


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
    if b"\\u0000" in raw and _has_nul(body):
        raise BadRequest("text must not hold NUL characters")
    return body  # pyright: ignore[reportUnknownVariableType]


def choose_api(
    served: list[tuple[Api, tuple[str, ...]]], body: Mapping[str, Any]
) -> tuple[Api, tuple[str, ...]]:
    """The API of a path and method; where several share them, the one whose action the body names."""
    if len(served) == 1 and (served[0][0].method != "PUT" or _names_action(served[0][0], body)):
        return served[0]
    for declared, names in served:
        if declared.body_key in body:
            return declared, names
    actions = ", ".join(sorted(declared.body_key for declared, _ in served))
    raise BadRequest(f"the body must name one of the actions {actions}")


def _names_action(declared: Api, body: Mapping[str, Any]) -> bool:
    return (
        declared.body_key in body
        or "params" in body
        or (declared.bare and "" in body)
        or not set(body) - set(_TAGS)
    )


def from_body(declared: Api, body: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in the body of a POST or PUT, with the tags beside them."""
    wrapped = body.get(declared.body_key)
    if wrapped is None and declared.method == "PUT":
        wrapped = body.get("params")
    if wrapped is None and declared.bare:
        wrapped = body.get("", {k: v for k, v in body.items() if k not in _TAGS})
    if wrapped is None:
        wrapped = {}
    if not isinstance(wrapped, dict):
        raise BadRequest(f"{declared.body_key!r} must be a JSON object")
    values: dict[str, Any] = {k: v for k, v in wrapped.items() if v is not None}  # pyright: ignore[reportUnknownVariableType]
    values.update({tag: body[tag] for tag in _TAGS if body.get(tag) is not None})
    return values


def from_query(declared: Api, pairs: list[tuple[str, str]], body: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in the query string of a GET or DELETE; lists as `k=a&k=b` or `k.0=a`.

    A body may add to them.
    """
    lists = {
        to_camel(name)
        for name, info in declared.request.model_fields.items()
        if get_origin(info.annotation) is list or "list[" in str(info.annotation)
    }
    values: dict[str, Any] = {}
    inner = body.get("params", body)
    if isinstance(inner, dict):
        values.update({k: v for k, v in inner.items() if v is not None})  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    seen: set[str] = set()
    for key, text in pairs:
        name, dot, index = key.partition(".")
        name = name if dot and index.isdigit() else key
        if name in lists:
            if name not in seen:
                values[name] = []
                seen.add(name)
            values[name].append(text)
        else:
            values[name] = text
    return values


def check_text(text: str) -> None:
    """Refuse what the database cannot hold: NUL characters and halves of surrogates. Raises BadRequest."""
    if "\0" in text:
        raise BadRequest("text must not hold NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRequest("text must be valid UTF-8") from None


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(k) or _has_nul(v) for k, v in value.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list):
        return any(_has_nul(item) for item in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return False
