"""The call of an API, whatever door it came through: no HTTP is known here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from zstack_mgmt import db, metrics
from zstack_mgmt.auth.permissions import authorise
from zstack_mgmt.core.callers import Caller
from zstack_mgmt.core.errors import ApiError, InvalidSession
from zstack_mgmt.core.registry import Api, ApiRequest, Call
from zstack_mgmt.db import Connection
from zstack_mgmt.engine import traces
from zstack_mgmt.engine.accept import USED_SIGNATURE
from zstack_mgmt.engine.model import JobView, Submission
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.engine.submission import Options, prepare
from zstack_mgmt.identity.access_keys.store import note_use
from zstack_mgmt.identity.audit.trail import AuditLine
from zstack_mgmt.jobs.reading import job_after
from zstack_mgmt.pool import BORROWER
from zstack_mgmt.service.parts import Service
from zstack_mgmt.tasks import passed
from zstack_mgmt.unheeded import unheeded


@dataclass(frozen=True, slots=True)
class Accepted:
    """The call is stored as a job and will end exactly once."""

    job_uuid: str
    job: JobView | None = None  # as it stands after the time to wait, if there was one
    ignored: tuple[str, ...] = ()  # names of parameters that have no effect


@dataclass(frozen=True, slots=True)
class Value:
    """The call was answered at once with what its handler returned."""

    value: Any
    ignored: tuple[str, ...] = ()


NO_OPTIONS = Options()


async def invoke(
    service: Service,
    declared: Api,
    caller: Caller,
    parameters: Mapping[str, Any],
    options: Options = NO_OPTIONS,
    *,
    request_id: str = "",
    remote: str = "",
) -> Accepted | Value:
    """Authorise and validate a call, then answer it or store it as a job.

    Args:
        parameters: by their names on the wire, not validated yet.
        options: of a job. With `wait_s` an accepted one is returned when it has ended, or after that time.
        remote: the client's address, for the audit trail.

    Raises:
        ApiError: the call is refused; nothing was changed, and no job was stored. A refused change leaves an
            audit line, unless the caller has no session.
    """
    call = Call(caller, service.services, request_id, remote)
    if caller.account_uuid:
        BORROWER.set(caller.account_uuid)
    try:
        authorise(declared, caller)
        ignored = unheeded(declared, parameters)
        request = declared.parse(parameters).completed(caller)
        if declared.mode == "job":
            accepted = await _accept(service, declared, call, request, parameters, options)
            return replace(accepted, ignored=ignored) if ignored else accepted
        return Value(await _answer(service, declared, call, request), ignored)
    except ApiError as error:
        if declared.changes and error.status != 400 and not isinstance(error, InvalidSession):
            service.trail.add(_line(declared, call, _target(declared, parameters), "refused", error.code))
        raise


async def _accept(
    service: Service,
    declared: Api,
    call: Call,
    request: ApiRequest,
    parameters: Mapping[str, Any],
    options: Options,
) -> Accepted:
    service.acceptor.check_room(call.account_uuid)
    submission = await prepare(declared, call, request, parameters, options)
    uuid, wait_s = submission.uuid, options.wait_s
    if wait_s <= 0:
        await _submit(service, submission)
        return Accepted(uuid)
    until = time.monotonic() + wait_s
    # Listening begins before the job can run, so that even the quickest end is heard.
    with service.watcher.expecting(uuid) as change:
        if await _submit(service, submission):  # the end of another one may have been announced long ago
            await passed(change, wait_s)
    return Accepted(uuid, await job_after(Direct(service.pool), call, uuid, until - time.monotonic()))


async def _submit(service: Service, submission: Submission) -> bool:
    """Whether the job is new."""
    await traces.note(service.pool, submission.uuid)
    way = service.at_once if submission.revokes else service.acceptor
    is_new = await way.submit(submission)
    metrics.accepted(submission.api).inc()
    return is_new


async def _answer(service: Service, declared: Api, call: Call, request: ApiRequest) -> Any:
    """Run a sync API: a read on a connection, a change in a transaction, an `outside` one with both."""
    if declared.outside:
        if declared.changes and call.caller.key is not None:
            async with db.transaction(service.pool) as conn:
                await _use_key(conn, call)
        value = await declared.handler(call, Direct(service.pool), request)
    elif not declared.changes:
        async with service.pool.acquire() as conn:
            return await declared.handler(call, conn, request)
    else:
        async with db.transaction(service.pool) as conn:
            await _use_key(conn, call)
            value = await declared.handler(call, conn, request)
    if declared.changes:
        service.trail.add(_line(declared, call, declared.target_of(request), "succeeded", None, value))
    return value


async def _use_key(conn: Connection, call: Call) -> None:
    """Raise InvalidSession for a change under a signature that has opened another one."""
    key = call.caller.key
    if key is not None and not await note_use(conn, key.signature, call.remote, key.ends_at):
        raise InvalidSession(USED_SIGNATURE)


def _target(declared: Api, parameters: Mapping[str, Any]) -> str | None:
    given = parameters.get(declared.target_name) if declared.target_name else None
    return given[:64] if isinstance(given, str) else None


def _line(
    declared: Api,
    call: Call,
    target: str | None,
    outcome: str,
    error_code: str | None,
    value: Any = None,
) -> AuditLine:
    """The audit line of a call that was answered at once. A login is its account's, once it has succeeded."""
    opened: Any = value if declared.access == "public" else None
    if isinstance(opened, Mapping):
        opened = cast("Mapping[str, Any]", opened).get("inventory")
    return AuditLine(
        account_uuid=call.account_uuid or getattr(opened, "account_uuid", ""),
        user_uuid=call.user_uuid or getattr(opened, "user_uuid", ""),
        api=declared.name,
        target=target,
        request_id=call.request_id,
        remote=call.remote,
        outcome=outcome,
        error_code=error_code,
        access_key_uuid=call.caller.key and call.caller.key.key_uuid,
    )
