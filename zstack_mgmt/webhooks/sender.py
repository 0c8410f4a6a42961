"""One attempt: a signed POST, and what came of it. Never raises for anything that a receiver can do."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

import yarl

from zstack_mgmt.webhooks.client import BadReply, Client, ConnectTimeout
from zstack_mgmt.webhooks.dialler import Trail
from zstack_mgmt.webhooks.model import AttemptOutcome, Delivery, Exchange
from zstack_mgmt.webhooks.schedule import retry_after_s
from zstack_mgmt.webhooks.signing import sign

USER_AGENT = "zstack-mgmt-webhooks/1"


@lru_cache(maxsize=4096)
def _url(text: str) -> yarl.URL:
    return yarl.URL(text, encoded=True)  # `check_url` has brought it into this form


async def send(client: Client, delivery: Delivery, keys: Iterable[bytes], timestamp: int) -> Exchange:
    """Post the delivery once.

    Args:
        keys: the account's signing keys, the current one first.
        timestamp: seconds since 1970 by the database's clock.
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
    trail = Trail(delivery.account_uuid)
    try:
        reply = await client.post(_url(delivery.url), headers, delivery.body, trail)
    except (BadReply, OSError, TimeoutError, ValueError) as failure:
        address = trail.dialled or (trail.blocked.address if trail.blocked else None)
        return Exchange(
            "failed", started_at, loop.time(), error=_error_class(failure, trail), address=address
        )
    outcome, error = _judge(reply.status)
    ended_at = loop.time()
    wish = 0.0
    if reply.status in (429, 503):
        now = datetime.fromtimestamp(timestamp + ended_at - started_at, UTC)
        wish = retry_after_s(reply.headers.get("retry-after"), now)
    return Exchange(
        outcome, started_at, ended_at, error or reply.flaw, reply.status, trail.peer, reply.body, wish
    )


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
        case ConnectTimeout():
            return "connect-timeout"
        case TimeoutError():
            return "timeout"
        case socket.gaierror():
            return "dns"
        case ssl.SSLError():
            return "tls"
        case ConnectionRefusedError():
            return "refused"
        case ConnectionError():
            return "disconnected"
        case BadReply():
            return "bad-reply"
        case OSError():
            return "network"
        case _:
            return "bad-url"
