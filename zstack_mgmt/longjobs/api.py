"""The APIs of long jobs: each is an API job that was accepted like every other, with a name of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from zstack_mgmt.auth.permissions import authorise
from zstack_mgmt.core.errors import (
    BadRequest,
    DuplicateResource,
    InvalidArgument,
    JobCanceled,
    OperationError,
    PermissionDenied,
    ResourceNotFound,
)
from zstack_mgmt.core.registry import Api, Call
from zstack_mgmt.core.requests import CreateRequest, DeleteRequest, UpdateRequest, UuidRequest
from zstack_mgmt.core.values import ResourceName, Secret, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Doc
from zstack_mgmt.engine import store as jobs
from zstack_mgmt.engine.model import failure_body
from zstack_mgmt.engine.submission import Options, prepare, secret_fields
from zstack_mgmt.longjobs import store
from zstack_mgmt.longjobs.model import ENDED, MAX_DATA_BYTES, LongJob, api_of, parameters_of
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.owners import own, scope_of
from zstack_mgmt.resources.tags import tag
from zstack_mgmt.unheeded import unheeded

long_jobs = Resource(
    LongJob,
    "/v1/longjobs",
    java="org.zstack.header.longjob",
    category="longjob",
    access="user",
    source="ZStack's API of long jobs",
)


class SubmitLongJob(CreateRequest):
    """Call an API that makes a job, and keep what comes of it under a name.

    The answer comes when the API's own job is accepted; `apiId` is its uuid. The caller must be allowed to
    call that API, which runs in its name. Whoever may query long jobs sees those of the whole account.

    Source: ZStack's API of long jobs. Unlike there every API that makes a job can be called, but for those
    whose answer opens something: CreateAccessKey and RequestConsoleAccess.
    """

    name: Annotated[ResourceName | None, Doc("the API's if none is given")] = None  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]
    job_name: Annotated[str, StringConstraints(max_length=255), Doc("the API's message, `APIAddImageMsg`")]
    job_data: Annotated[
        str, Field(max_length=MAX_DATA_BYTES), Secret("sealed"), Doc("the API's parameters, as JSON text")
    ]
    target_resource_uuid: Annotated[
        str | None, StringConstraints(max_length=32), Doc("for the client's own use")
    ] = None


@long_jobs.action(
    SubmitLongJob,
    "POST /v1/longjobs",
    raises=(BadRequest, InvalidArgument, PermissionDenied, DuplicateResource),
)
async def submit_long_job(call: Call, conn: Connection, request: SubmitLongJob) -> LongJob:
    declared = api_of(request.job_name)
    values = parameters_of(call.services.sealer.open(request.job_data, "job_data"))
    api_job_uuid, data = await _accept(call, conn, declared, values)
    uuid = request.resource_uuid or new_uuid()
    stored = {
        "uuid": uuid,
        "name": request.name or declared.name,
        "description": request.description,
        "job_name": f"API{declared.name}Msg",
        "job_data": data,
        "target_resource_uuid": request.target_resource_uuid,
        "api_job_uuid": api_job_uuid,
    }
    await store.insert(conn, stored)
    await own(conn, call.account_uuid, uuid)
    await tag(conn, uuid, request)
    return await rows.get(conn, LongJob, uuid, lock=None)


async def _accept(call: Call, conn: Connection, declared: Api, values: Mapping[str, Any]) -> tuple[str, str]:
    """Store the API's own job, as a call of this one's caller: its uuid, and its parameters without secrets.

    Raises what the call itself would.
    """
    authorise(declared, call.caller)
    unheeded(declared, values)
    request = declared.parse(values).completed(call.caller)
    submission = await prepare(declared, call, request, values, Options())
    await jobs.accept(conn, [submission])
    secret = set(secret_fields(declared.request))
    data = request.model_dump_json(by_alias=True, exclude_unset=True, exclude=secret)
    return submission.uuid, data


class RerunLongJob(UuidRequest):
    """Call the API again with the same parameters, after the long job has failed or was canceled.

    One whose parameters had a secret, which is not kept, cannot be run again.

    Source: ZStack's API of long jobs.
    """


@long_jobs.action(
    RerunLongJob,
    "PUT /v1/longjobs/{uuid}/actions",
    raises=(ResourceNotFound, OperationError, BadRequest, InvalidArgument, PermissionDenied),
)
async def rerun_long_job(call: Call, conn: Connection, request: RerunLongJob) -> LongJob:
    job = await rows.get(conn, LongJob, request.uuid, scope_of(call), lock=None)
    if job.state not in ("Failed", "Canceled"):
        raise OperationError(f"the long job is {job.state}; only a failed or canceled one can be run again")
    again, _ = await _accept(call, conn, api_of(job.job_name), parameters_of(job.job_data))
    await store.begin_again(conn, job.uuid, again)
    return await rows.get(conn, LongJob, job.uuid, lock=None)


class CancelLongJob(UuidRequest):
    """Cancel a long job. One that has not begun ends at once; a running one is asked to stop.

    That is done when the call is accepted, also where no worker is free.

    Source: ZStack's API of long jobs.
    """


@long_jobs.action(
    CancelLongJob,
    "PUT /v1/longjobs/{uuid}/actions",
    returns=None,
    raises=(ResourceNotFound, OperationError),
    revokes=True,
)
async def cancel_long_job(call: Call, conn: Connection, request: CancelLongJob) -> None:
    job = await rows.get(conn, LongJob, request.uuid, scope_of(call), lock=None)
    if job.state in ENDED:
        raise OperationError(f"the long job has already ended as {job.state}")
    body = failure_body(JobCanceled("the long job was canceled before it ran"))
    await jobs.cancel(conn, job.api_id, body, call.services.settings.job_retention_s)


class UpdateLongJob(UpdateRequest):
    """Change a long job's name or description.

    Source: ZStack's API of long jobs.
    """


@long_jobs.action(UpdateLongJob, "PUT /v1/longjobs/{uuid}/actions", raises=(ResourceNotFound,))
async def update_long_job(call: Call, conn: Connection, request: UpdateLongJob) -> LongJob:
    job = await rows.get(conn, LongJob, request.uuid, scope_of(call), lock=None)
    await store.rename(conn, job.uuid, request.name, request.description)
    return await rows.get(conn, LongJob, job.uuid, lock=None)


class DeleteLongJob(DeleteRequest):
    """Forget a long job that has ended. One that is gone already is no error.

    Source: ZStack's API of long jobs.
    """


@long_jobs.action(DeleteLongJob, "DELETE /v1/longjobs/{uuid}", returns=None, raises=(OperationError,))
async def delete_long_job(call: Call, conn: Connection, request: DeleteLongJob) -> None:
    job = await rows.find(conn, LongJob, request.uuid, scope_of(call), lock=None)
    if job is None:
        return
    if job.state not in ENDED:
        raise OperationError(f"the long job is {job.state}; cancel it first")
    await store.delete(conn, job.uuid)


long_jobs.query(access="user")
