"""One attempt: a signed POST, and what came of it. Never raises for anything that a receiver can do."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

import aiohttp
import yarl
from aiohttp import hdrs

from zstack_mgmt.webhooks.egress import TRAIL, Trail
from zstack_mgmt.webhooks.model import KEPT_REPLY_BYTES, AttemptOutcome, Delivery, Exchange
from zstack_mgmt.webhooks.schedule import retry_after_s
from zstack_mgmt.webhooks.signing import sign

USER_AGENT = "zstack-mgmt-webhooks/1"
MAX_REPLY_BYTES = 64 * 1024
_STALE_WITHIN_S = 0.25  # a kept connection that breaks so early had been closed by the receiver already
_CHANCES = 3


@lru_cache(maxsize=4096)
def _url(text: str) -> yarl.URL:
    return yarl.URL(text, encoded=True)  # `check_url` has brought it into this form


async def send(
    session: aiohttp.ClientSession, delivery: Delivery, keys: Iterable[bytes], timestamp: int
) -> Exchange:
    """Post the delivery once, within the session's time limits, and read no more than 64 KiB of the reply.

    Args: keys: the account's signing keys, the current one first; timestamp: seconds since 1970 by the
    database's clock.
    """
    headers = {
        "X-Job-UUID": delivery.job_uuid,
        "X-Job-Success": "true" if delivery.success else "false",
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "webhook-id": delivery.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(keys, delivery.id, timestamp, delivery.body),
    }
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    trail = Trail()
    TRAIL.set(trail)
    for chance in range(_CHANCES, 0, -1):
        try:
            async with session.post(
                _url(delivery.url), data=delivery.body, headers=headers, allow_redirects=False
            ) as response:
                reply, whole = await _read(response.content)
                if not whole:
                    response.close()
                status = response.status
                outcome, error = _judge(status)
                ended_at = loop.time()
                wish = 0.0
                if status in (429, 503):
                    now = datetime.fromtimestamp(timestamp + ended_at - started_at, UTC)
                    wish = retry_after_s(response.headers.get(hdrs.RETRY_AFTER), now)
                return Exchange(outcome, started_at, ended_at, error, status, trail.peer, reply, wish)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as failure:
            # Without a new socket it was a kept connection that the receiver had closed meanwhile: no
            # failure yet.
            stale = isinstance(failure, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError))
            dialled = trail.dialled or trail.blocked
            if stale and not dialled and loop.time() - started_at < _STALE_WITHIN_S and chance > 1:
                continue
            address = trail.dialled or (trail.blocked.address if trail.blocked else None)
            error = _error_class(failure, trail)
            return Exchange("failed", started_at, loop.time(), error=error, address=address)
    raise AssertionError("the last chance returns")


async def _read(content: aiohttp.StreamReader) -> tuple[bytes, bool]:
    """The first bytes of the reply, and whether it ended within the limit."""
    chunk = await content.readany()
    if content.at_eof():  # the usual case: short, and all there
        return chunk[:KEPT_REPLY_BYTES], True
    kept, size = b"", 0
    while chunk:
        size += len(chunk)
        if len(kept) < KEPT_REPLY_BYTES:
            kept = (kept + chunk)[:KEPT_REPLY_BYTES]
        if size > MAX_REPLY_BYTES:
            return kept, False
        chunk = await content.readany()
    return kept, True


def _judge(status: int) -> tuple[AttemptOutcome, str | None]:
    if 200 <= status < 300:
        return "delivered", None
    if status == 410:
        return "gone", None
    return "failed", "redirect" if 300 <= status < 400 else "http-status"


ErrorClass = Literal[
    "timeout", "connect-timeout", "refused", "dns", "tls", "disconnected", "bad-reply", "bad-url", "network"
]


def _error_class(error: Exception, trail: Trail) -> str:
    """The word for the attempt log: which side to look at, and none of our insides."""
    if trail.blocked and not trail.dialled:
        return f"blocked:{trail.blocked.rule}"
    return _plain_class(error)


def _plain_class(error: Exception) -> ErrorClass:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return "connect-timeout"
        case TimeoutError() | aiohttp.ServerTimeoutError():
            return "timeout"
        case aiohttp.ClientConnectorDNSError():
            return "dns"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "tls"
        case aiohttp.InvalidURL():
            return "bad-url"
        case aiohttp.ClientConnectorError():
            return "refused" if isinstance(error.os_error, ConnectionRefusedError) else "network"
        case aiohttp.ServerDisconnectedError() | ConnectionError():
            return "disconnected"
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return "bad-reply"
        case aiohttp.ClientError() | OSError():
            return "network"
        case _:
            return "bad-url"
