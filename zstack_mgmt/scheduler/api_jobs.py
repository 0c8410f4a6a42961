"""The APIs of the scheduler's jobs: what is done, on which triggers, and what came of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, StringConstraints

from zstack_mgmt.auth.permissions import may_call
from zstack_mgmt.auth.standing import callers_now
from zstack_mgmt.core.callers import Caller, UserCaller
from zstack_mgmt.core.errors import DuplicateResource, InvalidArgument, PermissionDenied, ResourceNotFound
from zstack_mgmt.core.registry import APIS, ApiRequest, Call
from zstack_mgmt.core.requests import CreateRequest, StateRequest, UpdateRequest, UuidRequest
from zstack_mgmt.core.values import ExistingUuid, ResourceName, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.query.declare import query_api
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.owners import owners_of, scope_of
from zstack_mgmt.scheduler import store
from zstack_mgmt.scheduler.model import (
    FIRES,
    TARGETS,
    JobType,
    SchedulerExecution,
    SchedulerJob,
    SchedulerJobHistory,
    SchedulerJobSchedulerTrigger,
    SchedulerTrigger,
)
from zstack_mgmt.scheduler.timing import START_GRACE

PAIR = "/v1/scheduler/jobs/{schedulerJobUuid}/scheduler/triggers/{schedulerTriggerUuid}"
_MAX_CANDIDATES = 1000
_MAX_NUMBER = 2**63 - 1
Parameters = Annotated[
    dict[
        Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=2048)]
    ],
    Field(max_length=32),
]

jobs = Resource(
    SchedulerJob,
    "/v1/scheduler/jobs",
    java="org.zstack.header.scheduler",
    category="scheduler",
    access="user",
    source='manual, "{api}"',
)


class CreateSchedulerJob(CreateRequest):
    """Create an enabled job that starts, stops or reboots a VM or takes a snapshot of a volume of the caller.

    `parameters` of a volumeSnapshot: `snapshotName`, `snapshotDescription`.

    Source: manual, "CreateSchedulerJob". Unlike the product we look whether the target exists.
    """

    target_resource_uuid: ExistingUuid
    type: JobType
    parameters: Parameters = {}  # noqa: RUF012 (pydantic copies it)


@jobs.action(
    CreateSchedulerJob,
    "POST /v1/scheduler/jobs",
    raises=(InvalidArgument, ResourceNotFound, DuplicateResource, PermissionDenied),
    shared=("target_resource_uuid",),
)
async def create_scheduler_job(call: Call, conn: Connection, request: CreateSchedulerJob) -> SchedulerJob:
    target = request.target_resource_uuid
    owner, kind = (await owners_of(conn, [target])).get(target, ("", ""))
    if not owner or (owner != call.account_uuid and not call.is_admin):
        raise ResourceNotFound(f"no resource has the uuid {target}")
    if kind != TARGETS[request.type]:
        raise InvalidArgument(f"a job of type {request.type} cannot act on a resource of type {kind}")
    if len(request.parameters.get("snapshotName", "")) > 255:
        raise InvalidArgument("the parameter snapshotName must not be longer than 255 characters")
    stored = request.model_dump(include={"name", "description", "target_resource_uuid", "type", "parameters"})
    check_may_fire(request.type, call.caller)
    made = await jobs.insert(call, conn, request, stored)
    if isinstance(call.caller, UserCaller):
        await store.set_creator(conn, made.uuid, call.user_uuid)
    return made


def check_may_fire(kind: str, caller: Caller | None) -> None:
    """Refuse a job whose API its maker may not call now. Raises PermissionDenied."""
    if caller is None or not may_call(APIS[FIRES[kind]], caller):
        raise PermissionDenied(f"whoever made the job may not call {FIRES[kind]}")


class UpdateSchedulerJob(UpdateRequest):
    """Change a job's name or description.

    Source: manual, "UpdateSchedulerJob".
    """

    name: Annotated[ResourceName, Field(min_length=1)] | None = None


jobs.update(UpdateSchedulerJob)


class ChangeSchedulerState(StateRequest):
    """Enable or disable a job. An enabled one goes on with its triggers' grid; what it missed is left out.

    Source: manual, "ChangeSchedulerState".
    """


@jobs.action(ChangeSchedulerState, "PUT /v1/schedulers/{uuid}", raises=(ResourceNotFound,))
async def change_scheduler_state(call: Call, conn: Connection, request: ChangeSchedulerState) -> SchedulerJob:
    job = await rows.get(conn, SchedulerJob, request.uuid, scope_of(call), lock="NO KEY UPDATE")
    if job.state == request.state == "Enabled":
        return job
    await store.plan_job(conn, job.uuid, enabled=request.state == "Enabled")
    return await rows.update(conn, SchedulerJob, job.uuid, {"state": request.state, "host_lost": False})


async def take_off_triggers(call: Call, conn: Connection, uuid: str) -> None:
    """A worker that is firing the job holds its place on the trigger, and needs the job's row afterwards."""
    await store.detach_all(conn, uuid, scope_of(call))


