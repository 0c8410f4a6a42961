"""The way of a mutating call: what its headers ask for, what of it is stored, and its 202."""

from __future__ import annotations

from typing import get_args

from aiohttp import web

from zstack_mgmt import metrics
from zstack_mgmt.auth.sessions import token_hash
from zstack_mgmt.core.errors import BadRequest
from zstack_mgmt.core.registry import Api, ApiRequest, Call, Services
from zstack_mgmt.core.values import Secret, is_job_uuid, is_uuid, new_uuid
from zstack_mgmt.doors.rest.context import TRACE, Context
from zstack_mgmt.doors.rest.jobs import answer_job, preferred_wait
from zstack_mgmt.doors.rest.replies import job_location, json_reply
from zstack_mgmt.engine.model import Submission, keys_of
from zstack_mgmt.tasks import passed
from zstack_mgmt.webhooks.egress import check_url

_MAX_TIMEOUT_S = 7 * 86400


async def accept_job(
    request: web.Request, context: Context, declared: Api, call: Call, parameters: ApiRequest, raw: bytes
) -> web.Response:
    """Store the job, then answer 202, or with `Prefer: wait` its result. Raises BadRequest and TooBusy."""
    headers = request.headers
    uuid = headers.get("X-Job-UUID") or headers.get("Idempotency-Key")
    if uuid is None:
        uuid = new_uuid()
    elif not is_job_uuid(uuid):
        raise BadRequest("X-Job-UUID must be 32 lower-case hex digits of a version 4 uuid")
    hook = headers.get("X-Web-Hook")
    line = f"{request.method} {request.raw_path}\n".encode()
    timeout_s = _api_timeout(headers.get("X-API-Timeout"), context.settings.job_timeout_s)
    web_hook = None if hook is None else str(check_url(hook, context.settings))
    context.acceptor.check_room(call.account_uuid)
    submission = Submission(
        uuid=uuid,
        account_uuid=call.account_uuid,
        user_uuid=call.user_uuid,
        is_admin=call.is_admin,
        api=declared.name,
        fingerprint=context.services.sealer.keyed_hash(line + raw, "job"),
        request=await _request_json(call.services, parameters),
        request_id=call.request_id,
        keys=_keys(call, declared, parameters),
        outside=declared.outside,
        with_schema=headers.get("X-JSON-Schema", "").lower() == "true",
        web_hook=web_hook,
        timeout_s=timeout_s,
        remote=call.remote,
        target=target_of(declared, parameters),
    )
    request[TRACE].job_uuid = uuid
    wait_s = preferred_wait(request)
    if wait_s > 0:
        # Listening begins before the job can run, so that even the quickest end is heard.
        with context.watcher.expecting(uuid) as ended:
            await context.acceptor.submit(submission)
            metrics.ACCEPTED.labels(declared.name).inc()
            await passed(ended, min(wait_s, 1.0))
        return await answer_job(request, context, call, uuid, wait_s)
    await context.acceptor.submit(submission)
    metrics.ACCEPTED.labels(declared.name).inc()
    location = job_location(context.settings, request, uuid)
    return json_reply(
        {"location": location}, 202, {"Location": location, "Retry-After": "1", "X-Job-UUID": uuid}
    )


def _api_timeout(text: str | None, default_s: int) -> int:
    if text is None:
        return default_s
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) <= _MAX_TIMEOUT_S:
        raise BadRequest(f"X-API-Timeout must be a number of seconds from 1 to {_MAX_TIMEOUT_S}")
    return int(text)


def _keys(call: Call, declared: Api, parameters: ApiRequest) -> str | None:
    if not declared.exclusive and not declared.shared:
        return None
    exclusive = _uuids(parameters, declared.exclusive)
    if "uuid" in declared.exclusive and getattr(parameters, "uuid", None) is None:
        exclusive.append(call.user_uuid)  # UpdateUser without a uuid changes the caller
    return keys_of(exclusive, _uuids(parameters, declared.shared))


def _uuids(parameters: ApiRequest, names: tuple[str, ...]) -> list[str]:
    values: list[str] = []
    for name in names:
        value = getattr(parameters, name)
        values += [value] if isinstance(value, str) else (value or [])
    return [value for value in values if is_uuid(value)]


def target_of(declared: Api, parameters: ApiRequest) -> str | None:
    """The uuid in the path, for the audit trail; none where it is a session's."""
    field = declared.target_field
    return None if field is None else str(getattr(parameters, field))[:64]


_SECRETS: dict[type[ApiRequest], dict[str, str]] = {}


def _secret_fields(kind: type[ApiRequest]) -> dict[str, str]:
    if kind not in _SECRETS:
        found: dict[str, str] = {}
        for name, info in kind.model_fields.items():
            marks = [*info.metadata]
            for arg in get_args(info.annotation):
                marks += getattr(arg, "__metadata__", ())
            for mark in marks:
                if isinstance(mark, Secret):
                    found[name] = mark.kind
        _SECRETS[kind] = found
    return _SECRETS[kind]


async def _request_json(services: Services, parameters: ApiRequest) -> str:
    """The request as it is stored: no clear text of a secret is in it."""
    changes: dict[str, str] = {}
    for name, kind in _secret_fields(type(parameters)).items():
        clear = getattr(parameters, name)
        if clear is not None:
            changes[name] = await _protected(services, kind, name, clear)
    if changes:
        parameters = parameters.model_copy(update=changes)
    return parameters.model_dump_json(exclude_unset=True)


async def _protected(services: Services, kind: str, name: str, clear: str) -> str:
    if kind == "password":
        return await services.hasher.hash(clear)
    if kind == "token":
        return token_hash(services.sealer, clear).hex()
    return services.sealer.seal(clear, name)
