"""Receiving webhooks with aiohttp, WSGI or ASGI. What is not genuine is refused.

    app.router.add_post("/hook", aiohttp_handler(secret, on_event))
    application = wsgi_app(secret, on_event)

A delivery comes at least once: `event.id` stays the same over all attempts. Answer soon, and do long work
elsewhere. What raises is answered 500, and comes again.
"""

from __future__ import annotations

import base64
import hmac
import inspect
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from zstack_sdk.errors import ErrorCode, ZStackError

if TYPE_CHECKING:
    from aiohttp import web

TOLERANCE_S = 300
"""How far the time of a delivery may be off."""
MAX_BODY_BYTES = 16 * 1024 * 1024
"""A larger body is refused with 413."""

Secrets = str | Sequence[str]
"""The account's secret, `whsec_...`, or both during a rotation."""


class NotGenuine(ZStackError):
    """Nothing proves that the request comes from the service, or it is too old."""


@dataclass(frozen=True)
class Event:
    """The end of a job, as a webhook tells it."""

    id: str  # of the delivery, the same over all attempts
    job_uuid: str
    succeeded: bool
    body: dict[str, Any]  # what a poll of the job answers

    @property
    def error(self) -> ErrorCode | None:
        """Why the job failed."""
        error = self.body.get("error")
        return ErrorCode.of(cast("Mapping[str, Any]", error)) if isinstance(error, dict) else None


def verify(secrets: Secrets, headers: Mapping[str, str], body: bytes, now: float | None = None) -> Event:
    """The event of a delivery.

    Args:
        headers: in any case of letters.
        body: as it was received, byte for byte.

    Raises:
        NotGenuine: the signature is not the service's, or the time is more than 300 seconds off.

    Source: Standard Webhooks 1.0.0, scheme v1.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    message_id, stamp = lower.get("webhook-id", ""), lower.get("webhook-timestamp", "")
    if not message_id or not (stamp.isascii() and stamp.isdigit()):
        raise NotGenuine("webhook-id or webhook-timestamp is missing or malformed")
    if abs((time.time() if now is None else now) - int(stamp)) > TOLERANCE_S:
        raise NotGenuine("the time is too far away: an old request, or a wrong clock")
    content = f"{message_id}.{stamp}.".encode() + body
    signatures = [s.encode() for s in lower.get("webhook-signature", "").split() if s.startswith("v1,")]
    genuine = False
    for secret in [secrets] if isinstance(secrets, str) else secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        wanted = b"v1," + base64.b64encode(hmac.digest(key, content, "sha256"))
        for signature in signatures:
            genuine |= hmac.compare_digest(wanted, signature)
    if not genuine:
        raise NotGenuine("the signature is not the service's")
    value: Any = json.loads(body)
    return Event(
        id=message_id,
        job_uuid=lower.get("x-job-uuid", ""),
        succeeded=lower.get("x-job-success", "").lower() == "true",
        body=cast("dict[str, Any]", value) if isinstance(value, dict) else {},
    )


Handler = Callable[[Event], Awaitable[None] | None]


def aiohttp_handler(secrets: Secrets, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A request handler for aiohttp; `handler` may be a coroutine function."""
    from aiohttp import web

    async def receive(request: web.Request) -> web.Response:
        try:
            event = verify(secrets, request.headers, await request.read())
        except NotGenuine as error:
            return web.Response(status=400, text=str(error))
        await _handled(handler, event)
        return web.Response(status=204)

    return receive


StartResponse = Callable[[str, list[tuple[str, str]]], object]


def wsgi_app(
    secrets: Secrets, handler: Callable[[Event], None]
) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
    """A WSGI application."""

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        length = str(environ.get("CONTENT_LENGTH") or "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            start_response("413 Content Too Large", [])
            return []
        body: bytes = environ["wsgi.input"].read(int(length))
        headers = {
            name.removeprefix("HTTP_").replace("_", "-"): str(value)
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        try:
            event = verify(secrets, headers, body)
        except NotGenuine as error:
            start_response("400 Bad Request", [("Content-Type", "text/plain; charset=utf-8")])
            return [str(error).encode()]
        handler(event)
        start_response("204 No Content", [])
        return []

    return application


Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def asgi_app(
    secrets: Secrets, handler: Handler
) -> Callable[[dict[str, Any], Receive, Send], Awaitable[None]]:
    """An ASGI application; `handler` may be a coroutine function."""

    async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"a webhook comes by http, not by {scope['type']}")
        status, text = await _asgi_answer(secrets, handler, scope, receive)
        headers = [(b"content-type", b"text/plain; charset=utf-8")] if text else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})

    return application


async def _asgi_answer(
    secrets: Secrets, handler: Handler, scope: dict[str, Any], receive: Receive
) -> tuple[int, str]:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            return 413, "the body is too large"
    pairs: list[tuple[bytes, bytes]] = scope["headers"]
    try:
        event = verify(
            secrets, {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}, body
        )
    except NotGenuine as error:
        return 400, str(error)
    await _handled(handler, event)
    return 204, ""


async def _handled(handler: Handler, event: Event) -> None:
    outcome = handler(event)
    if inspect.isawaitable(outcome):
        await outcome
