"""The APIs of triggers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from zstack_mgmt.core.errors import DuplicateResource, InvalidArgument, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import (
    DeleteMode,
    Description,
    Reference,
    ResourceName,
    ResourceUuid,
    is_uuid,
    new_uuid,
)
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.sharing.owners import found, own, scope_of
from zstack_mgmt.query.declare import query_api
from zstack_mgmt.scheduler import store
from zstack_mgmt.scheduler.model import SchedulerTrigger
from zstack_mgmt.scheduler.timing import Timing, check, parse_start

JAVA = "org.zstack.header.scheduler"
_MAX_INT = 2**31 - 1
Interval = Annotated[int, Field(ge=1, le=_MAX_INT)]  # seconds
RepeatCount = Annotated[int, Field(ge=0, le=_MAX_INT)]
StartTime = Annotated[int, Field(ge=0, le=2**63 - 1)]
Cron = Annotated[str, StringConstraints(max_length=255)]


class CreateSchedulerTrigger(ApiRequest):
    """Create a trigger: `simple`, every `schedulerInterval` seconds from `startTime` on, or a Quartz `cron`.

    `repeatCount` counts all fires, 0 or none means forever. `startTime` is Unix time in seconds (one above
    1e11 is in milliseconds); 0 starts when a job is attached. `cron` has six fields, one of the days is `?`,
    and is read in the server's time zone.

    Source: manual, "CreateSchedulerTrigger".
    """

    name: ResourceName
    description: Description | None = None
    scheduler_interval: Interval | None = None
    repeat_count: RepeatCount | None = None
    start_time: StartTime | None = None
    scheduler_type: Literal["simple", "cron"]
    cron: Cron | None = None
    resource_uuid: ResourceUuid | None = None


@api(
    CreateSchedulerTrigger,
    http="POST /v1/scheduler/triggers",
    mode="job",
    access="user",
    category="scheduler",
    java=JAVA,
    returns=SchedulerTrigger,
    raises=(InvalidArgument, DuplicateResource),
)
async def create_scheduler_trigger(
    call: Call, conn: Connection, request: CreateSchedulerTrigger
) -> SchedulerTrigger:
    if request.scheduler_type == "simple" and request.start_time is None:
        raise InvalidArgument("a simple trigger needs startTime; 0 means when a job is attached")
    timing = Timing(
        kind=request.scheduler_type,
        interval_s=request.scheduler_interval,
        repeat_count=request.repeat_count or 0,
        start=parse_start(request.start_time or 0),
        cron=request.cron,
    )
    check(timing, await store.now(conn), call.services.settings.time_zone)
    uuid = request.resource_uuid or new_uuid()
    trigger = await store.insert_trigger(conn, uuid, request.name, request.description, timing)
    await own(conn, uuid, call.account_uuid, request)
    return trigger


class UpdateSchedulerTrigger(ApiRequest):
    """Change a trigger's name, description or timing. A new timing holds for its jobs at once, from now on.

    A `repeatCount` of 0 alone leaves the timing as it is, because old SDKs send it with every change.

    Source: manual, "UpdateSchedulerTrigger".
    """

    uuid: Reference
    name: Annotated[ResourceName, Field(min_length=1)] | None = None
    description: Description | None = None
    scheduler_interval: Interval | None = None
    repeat_count: RepeatCount | None = None
    start_time: StartTime | None = None
    cron: Cron | None = None

    @property
    def has_timing(self) -> bool:
        given = (self.scheduler_interval, self.start_time, self.cron, self.repeat_count or None)
        return any(value is not None for value in given)


@api(
    UpdateSchedulerTrigger,
    http="PUT /v1/scheduler/triggers/{uuid}/actions",
    mode="job",
    access="user",
    category="scheduler",
    java=JAVA,
    returns=SchedulerTrigger,
    raises=(ResourceNotFound, InvalidArgument),
)
async def update_scheduler_trigger(
    call: Call, conn: Connection, request: UpdateSchedulerTrigger
) -> SchedulerTrigger:
    trigger = found(await store.get_trigger(conn, request.uuid, scope_of(call)), "trigger", request.uuid)
    timing = _changed(trigger, request) if request.has_timing else None
    if timing is not None:
        # The present start may have passed; only a new one is held against the clock.
        now = await store.now(conn)
        moment = now if request.start_time is not None else min(now, trigger.start_time or now)
        check(timing, moment, call.services.settings.time_zone)
        if request.start_time is not None:
            await store.restart_grids(conn, trigger.uuid, timing.start)
        await store.replan_trigger(conn, trigger.uuid)
    return await store.update_trigger(conn, trigger.uuid, request.name, request.description, timing)


def _changed(trigger: SchedulerTrigger, request: UpdateSchedulerTrigger) -> Timing:
    def kept(new: int | None, old: int | None) -> int | None:
        return old if new is None else new

    start = trigger.start_time if request.start_time is None else parse_start(request.start_time)
    return Timing(
        kind=trigger.scheduler_type,
        interval_s=kept(request.scheduler_interval, trigger.scheduler_interval),
        repeat_count=kept(request.repeat_count, trigger.repeat_count) or 0,
        start=start,
        cron=request.cron if request.cron is not None else trigger.cron,
    )


class DeleteSchedulerTrigger(ApiRequest):
    """Delete a trigger that no job is attached to. One that is gone already is no error.

    Source: manual, "DeleleSchedulerTrigger".
    """

    uuid: Reference
    delete_mode: DeleteMode = "Permissive"


@api(
    DeleteSchedulerTrigger,
    http="DELETE /v1/scheduler/triggers/{uuid}",
    mode="job",
    access="user",
    category="scheduler",
    java=JAVA,
    raises=(ResourceNotFound, InvalidArgument),
)
async def delete_scheduler_trigger(call: Call, conn: Connection, request: DeleteSchedulerTrigger) -> None:
    if not is_uuid(request.uuid):
        raise ResourceNotFound(f"no trigger has the uuid {request.uuid}")
    await store.delete_trigger(conn, request.uuid, scope_of(call))


query_scheduler_trigger = query_api(
    SchedulerTrigger, http="GET /v1/scheduler/triggers", access="user", category="scheduler", java=JAVA
)
