"""From a validated call to the row that the ledger keeps: the one place where submissions are built."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, NamedTuple, get_args

import orjson

from zstack_mgmt.auth.sessions import token_hash
from zstack_mgmt.core.callers import AccountCaller
from zstack_mgmt.core.errors import BadRequest
from zstack_mgmt.core.registry import Api, ApiRequest, Call, Services
from zstack_mgmt.core.values import Secret, is_job_uuid, is_uuid, new_uuid
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.engine.model import Submission, keys_of

MAX_TIMEOUT_S: Annotated[int, Doc("seconds of X-API-Timeout"), Bound("BadRequest")] = 7 * 86400


class Options(NamedTuple):
    """What a caller asks of a job beside its parameters."""

    job_uuid: str | None = None  # None: the service chooses one
    web_hook: str | None = None  # where the result is posted; checked by the door that takes it
    timeout_s: int | None = None  # None: the configured one
    with_schema: bool = False  # whether the result carries the map of server classes
    wait_s: float = 0.0  # how long the caller waits for the end
    by_uuid: bool = False  # whoever knows its uuid may read it: the client polls without credentials


def check_job_uuid(text: str) -> None:
    """Refuse what cannot name a job. Raises BadRequest."""
    if not is_job_uuid(text):
        raise BadRequest("X-Job-UUID must be 32 lower-case hex digits of a version 4 uuid")


async def prepare(
    declared: Api, call: Call, request: ApiRequest, values: Mapping[str, Any], options: Options
) -> Submission:
    """The submission of a call.

    Args:
        values: the parameters as the caller gave them, by their names on the wire. The same ones under one
            `job_uuid` are one call, however they were written.

    Raises:
        BadRequest: the uuid or the timeout cannot be used; nothing was stored.
    """
    if options.job_uuid is not None:
        check_job_uuid(options.job_uuid)
    timeout_s = options.timeout_s or call.services.settings.job_timeout_s
    if not 0 < timeout_s <= MAX_TIMEOUT_S:
        raise BadRequest(f"the timeout must be a number of seconds from 1 to {MAX_TIMEOUT_S}")
    keys = keys_of(uuids_in(request, declared.exclusive), uuids_in(request, declared.shared))
    if getattr(request, "resource_uuid", "") is None:
        # Chosen here, so that the audit line can name it and a second run makes the same resource.
        request = request.model_copy(update={"resource_uuid": new_uuid()})
    stored, secrets = await _stored(call.services, request)
    key = call.caller.key
    return Submission(
        uuid=options.job_uuid or new_uuid(),
        account_uuid=call.account_uuid,
        user_uuid=call.user_uuid,
        is_admin=call.is_admin,
        api=declared.name,
        fingerprint=_fingerprint(call.services, declared, values, options),
        request=stored,
        secrets=secrets,
        request_id=call.request_id,
        keys=keys,
        outside=declared.outside,
        with_schema=options.with_schema,
        web_hook=options.web_hook,
        timeout_s=timeout_s,
        remote=call.remote,
        target=declared.target_of(request),
        revokes=_revokes(declared, call, request),
        by_uuid=options.by_uuid or key is not None,
        key_uuid=key and key.key_uuid,
        signature=key and key.signature,
        signature_ends_at=key and key.ends_at,
    )


def _revokes(declared: Api, call: Call, request: ApiRequest) -> bool:
    """Whether the call takes rights away from somebody other than its caller."""
    if not declared.revokes or not request.takes_rights():
        return False
    named = uuids_in(request, declared.exclusive)
    return isinstance(call.caller, AccountCaller) or (named != [] and call.user_uuid not in named)


def _fingerprint(services: Services, declared: Api, values: Mapping[str, Any], options: Options) -> bytes:
    """Tells a repeat from another call; keyed, since the values may hold a password."""
    said = [declared.name, _plain(values), options.web_hook]
    return services.sealer.keyed_hash(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), "job")


def _plain(value: Any) -> Any:
    """The value with numbers in one form: 3600.0 is 3600."""
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list():
            return [_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case float() if value.is_integer() and abs(value) < 2**53:
            return int(value)
        case _:
            return value


def uuids_in(request: ApiRequest, names: tuple[str, ...]) -> list[str]:
    """The uuids in these fields of the request."""
    values: list[str] = []
    for name in names:
        value = getattr(request, name)
        values += [value] if isinstance(value, str) else (value or [])
    return [value for value in values if is_uuid(value)]


@cache
def secret_fields(kind: type[ApiRequest]) -> dict[str, str]:
    """The fields of a request that hold a secret, and of which kind each is."""
    found: dict[str, str] = {}
    for name, info in kind.model_fields.items():
        marks = [*info.metadata]
        for arg in get_args(info.annotation):
            marks += getattr(arg, "__metadata__", ())
        for mark in marks:
            if isinstance(mark, Secret):
                found[name] = mark.kind
    return found


async def _stored(services: Services, request: ApiRequest) -> tuple[str, str | None]:
    """The request without its secrets, and what is kept of these: no clear text is in either."""
    secrets: dict[str, str] = {}
    fields = secret_fields(type(request))
    for name, kind in fields.items():
        clear = getattr(request, name)
        if clear is not None:
            secrets[name] = await _protected(services, kind, name, clear)
    text = request.model_dump_json(exclude_unset=True, exclude=set(fields) or None)
    return text, orjson.dumps(secrets).decode() if secrets else None


async def _protected(services: Services, kind: str, name: str, clear: str) -> str:
    if kind == "password":
        return await services.hasher.hash(clear)
    if kind == "token":
        return token_hash(services.sealer, clear).hex()
    return services.sealer.seal(clear, name)
