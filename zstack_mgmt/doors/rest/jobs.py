"""`/api-jobs`: poll, wait, list, cancel and follow jobs.

Answers come from the rows in PostgreSQL, never from Redis.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlencode

import asyncpg
import orjson
from aiohttp import web

from zstack_mgmt import db
from zstack_mgmt.core.answer import schema_of
from zstack_mgmt.core.errors import BadRequest, JobCanceled, JobFinal, JobNotFound
from zstack_mgmt.core.registry import APIS, Call
from zstack_mgmt.core.values import is_uuid
from zstack_mgmt.doors.rest.callers import authenticate
from zstack_mgmt.doors.rest.context import CONTEXT, Context
from zstack_mgmt.doors.rest.parameters import check_text
from zstack_mgmt.doors.rest.replies import job_location, json_reply, text_reply
from zstack_mgmt.engine import store
from zstack_mgmt.engine.model import FINAL, JobView, failure_body

_MAX_WAIT_S = 30.0
_HOLD_S = 5.0  # how long a poll bridges the database's absence before it answers 202
_HEARTBEAT_S = 15.0
_STATES = frozenset({"queued", "running", "succeeded", "failed", "canceled", "expired"})


def preferred_wait(request: web.Request) -> float:
    """The seconds of `Prefer: wait=N` (RFC 7240), at most 30; 0 without it."""
    for preference in request.headers.get("Prefer", "").split(","):
        name, _, value = preference.strip().partition("=")
        if name.strip().lower() == "wait" and value.strip().isascii() and value.strip().isdigit():
            return min(_MAX_WAIT_S, float(value))
    return 0.0


async def poll_job(request: web.Request) -> web.Response:
    """GET: 202 while it runs, 200 or 503 with the result, 404 when the result expired or there never was such
    a job.
    """
    context = request.app[CONTEXT]
    uuid = request.match_info["uuid"]
    until = time.monotonic() + _HOLD_S
    while True:
        try:
            call = await authenticate(request, context)
            return await answer_job(request, context, call, uuid, preferred_wait(request))
        except db.UNAVAILABLE:
            if time.monotonic() >= until:
                return _unfinished(request, context, uuid, "unknown", 10)
            await asyncio.sleep(0.2)


async def answer_job(
    request: web.Request, context: Context, call: Call, uuid: str, wait_s: float
) -> web.Response:
    """The job's present answer, after at most `wait_s` seconds of waiting for its end."""
    until = time.monotonic() + wait_s
    while True:
        job = await _find(context, call, uuid)
        remaining_s = until - time.monotonic()
        if job.state in FINAL or remaining_s <= 0:
            break
        await context.watcher.wait(uuid, min(remaining_s, 1.0))
    reply = (
        _final(request, job)
        if job.state in FINAL
        else _unfinished(request, context, uuid, job.state, job.age_s)
    )
    if wait_s > 0:
        reply.headers["Preference-Applied"] = f"wait={wait_s:.0f}"
    return reply


async def _find(context: Context, call: Call, uuid: str) -> JobView:
    job: JobView | None = None
    if is_uuid(uuid):
        async with context.pool.acquire() as conn:
            job = await store.view(conn, uuid)
    if job is None or not _may_see(call, job):
        raise JobNotFound("no such job", reason="neverExisted")
    return job


def _may_see(call: Call, job: JobView) -> bool:
    """An account sees its jobs, a system administrator's account all; a user the jobs it submitted."""
    if call.is_account_session:
        return call.is_admin or job.account_uuid == call.account_uuid
    return job.user_uuid == call.user_uuid


def _unfinished(request: web.Request, context: Context, uuid: str, state: str, age_s: float) -> web.Response:
    location = job_location(context.settings, request, uuid)
    pause_s = 1 if age_s < 10 else 2 if age_s < 60 else 5 if age_s < 600 else 10
    headers = {"Location": location, "Retry-After": str(pause_s), "X-Job-UUID": uuid, "X-Job-State": state}
    return json_reply({"location": location}, 202, headers)


def _final(request: web.Request, job: JobView) -> web.Response:
    if job.state == "expired" or job.result is None:
        raise JobNotFound("the result of the job is no longer kept", reason="expired")
    text = job.result
    declared = APIS.get(job.api)
    if request.headers.get("X-JSON-Schema", "").lower() == "true" and declared is not None:
        body = orjson.loads(text)
        body.setdefault("schema", schema_of(declared, body))
        text = orjson.dumps(body).decode()
    status = 200 if job.state == "succeeded" else 503
    return text_reply(text, status, {"X-Job-UUID": job.uuid, "X-Job-State": job.state})


