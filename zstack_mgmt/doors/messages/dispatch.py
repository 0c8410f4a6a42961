"""`POST /zstack/api` with `{"org.zstack….APICreateZoneMsg": {…, "session": {"uuid": …}}}`.

The answer has `state`, Done or Processing, `uuid`, and when it is done `result`: JSON text with the reply
under the name of its class, in which `success` tells how it went. What is processing is asked for at
`GET /zstack/api/result/<uuid>`, without credentials: whoever knows the uuid was told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson
from aiohttp import web

from zstack_mgmt.config import MAX_PAGE_BYTES
from zstack_mgmt.core.answer import JsonText, body_of
from zstack_mgmt.core.callers import ANONYMOUS, Caller
from zstack_mgmt.core.errors import ApiError, BadRequest, InvalidSession, MethodNotAllowed, UnknownPath
from zstack_mgmt.core.registry import APIS, Api
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.doors.bodies import read_body
from zstack_mgmt.doors.messages.queries import query_pairs
from zstack_mgmt.doors.trace import SERVICE, TRACE
from zstack_mgmt.engine.model import FINAL, JobView
from zstack_mgmt.engine.submission import Options
from zstack_mgmt.service.invoke import Accepted, invoke
from zstack_mgmt.service.parts import Service

_OF_THE_DOOR = frozenset({"session", "timeout", "callid", "id", "serviceId", "creatingBundles", "headers"})
_POLL = "PollApiJob"


async def post_message(request: web.Request) -> web.Response:
    """Answer a message. What goes wrong is in the result, as its clients look nowhere else."""
    if request.method != "POST":
        raise MethodNotAllowed("the path takes POST", "POST")
    service = request.app[SERVICE]
    body = await read_body(request, service.settings)
    name, declared, values = _message(body)
    try:
        if declared is None:
            raise UnknownPath(f"no API has the message {name[:200]}")
        return await _call(request, service, declared, values)
    except ApiError as error:
        return _done(new_uuid(), _class_of(declared), {"error": error.to_json()})


async def get_result(request: web.Request) -> web.Response:
    """How a message stands. An unknown one is done, and has failed: clients ask for it for ever otherwise."""
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed("the path takes GET", "GET")
    service = request.app[SERVICE]
    uuid = request.match_info["uuid"].strip("/")
    trace = request[TRACE]
    trace.api = _POLL
    parameters = {"uuid": uuid, "wait": service.settings.poll_hold_s}
    try:
        outcome = await invoke(
            service, APIS[_POLL], ANONYMOUS, parameters, request_id=trace.request_id, remote=trace.remote
        )
    except (InvalidSession, BadRequest):
        error = UnknownPath(f"no message has the uuid {uuid[:64]}")
        return _done(uuid[:64], _class_of(None), {"error": error.to_json()})
    except ApiError as error:
        return _done(uuid[:64], _class_of(None), {"error": error.to_json()})
    return _job(cast("JobView", outcome.value)) if not isinstance(outcome, Accepted) else _processing(uuid)


async def _call(
    request: web.Request, service: Service, declared: Api, values: Mapping[str, Any]
) -> web.Response:
    trace = request[TRACE]
    trace.api = declared.name
    caller = await _caller(service, declared, values)
    trace.account_uuid = caller.account_uuid
    parameters: dict[str, Any] = {
        key: value for key, value in values.items() if key not in _OF_THE_DOOR and value is not None
    }
    if declared.query is not None:
        parameters = {"parameters": query_pairs(parameters)}
    options = Options(timeout_s=_timeout_s(values), wait_s=service.settings.poll_hold_s, by_uuid=True)
    outcome = await invoke(
        service, declared, caller, parameters, options, request_id=trace.request_id, remote=trace.remote
    )
    trace.ignored = outcome.ignored
    if isinstance(outcome, Accepted):
        trace.job_uuid = outcome.job_uuid
        return _processing(outcome.job_uuid) if outcome.job is None else _job(outcome.job)
    value = outcome.value
    if isinstance(value, JsonText):
        value = await _whole(value)
    elif declared.query is None:
        value = body_of(declared, value, service.settings.time_zone)
    return _done(new_uuid(), _class_of(declared), value)


async def _caller(service: Service, declared: Api, values: Mapping[str, Any]) -> Caller:
    """The caller of `session.uuid`; of a public message that names a session, such as LogOut, its owner."""
    session = values.get("session")
    token: Any = cast("dict[str, Any]", session).get("uuid") if isinstance(session, dict) else None
    if declared.access == "public":
        try:
            return await service.sessions.find(str(values["sessionUuid"])) if declared.changes else ANONYMOUS
        except (KeyError, InvalidSession):
            return ANONYMOUS
    if not isinstance(token, str) or not token:
        raise InvalidSession("the message needs a session: {'session': {'uuid': …}}")
    return service.sessions.cached(token) or await service.sessions.find(token)


def _message(body: dict[str, Any]) -> tuple[str, Api | None, dict[str, Any]]:
    """The name of the one message in the body, its API if there is one, and its parameters."""
    if len(body) != 1:
        raise BadRequest("the body must have one message, under the name of its class")
    name, values = next(iter(body.items()))
    if not isinstance(values, dict):
        raise BadRequest("the message must be a JSON object")
    short = name.rpartition(".")[2]
    declared = APIS.get(short.removeprefix("API").removesuffix("Msg"))
    if declared is not None and declared.answer != "body":
        declared = None  # ways to read jobs are this door's own
    return name, declared, cast("dict[str, Any]", values)


def _timeout_s(values: Mapping[str, Any]) -> int | None:
    """The message's `timeout`, which is in milliseconds."""
    timeout = values.get("timeout")
    if timeout is None or isinstance(timeout, bool):
        return None
    if not isinstance(timeout, int | float) or not 0 < timeout < 2**53:
        raise BadRequest("timeout must be a number of milliseconds above 0")
    return max(1, int(timeout / 1000))


def _class_of(declared: Api | None) -> str:
    """The class of the reply: an event of what is a job, else a reply."""
    if declared is None:
        return "org.zstack.header.message.APIReply"
    name = declared.java_class.removesuffix("Msg")
    return f"{name}Event" if declared.mode == "job" else f"{name}Reply"


def _job(job: JobView) -> web.Response:
    if job.state not in FINAL:
        return _processing(job.uuid)
    return _done(job.uuid, _class_of(APIS.get(job.api)), orjson.loads(job.result or "{}"))


def _processing(uuid: str) -> web.Response:
    return _reply({"uuid": uuid, "state": "Processing"})


def _done(uuid: str, name: str, value: Mapping[str, Any]) -> web.Response:
    result = {name: {**value, "success": "error" not in value}}
    return _reply({"uuid": uuid, "state": "Done", "result": orjson.dumps(result, default=str).decode()})


def _reply(body: Mapping[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")


async def _whole(text: JsonText) -> Mapping[str, Any]:
    """A page as one value: it becomes a text inside the answer. Raises BadRequest when it is too large."""
    pieces, size = [text.first], len(text.first)
    async for piece in text.rest:
        pieces.append(piece)
        size += len(piece)
        if size > MAX_PAGE_BYTES:
            await text.rest.aclose()
            raise BadRequest("the page is too large for a message; set a smaller limit")
    return orjson.loads(b"".join(pieces))
