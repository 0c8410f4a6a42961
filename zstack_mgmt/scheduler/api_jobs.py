"""The APIs of the scheduler's jobs: what is done, on which triggers, and what came of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, StringConstraints

from zstack_mgmt.core.errors import DuplicateResource, InvalidArgument, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import (
    DeleteMode,
    Description,
    Reference,
    ResourceName,
    ResourceUuid,
    StateEvent,
    is_uuid,
    new_uuid,
)
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.sharing.owners import found, own, owners_of, scope_of
from zstack_mgmt.query.declare import query_api
from zstack_mgmt.scheduler import store
from zstack_mgmt.scheduler.model import (
    TARGETS,
    JobType,
    SchedulerExecution,
    SchedulerJob,
    SchedulerJobSchedulerTrigger,
)
from zstack_mgmt.scheduler.timing import START_GRACE

JAVA = "org.zstack.header.scheduler"
_MAX_CANDIDATES = 1000
_MAX_NUMBER = 2**63 - 1
Parameters = Annotated[
    dict[
        Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=2048)]
    ],
    Field(max_length=32),
]


class CreateSchedulerJob(ApiRequest):
    """Create an enabled job that starts, stops or reboots a VM or takes a snapshot of a volume of the caller.

    `parameters` of a volumeSnapshot: `snapshotName`, `snapshotDescription`.

    Source: manual, "CreateSchedulerJob". Unlike the product we look whether the target exists.
    """

    name: ResourceName
    description: Description | None = None
    target_resource_uuid: Reference
    type: JobType
    parameters: Parameters = {}  # noqa: RUF012 (pydantic copies it)
    resource_uuid: ResourceUuid | None = None


@api(
    CreateSchedulerJob,
    http="POST /v1/scheduler/jobs",
    mode="job",
    access="user",
    category="scheduler",
    java=JAVA,
    returns=SchedulerJob,
    raises=(InvalidArgument, ResourceNotFound, DuplicateResource),
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
    uuid = request.resource_uuid or new_uuid()
    job = await store.insert_job(
        conn, uuid, request.name, request.description, request.type, target, request.parameters
    )
    await own(conn, uuid, call.account_uuid, request)
    return job


class UpdateSchedulerJob(ApiRequest):
    """Change a job's name or description.

    Source: manual, "UpdateSchedulerJob".
    """

    uuid: Reference
    name: Annotated[ResourceName, Field(min_length=1)] | None = None
    description: Description | None = None


@api(
    UpdateSchedulerJob,
    http="PUT /v1/scheduler/jobs/{uuid}/actions",
    mode="job",
    access="user",
    category="scheduler",
    java=JAVA,
    returns=SchedulerJob,
    raises=(ResourceNotFound,),
)
async def update_scheduler_job(call: Call, conn: Connection, request: UpdateSchedulerJob) -> SchedulerJob:
    found(await store.get_job(conn, request.uuid, scope_of(call)), "scheduler job", request.uuid)
    return await store.update_job(conn, request.uuid, request.name, request.description)


class ChangeSchedulerState(ApiRequest):
    """Enable or disable a job. An enabled one goes on with its triggers' grid; what it missed is left out.

    Source: manual, "ChangeSchedulerState".
    """

    uuid: Reference
    state_event: StateEvent


@api(
    ChangeSchedulerState,
    http="PUT /v1/schedulers/{uuid}",
    mode="job",
    access="user",
    category="scheduler",
    java=JAVA,
    returns=SchedulerJob,
    raises=(ResourceNotFound,),
)
async def change_scheduler_state(call: Call, conn: Connection, request: ChangeSchedulerState) -> SchedulerJob:
    job = found(await store.get_job(conn, request.uuid, scope_of(call)), "scheduler job", request.uuid)
    enabled = request.state_event == "enable"
    if enabled and job.state == "Enabled":
        return job
    return await store.set_state(conn, job.uuid, enabled=enabled)


class DeleteSchedulerJob(ApiRequest):
    """Delete a job, after taking it off its triggers. One that is gone already is no error.

    Source: manual, "DeleteSchedulerJob".
    """

    uuid: Reference
    delete_mode: DeleteMode = "Permissive"


@api(
    DeleteSchedulerJob,
    http="DELETE /v1/scheduler/jobs/{uuid}",
    mode="job",
    access="user",
    category="scheduler",
    java=JAVA,
    raises=(ResourceNotFound,),
)
async def delete_scheduler_job(call: Call, conn: Connection, request: DeleteSchedulerJob) -> None:
    if not is_uuid(request.uuid):
        raise ResourceNotFound(f"no scheduler job has the uuid {request.uuid}")
    await store.delete_job(conn, request.uuid, scope_of(call))


class AddSchedulerJobToSchedulerTrigger(ApiRequest):
    """Attach a job to a trigger. It fires from the trigger's next due time on; a start just now counts.

    Source: manual, "AddSchedulerJobToSchedulerTrigger".
    """

    scheduler_job_uuid: Reference
    scheduler_trigger_uuid: Reference


@api(
    AddSchedulerJobToSchedulerTrigger,
    http="POST /v1/scheduler/jobs/{schedulerJobUuid}/scheduler/triggers/{schedulerTriggerUuid}",
    mode="job",
    access="user",
    category="scheduler",
    java=JAVA,
    returns=SchedulerJobSchedulerTrigger,
    raises=(ResourceNotFound, InvalidArgument),
    bare=True,
)
async def add_scheduler_job_to_scheduler_trigger(
    call: Call, conn: Connection, request: AddSchedulerJobToSchedulerTrigger
) -> SchedulerJobSchedulerTrigger:
    trigger_uuid = request.scheduler_trigger_uuid
    trigger = found(await store.get_trigger(conn, trigger_uuid, scope_of(call)), "trigger", trigger_uuid)
    job_uuid = request.scheduler_job_uuid
    found(await store.get_job(conn, job_uuid, scope_of(call)), "scheduler job", job_uuid)
    now = await store.now(conn)
    start = trigger.start_time or now
    planned_from = now
    if trigger.scheduler_type == "simple" and now - START_GRACE <= start <= now:
        planned_from = start - timedelta(microseconds=1)
    return await store.attach(conn, new_uuid(), job_uuid, trigger_uuid, start, planned_from)


class RemoveSchedulerJobFromSchedulerTrigger(ApiRequest):
    """Take a job off a trigger. One that is not on it is no error.

    Source: manual, "RemoveSchedulerJobFromSchedulerTrigger".
    """

    scheduler_job_uuid: Reference
    scheduler_trigger_uuid: Reference


@api(
    RemoveSchedulerJobFromSchedulerTrigger,
    http="DELETE /v1/scheduler/jobs/{schedulerJobUuid}/scheduler/triggers/{schedulerTriggerUuid}",
    mode="job",
    access="user",
    category="scheduler",
    java=JAVA,
    raises=(ResourceNotFound,),
)
async def remove_scheduler_job_from_scheduler_trigger(
    call: Call, conn: Connection, request: RemoveSchedulerJobFromSchedulerTrigger
) -> None:
    job_uuid = request.scheduler_job_uuid
    found(await store.get_job(conn, job_uuid, scope_of(call)), "scheduler job", job_uuid)
    await store.detach(conn, job_uuid, request.scheduler_trigger_uuid)


class GetNoTriggerSchedulerJobs(ApiRequest):
    """List the jobs that are on no trigger, at most 1000.

    Source: manual, "GetNoTriggerSchedulerJobs".
    """


@api(
    GetNoTriggerSchedulerJobs,
    http="GET /v1/scheduler/jobs/candidates",
    mode="sync",
    access="user",
    category="scheduler",
    java=JAVA,
    is_read=True,
    response_key="inventories",
    returns=SchedulerJob,
)
async def get_no_trigger_scheduler_jobs(
    call: Call, conn: Connection, request: GetNoTriggerSchedulerJobs
) -> list[SchedulerJob]:
    sees_all = call.is_admin
    return await store.jobs_without_trigger(conn, call.account_uuid, _MAX_CANDIDATES, sees_all=sees_all)


class GetSchedulerExecutions(ApiRequest):
    """List what became of a job's due times, the newest first; `before` an `id` goes on below it.

    Source: ours; the outcome of a fire is otherwise seen in the log only.
    """

    uuid: Reference
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    before: Annotated[int, Field(ge=0, le=_MAX_NUMBER)] = _MAX_NUMBER


@api(
    GetSchedulerExecutions,
    http="GET /v1/scheduler/jobs/{uuid}/executions",
    mode="sync",
    access="user",
    category="scheduler",
    java=JAVA,
    is_read=True,
    response_key="inventories",
    returns=SchedulerExecution,
    raises=(ResourceNotFound,),
)
async def get_scheduler_executions(
    call: Call, conn: Connection, request: GetSchedulerExecutions
) -> list[SchedulerExecution]:
    if not await store.has_job(conn, request.uuid, scope_of(call)):
        raise ResourceNotFound(f"no scheduler job has the uuid {request.uuid}")
    return await store.executions(conn, request.uuid, request.before, request.limit)


query_scheduler_job = query_api(
    SchedulerJob, http="GET /v1/scheduler/jobs", access="user", category="scheduler", java=JAVA
)