jobs.delete(
    "Delete a job, after taking it off its triggers. One that is gone already is no error.",
    first=take_off_triggers,
)


class AddSchedulerJobToSchedulerTrigger(ApiRequest):
    """Attach a job to a trigger. It fires from the trigger's next due time on; a start just now counts.

    Source: manual, "AddSchedulerJobToSchedulerTrigger".
    """

    scheduler_job_uuid: ExistingUuid
    scheduler_trigger_uuid: ExistingUuid


@jobs.action(
    AddSchedulerJobToSchedulerTrigger,
    f"POST {PAIR}",
    returns=SchedulerJobSchedulerTrigger,
    raises=(ResourceNotFound, InvalidArgument, PermissionDenied),
    bare=True,
)
async def add_scheduler_job_to_scheduler_trigger(
    call: Call, conn: Connection, request: AddSchedulerJobToSchedulerTrigger
) -> SchedulerJobSchedulerTrigger:
    owner = scope_of(call)
    trigger = await rows.get(
        conn, SchedulerTrigger, request.scheduler_trigger_uuid, owner, lock="NO KEY UPDATE"
    )
    job = await rows.get(conn, SchedulerJob, request.scheduler_job_uuid, owner, lock="NO KEY UPDATE")
    login = await store.login_of(conn, job.uuid)
    check_may_fire(job.type, (await callers_now(conn, [login])).get(login))
    now = await store.now(conn)
    start = trigger.start_time or now
    planned_from = now
    if trigger.scheduler_type == "simple" and now - START_GRACE <= start <= now:
        planned_from = start - timedelta(microseconds=1)
    return await store.attach(conn, new_uuid(), job.uuid, trigger.uuid, start, planned_from)


class RemoveSchedulerJobFromSchedulerTrigger(ApiRequest):
    """Take a job off a trigger. One that is not on it is no error.

    Source: manual, "RemoveSchedulerJobFromSchedulerTrigger".
    """

    scheduler_job_uuid: ExistingUuid
    scheduler_trigger_uuid: ExistingUuid


@jobs.action(
    RemoveSchedulerJobFromSchedulerTrigger, f"DELETE {PAIR}", returns=None, raises=(ResourceNotFound,)
)
async def remove_scheduler_job_from_scheduler_trigger(
    call: Call, conn: Connection, request: RemoveSchedulerJobFromSchedulerTrigger
) -> None:
    job = await rows.get(conn, SchedulerJob, request.scheduler_job_uuid, scope_of(call), lock="NO KEY UPDATE")
    await store.detach(conn, job.uuid, request.scheduler_trigger_uuid)


class GetNoTriggerSchedulerJobs(ApiRequest):
    """List the jobs that are on no trigger, at most 1000.

    Source: manual, "GetNoTriggerSchedulerJobs".
    """


@jobs.action(
    GetNoTriggerSchedulerJobs,
    "GET /v1/scheduler/jobs/candidates",
    mode="sync",
    is_read=True,
    response_key="inventories",
)
async def get_no_trigger_scheduler_jobs(
    call: Call, conn: Connection, request: GetNoTriggerSchedulerJobs
) -> list[SchedulerJob]:
    sees_all = call.is_admin
    return await store.jobs_without_trigger(conn, call.account_uuid, _MAX_CANDIDATES, sees_all=sees_all)


class GetSchedulerExecutions(UuidRequest):
    """List what became of a job's due times, the newest first; `before` an `id` goes on below it.

    Source: ours; the outcome of a fire is otherwise seen in the log only.
    """

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    before: Annotated[int, Field(ge=0, le=_MAX_NUMBER)] = _MAX_NUMBER


@jobs.action(
    GetSchedulerExecutions,
    "GET /v1/scheduler/jobs/{uuid}/executions",
    mode="sync",
    is_read=True,
    response_key="inventories",
    returns=SchedulerExecution,
    raises=(ResourceNotFound,),
)
async def get_scheduler_executions(
    call: Call, conn: Connection, request: GetSchedulerExecutions
) -> list[SchedulerExecution]:
    await rows.get(conn, SchedulerJob, request.uuid, scope_of(call), lock=None)
    return await store.executions(conn, request.uuid, request.before, request.limit)


jobs.query(access="user")
query_api(
    SchedulerJobHistory,
    http="GET /v1/scheduler/job/history",
    access="user",
    java="org.zstack.scheduler",
    category=jobs.category,
    by_uuid=False,
    source="ZStack's API of the scheduler",
)