async def cancel_job(request: web.Request) -> web.Response:
    """DELETE: ends a queued job, asks a running one to stop: 202. A final job answers 409."""
    context = request.app[CONTEXT]
    call = await authenticate(request, context)
    job = await _find(context, call, request.match_info["uuid"])
    body = failure_body(JobCanceled("the job was canceled before it ran"))
    async with context.pool.acquire() as conn:
        before = await store.cancel(conn, job.uuid, body, context.settings.job_retention_s)
    if before in FINAL:
        raise JobFinal(f"the job has already ended as {before}")
    if before == "queued":
        context.bell.announce([job.uuid])
        context.bell.ring("webhooks")
        context.bell.ring("jobs")
    return _unfinished(request, context, job.uuid, "canceled" if before == "queued" else "running", 0)


async def list_jobs(request: web.Request) -> web.Response:
    """GET `/api-jobs`: the jobs that the caller may see, newest first, in pages that `next` continues."""
    context = request.app[CONTEXT]
    call = await authenticate(request, context)
    query = request.query
    for text in query.values():
        check_text(text)
    state = query.get("state")
    if state is not None and state not in _STATES:
        raise BadRequest(f"state must be one of {', '.join(sorted(_STATES))}")
    limit = _number(query.get("limit"), 100, 1, 1000, "limit")
    before = _number(query.get("before"), 2**62, 0, 2**62, "before")
    every = call.is_admin and call.is_account_session
    account = query.get("account") if every else call.account_uuid
    user = None if call.is_account_session else call.user_uuid
    async with context.pool.acquire() as conn:
        rows = await store.list_jobs(
            conn, account, user, state, query.get("api"), query.get("resource"), before, limit
        )
    body: dict[str, Any] = {"inventories": [_summary(row) for row in rows]}
    if len(rows) == limit:
        filters = {name: text for name, text in query.items() if name not in ("before", "limit")}
        parameters = {"before": rows[-1]["seq"], "limit": limit} | filters
        body["next"] = f"/zstack/v1/api-jobs?{urlencode(parameters)}"
    return json_reply(body)


def _number(text: str | None, default: int, low: int, high: int, name: str) -> int:
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise BadRequest(f"{name} must be a whole number from {low} to {high}")
    return int(text)


def _summary(row: Any) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "uuid": row["uuid"],
        "accountUuid": row["account_uuid"],
        "userUuid": row["user_uuid"],
        "api": row["api"],
        "state": row["state"],
    }
    for name, column in (
        ("acceptedAt", "accepted_at"),
        ("startedAt", "started_at"),
        ("finishedAt", "finished_at"),
    ):
        if row[column] is not None:
            summary[name] = row[column].isoformat()
    return summary


async def follow_job(request: web.Request) -> web.StreamResponse:
    """GET `/api-jobs/{uuid}/events`: server-sent events of the job's states until its end.

    Event ids grow with the stored state (accepted 0, claim n 2n-1, end 2n+2), so `Last-Event-ID` resumes
    anywhere.
    """
    context = request.app[CONTEXT]
    call = await authenticate(request, context)
    uuid = request.match_info["uuid"]
    last = request.headers.get("Last-Event-ID", "")
    seen = int(last) if last.isascii() and last.isdigit() else -1
    job = await _find(context, call, uuid)
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await stream.prepare(request)
    beat = time.monotonic()
    while True:
        for number, event, body in _events(job):
            if number > seen:
                await stream.write(f"id: {number}\nevent: {event}\ndata: {body}\n\n".encode())
                seen = number
                beat = time.monotonic()
        if job.state in FINAL:
            break
        if time.monotonic() - beat >= _HEARTBEAT_S:
            await stream.write(b": heartbeat\n\n")
            beat = time.monotonic()
        await context.watcher.wait(uuid, 1.0)
        try:
            await authenticate(request, context)
            job = await _find(context, call, uuid)
        except (*db.UNAVAILABLE, asyncpg.PostgresError):
            continue
    await stream.write_eof()
    return stream


def _events(job: JobView) -> list[tuple[int, str, str]]:
    events = [(0, "accepted", orjson.dumps({"at": job.accepted_at}).decode())]
    if job.started_at is not None and job.epoch > 0:
        events.append(
            (2 * job.epoch - 1, "running", orjson.dumps({"at": job.started_at, "claim": job.epoch}).decode())
        )
    if job.state in FINAL:
        events.append((2 * job.epoch + 2, job.state, job.result or "{}"))
    return events
