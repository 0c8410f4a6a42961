"""The forms of answers in ZStack's REST API: values, jobs as they stand, and errors."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from zstack_mgmt.config import Settings
from zstack_mgmt.core.answer import body_of, schema_of
from zstack_mgmt.core.errors import ApiError
from zstack_mgmt.core.registry import APIS, Api
from zstack_mgmt.doors.wire import origin_of
from zstack_mgmt.engine.model import FINAL, JobView

JSON = "application/json"
PROBLEM = "application/problem+json"


def json_reply(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer with a JSON body."""
    return web.Response(
        body=orjson.dumps(body, default=str), status=status, content_type=JSON, headers=headers
    )


def value_reply(declared: Api, value: Any, settings: Settings, with_schema: bool) -> web.Response:
    """What a handler returned, under the key of its API; what a query has found is in its form already."""
    if declared.query is not None:
        return json_reply(value)
    body = body_of(declared, value, settings.time_zone)
    if with_schema:
        body["schema"] = schema_of(declared, body)
    return json_reply(body)


def job_reply(
    request: web.Request, settings: Settings, job: JobView, with_schema: bool, wait_s: float
) -> web.Response:
    """A job as it stands: 202 with its address while it runs, 200 with its result, 503 with its error."""
    if job.state in FINAL:
        headers = {"X-Job-UUID": job.uuid, "X-Job-State": job.state}
        status = 200 if job.state == "succeeded" else 503
        if status == 503 and _wants_problem(request):
            error = orjson.loads(job.result or "{}").get("error", {})
            reply = _problem_reply(error, status, headers, {"instance": f"/zstack/v1/api-jobs/{job.uuid}"})
        else:
            body = _result(job, with_schema)
            reply = web.Response(body=body, status=status, content_type=JSON, headers=headers)
    else:
        reply = accepted_reply(request, settings, job.uuid, job.state, job.age_s)
    if wait_s > 0:
        reply.headers["Preference-Applied"] = f"wait={wait_s:.0f}"
    return reply


def _result(job: JobView, with_schema: bool) -> bytes:
    text = (job.result or "{}").encode()
    declared = APIS.get(job.api)
    if not with_schema or declared is None:
        return text
    body = orjson.loads(text)
    body.setdefault("schema", schema_of(declared, body))
    return orjson.dumps(body)


def accepted_reply(
    request: web.Request,
    settings: Settings,
    uuid: str,
    state: str = "",
    age_s: float = 0.0,
    timeout_s: int | None = None,
) -> web.Response:
    """202: the job is stored, and `location` is where it is polled; `apiTimeout` is in milliseconds."""
    location = f"{origin_of(settings, request)}/zstack/v1/api-jobs/{uuid}"
    pause_s = 1 if age_s < 10 else 2 if age_s < 60 else 5 if age_s < 600 else 10
    headers = {"Location": location, "Retry-After": str(pause_s), "X-Job-UUID": uuid}
    if state:
        headers["X-Job-State"] = state
    timeout = {} if timeout_s is None else {"apiTimeout": timeout_s * 1000}
    return json_reply({"location": location, **timeout}, 202, headers)


def unknown_reply(request: web.Request, settings: Settings, uuid: str) -> web.Response:
    """202 for a job whose row cannot be read now: clients take every other status for its end."""
    return accepted_reply(request, settings, uuid, "unknown", 10)


def error_reply(error: ApiError, request: web.BaseRequest, status: int | None = None) -> web.Response:
    """The error as ZStack's clients expect it, or as RFC 9457 when `Accept` asks for that."""
    code = status or error.status
    if _wants_problem(request):
        return _problem_reply(error.to_json(), code, error.headers, {})
    return json_reply({"error": error.to_json()}, code, error.headers)


def _wants_problem(request: web.BaseRequest) -> bool:
    return PROBLEM in request.headers.get("Accept", "")


def _problem_reply(
    error: dict[str, Any], status: int, headers: dict[str, str], more: dict[str, Any]
) -> web.Response:
    """An ErrorCode as RFC 9457 has it; what that does not name stays under ZStack's names."""
    names = {"description": "title", "details": "detail"}
    problem = {"type": f"/docs/errors#{error.get('code', '')}", "status": status, **more}
    problem |= {names.get(name, name): value for name, value in error.items()}
    return web.Response(body=orjson.dumps(problem), status=status, content_type=PROBLEM, headers=headers)
