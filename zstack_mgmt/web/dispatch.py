"""One handler for all APIs: find the declaration, authenticate, gather and validate, authorise, then answer or store a job."""

from __future__ import annotations

from typing import Any, get_args
from urllib.parse import parse_qsl, unquote

import asyncpg
import structlog
from aiohttp import web

from zstack_mgmt import db, metrics
from zstack_mgmt.auth.permissions import authorise
from zstack_mgmt.auth.sessions import Identity, token_hash
from zstack_mgmt.errors import (
    BadRequest,
    InternalError,
    InvalidSession,
    MethodNotAllowed,
    TooBusy,
    UnknownPath,
)
from zstack_mgmt.jobs.answer import body_of, schema_of
from zstack_mgmt.jobs.model import Submission, keys_of
from zstack_mgmt.jobs.outside import Direct
from zstack_mgmt.registry import Api, ApiRequest, Call, Services
from zstack_mgmt.values import Secret, is_job_uuid, is_uuid, new_uuid
from zstack_mgmt.web.context import CONTEXT, TRACE, Context
from zstack_mgmt.web.parameters import check_text, choose_api, from_body, from_query, parse_body
from zstack_mgmt.web.replies import client_address, job_location, json_reply
from zstack_mgmt.webhooks.egress import check_url

log = structlog.get_logger()

_MAX_TIMEOUT_S = 7 * 86400
_MAX_WAIT_S = 30.0


async def dispatch(request: web.Request) -> web.StreamResponse:
    """Answer a call of `/zstack/v1/...` or `/v1/...`. Errors leave as ApiError; the middleware shapes them."""
    context = request.app[CONTEXT]
    path = unquote_path(request)
    found = context.routes.find(path.removeprefix("/zstack"))
    if found is None:
        raise UnknownPath(f"no API has the path {path[:200]}")
    leaf, variables = found
    served = leaf.methods.get(request.method)
    if served is None:
        raise MethodNotAllowed(f"the path takes {leaf.allow}", leaf.allow)
    call = await authenticate(request, context, public=served[0][0].access == "public")
    raw = await request.read() if request.body_exists else b""
    body = parse_body(raw)
    declared, names = choose_api(served, body)
    request[TRACE].api = declared.name
    authorise(declared, call)
    parameters = gather(request, declared, body, dict(zip(names, variables, strict=True)))
    if declared.mode == "sync":
        return await _answer(request, context, declared, call, parameters)
    return await _accept(request, context, declared, call, parameters, raw)


def unquote_path(request: web.Request) -> str:
    """The path with its escapes resolved. Raises BadRequest for text that cannot be stored."""
    raw = request.raw_path.partition("?")[0]
    if "%" not in raw:
        return raw
    path = unquote(raw, errors="surrogateescape")
    check_text(path)
    return path


async def authenticate(request: web.Request, context: Context, *, public: bool = False) -> Call:
    """The caller behind the Authorization header. Raises InvalidSession, for public APIs only what a bad token deserves."""
    token = bearer_token(request)
    remote = client_address(context.settings, request)
    if public:
        identity = Identity("", "", is_admin=False)
    else:
        if not token:
            raise InvalidSession("the call needs a session: send `Authorization: OAuth <session uuid>`")
        found = context.sessions.cached(token)
        identity = found or await context.sessions.find(token)
    call = Call(
        account_uuid=identity.account_uuid,
        user_uuid=identity.user_uuid,
        is_admin=identity.is_admin,
        request_id=request[TRACE].request_id,
        remote=remote,
        session_token=token,
        services=context.services,
    )
    request[TRACE].account_uuid = identity.account_uuid
    return call


def bearer_token(request: web.Request) -> str:
    """The session uuid of `Authorization: OAuth …`, or of the header `OAuth` that some samples of the manual use."""
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "oauth":
        return token.strip()
    return request.headers.get("OAuth", "").strip() if not scheme else ""


def gather(
    request: web.Request, declared: Api, body: dict[str, Any], variables: dict[str, str]
) -> ApiRequest:
    """The validated parameters from path, query string and body. Raises BadRequest."""
    pairs: list[tuple[str, str]] = []
    if request.method in ("GET", "DELETE"):
        query = request.raw_path.partition("?")[2]
        if query:
            pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape", max_num_fields=1000)
            for key, text in pairs:
                check_text(key)
                check_text(text)
        if declared.query is not None:
            return declared.parse({"parameters": pairs, "uuid": next(iter(variables.values()), None)})
        values = from_query(declared, pairs, body)
    else:
        values = from_body(declared, body)
    values.update(variables)
    return declared.parse(values)


async def _answer(
    request: web.Request, context: Context, declared: Api, call: Call, parameters: ApiRequest
) -> web.StreamResponse:
    if declared.outside:
        value = await declared.handler(call, Direct(context.pool), parameters)
    elif request.method == "GET":
        async with context.pool.acquire() as conn:
            value = await declared.handler(call, conn, parameters)
    else:
        async with db.transaction(context.pool) as conn:
            value = await declared.handler(call, conn, parameters)
    body = body_of(declared, value, context.settings.time_zone)
    if declared.query is None and request.headers.get("X-JSON-Schema", "").lower() == "true":
        body["schema"] = schema_of(declared, body)
    return json_reply(body)


