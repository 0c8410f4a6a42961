"""How a call goes, without any input or output of its own: what to send next, and what the end is.

Each function is a generator that yields requests and pauses, and is sent the replies; a transport that fails
throws ConnectionFailed into it. `blocking` and `asynchronous` carry it out.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, cast

from zstack_sdk.errors import ApiError, ConnectionFailed, ErrorCode, StillRunning, UnexpectedReply
from zstack_sdk.exchange import Pause, Reply, Request

Conversation = Generator["Request | Pause", "Reply | None", "Outcome"]
Sign = Callable[[str, str], dict[str, str]]
"""(method, target) -> the headers that say who calls; made anew for each request."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_GATEWAY = (502, 504)
_TOO_MANY = (429, 503)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call goes on.

    Attributes:
        wait_s: for the end of a job; None: until it ends.
        hold_s: that one request waits for the end of a job, at most 30.
        retry_s: that a lost connection, or a service that is too busy, is tried again.
        timeout_s: for one answer, beyond `hold_s`.
    """

    wait_s: float | None = None
    hold_s: int = 20
    retry_s: float = 60.0
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a call: its body or its error, and the job's uuid if there was one.

    `running` says that the job is accepted and was not waited for.
    """

    body: dict[str, Any]
    error: ErrorCode | None = None
    job_uuid: str = ""
    running: bool = False


def advance(
    conversation: Conversation, reply: Reply | None = None, failure: Exception | None = None
) -> Request | Pause | Outcome:
    """Go on with what came of the last step; an Outcome is the end."""
    try:
        return conversation.send(reply) if failure is None else conversation.throw(failure)
    except StopIteration as end:
        return end.value


OnWait = Callable[[str, str], None]
"""(uuid of the job, its state as far as known): called whenever a request has shown that it still runs."""


def call(
    request: Request,
    sign: Sign,
    patience: Patience,
    poll_target: Callable[[str], str],
    *,
    job_uuid: str = "",
    wait: bool = True,
    on_wait: OnWait | None = None,
) -> Conversation:
    """Send a request; when that makes a job, wait for its end.

    Args:
        job_uuid: the client's uuid of the job, the same however often the request is sent; empty: no job.
        poll_target: where a job is polled, by its uuid.
        wait: False: an accepted job is the end.
    """
    until = None if patience.wait_s is None else time.monotonic() + patience.wait_s
    if job_uuid and wait:
        request = _held(request, patience, until)
    reply = yield from _exchange(request, sign, patience)
    if reply.status != 202 or not job_uuid:
        return _outcome(reply, job_uuid)
    if not wait:
        return Outcome(reply.json(), job_uuid=job_uuid, running=True)
    return (yield from _until_its_end(job_uuid, reply, sign, patience, poll_target, until, on_wait))


def wait(
    job_uuid: str,
    sign: Sign,
    patience: Patience,
    poll_target: Callable[[str], str],
    *,
    on_wait: OnWait | None = None,
) -> Conversation:
    """Wait for the end of a job that was accepted before."""
    until = None if patience.wait_s is None else time.monotonic() + patience.wait_s
    return (yield from _until_its_end(job_uuid, None, sign, patience, poll_target, until, on_wait))


def _until_its_end(
    job_uuid: str,
    reply: Reply | None,
    sign: Sign,
    patience: Patience,
    poll_target: Callable[[str], str],
    until: float | None,
    on_wait: OnWait | None,
) -> Conversation:
    asked = Request("GET", poll_target(job_uuid), {}, timeout_s=patience.timeout_s)
    while True:
        if reply is not None and reply.status != 202:
            return _outcome(reply, job_uuid)
        if reply is not None:
            if on_wait is not None:
                on_wait(job_uuid, reply.headers.get("x-job-state", ""))
            if until is not None and time.monotonic() >= until:
                raise StillRunning(job_uuid)
            if "preference-applied" not in reply.headers:  # it did not hold the request: do not ask at once
                yield Pause(_seconds(reply.headers.get("retry-after"), 1.0))
        reply = yield from _exchange(_held(asked, patience, until), sign, patience)


def _held(request: Request, patience: Patience, until: float | None) -> Request:
    """The request, asking to be answered when the job has ended."""
    hold_s = max(0, min(patience.hold_s, 30))
    if until is not None:
        hold_s = max(0, min(hold_s, int(until - time.monotonic()) + 1))
    headers = request.headers | ({"Prefer": f"wait={hold_s}"} if hold_s else {})
    return replace(request, headers=headers, timeout_s=patience.timeout_s + hold_s)


def _exchange(
    request: Request, sign: Sign, patience: Patience
) -> Generator[Request | Pause, Reply | None, Reply]:
    """Send a request until it has an answer.

    Raises:
        ConnectionFailed: it has none after `retry_s`, or cannot be sent again.
    """
    until = time.monotonic() + patience.retry_s
    pause_s = _FIRST_PAUSE_S
    while True:
        signed = replace(request, headers=request.headers | sign(request.method, request.target))
        try:
            reply = cast("Reply", (yield signed))  # a transport answers a request with one
            if not _is_to_be_repeated(request, reply):
                return reply
            failure: Exception = _failure(reply)
            asked_s = _seconds(reply.headers.get("retry-after"), 0.0)
        except ConnectionFailed as error:
            if error.is_final or not request.repeatable:
                raise
            failure, asked_s = error, 0.0
        # Clients that lost the service together must not come back together.
        next_s = max(asked_s, pause_s * random.uniform(0.5, 1.0))  # noqa: S311
        if time.monotonic() + next_s > until:
            raise failure
        yield Pause(next_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _is_to_be_repeated(request: Request, reply: Reply) -> bool:
    """Whether the reply says nothing of the call: a gateway's, or that it was not accepted for now.

    A job that has failed answers 503 too, with JSON and without `Retry-After`.
    """
    if reply.status in _TOO_MANY and "retry-after" in reply.headers:
        return True
    is_json = "json" in reply.headers.get("content-type", "")
    return request.repeatable and not is_json and reply.status in (*_GATEWAY, 503)


def _failure(reply: Reply) -> Exception:
    try:
        error = reply.json().get("error")
    except UnexpectedReply as unexpected:
        return unexpected
    if isinstance(error, dict):
        return ApiError(ErrorCode.of(error))  # pyright: ignore[reportUnknownArgumentType]
    return UnexpectedReply(f"status {reply.status}")


def _outcome(reply: Reply, job_uuid: str) -> Outcome:
    """What a final reply means. Raises UnexpectedReply for one that is not the service's."""
    body = reply.json()
    if 200 <= reply.status < 300:
        return Outcome(body, job_uuid=job_uuid)
    error = body.get("error")
    if not isinstance(error, dict):
        raise UnexpectedReply(f"status {reply.status} without an error: {reply.body[:200]!r}")
    return Outcome({}, ErrorCode.of(error), job_uuid)  # pyright: ignore[reportUnknownArgumentType]


def _seconds(text: str | None, default: float) -> float:
    return min(float(text), 60.0) if text and text.isascii() and text.isdigit() else default