async def _accept(
    request: web.Request, context: Context, declared: Api, call: Call, parameters: ApiRequest, raw: bytes
) -> web.Response:
    headers = request.headers
    uuid = headers.get("X-Job-UUID") or headers.get("Idempotency-Key")
    if uuid is None:
        uuid = new_uuid()
    elif not is_job_uuid(uuid):
        raise BadRequest("X-Job-UUID must be 32 lower-case hex digits of a version 4 uuid")
    hook = headers.get("X-Web-Hook")
    web_hook = None if hook is None else str(check_url(hook, context.settings))
    timeout_s = _api_timeout(headers.get("X-API-Timeout"), context.settings.job_timeout_s)
    wait_s = preferred_wait(request)
    context.acceptor.check_room()
    target = f"{request.method} {request.raw_path}\n".encode()
    submission = Submission(
        uuid=uuid,
        account_uuid=call.account_uuid,
        user_uuid=call.user_uuid,
        is_admin=call.is_admin,
        api=declared.name,
        fingerprint=context.services.sealer.keyed_hash(target + raw, "job"),
        request=await _request_json(declared, call, parameters),
        request_id=call.request_id,
        keys=_keys(declared, parameters),
        outside=declared.outside,
        with_schema=headers.get("X-JSON-Schema", "").lower() == "true",
        web_hook=web_hook,
        timeout_s=timeout_s,
    )
    await context.acceptor.submit(submission)
    metrics.ACCEPTED.labels(declared.name).inc()
    request[TRACE].job_uuid = uuid
    location = job_location(context.settings, request, uuid)
    if wait_s > 0:
        from zstack_mgmt.web.api_jobs import answer_job

        return await answer_job(request, context, call, uuid, wait_s)
    reply_headers = {"Location": location, "Retry-After": "1", "X-Job-UUID": uuid}
    return json_reply({"location": location}, 202, reply_headers)


def _api_timeout(text: str | None, default_s: int) -> int:
    if text is None:
        return default_s
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _MAX_TIMEOUT_S:
        raise BadRequest(f"X-API-Timeout must be a number of seconds from 1 to {_MAX_TIMEOUT_S}")
    return int(text)


def preferred_wait(request: web.Request) -> float:
    """The seconds of `Prefer: wait=N` (RFC 7240), at most 30; 0 without it."""
    for preference in request.headers.get("Prefer", "").split(","):
        name, _, value = preference.strip().partition("=")
        if name.strip().lower() == "wait" and value.strip().isdigit():
            return min(_MAX_WAIT_S, float(value))
    return 0.0


def _keys(declared: Api, parameters: ApiRequest) -> str | None:
    if not declared.exclusive and not declared.shared:
        return None
    return keys_of(_uuids(parameters, declared.exclusive), _uuids(parameters, declared.shared))


def _uuids(parameters: ApiRequest, names: tuple[str, ...]) -> list[str]:
    values: list[str] = []
    for name in names:
        value = getattr(parameters, name)
        values += [value] if isinstance(value, str) else (value or [])
    return [value for value in values if is_uuid(value)]


_SECRETS: dict[type[ApiRequest], dict[str, str]] = {}


def _secret_fields(kind: type[ApiRequest]) -> dict[str, str]:
    if kind not in _SECRETS:
        found: dict[str, str] = {}
        for name, info in kind.model_fields.items():
            marks = [*info.metadata]
            for arg in get_args(info.annotation):
                marks += getattr(arg, "__metadata__", ())
            found.update({name: mark.kind for mark in marks if isinstance(mark, Secret)})
        _SECRETS[kind] = found
    return _SECRETS[kind]


async def _request_json(declared: Api, call: Call, parameters: ApiRequest) -> str:
    """The request as it is stored: no clear text of a secret is in it."""
    secrets = _secret_fields(declared.request)
    changes: dict[str, str] = {}
    for name, kind in secrets.items():
        clear = getattr(parameters, name)
        if clear is not None:
            changes[name] = await _protected(call.services, kind, name, clear)
    if changes:
        parameters = parameters.model_copy(update=changes)
    return parameters.model_dump_json(exclude_unset=True)


async def _protected(services: Services, kind: str, name: str, clear: str) -> str:
    if kind == "password":
        return await services.hasher.hash(clear)
    if kind == "token":
        return token_hash(services.sealer, clear).hex()
    return services.sealer.seal(clear, name)


def translate(error: BaseException, request_id: str) -> Any:
    """The ApiError for what a handler or the database raised; logs what is unforeseen."""
    if isinstance(error, asyncpg.PostgresError):
        known = db.translate(error)
        if known is not None:
            return known
    if isinstance(error, db.UNAVAILABLE):
        return TooBusy("the database is away; try again")
    log.error("a request failed", action="request", request_id=request_id, exc_info=error)
    return InternalError("an unexpected error; tell the operator the request id", requestId=request_id)
