"""The APIs of triggers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from zstack_mgmt.core.errors import DuplicateResource, InvalidArgument, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.requests import CreateRequest, UpdateRequest
from zstack_mgmt.core.values import ResourceName
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Doc
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.owners import scope_of
from zstack_mgmt.scheduler import store
from zstack_mgmt.scheduler.model import SchedulerTrigger
from zstack_mgmt.scheduler.timing import Timing, check, next_due, parse_start

_MAX_INT = 2**31 - 1
MAX_PREVIEW = 100
Interval = Annotated[int, Field(ge=1, le=_MAX_INT)]  # seconds
RepeatCount = Annotated[int, Field(ge=0, le=_MAX_INT)]
StartTime = Annotated[int, Field(ge=0, le=2**63 - 1)]
CronText = Annotated[str, StringConstraints(max_length=255)]

triggers = Resource(
    SchedulerTrigger,
    "/v1/scheduler/triggers",
    java="org.zstack.header.scheduler",
    category="scheduler",
    access="user",
    source='manual, "DeleleSchedulerTrigger"',
)


class CreateSchedulerTrigger(CreateRequest):
    """Create a trigger: `simple`, every `schedulerInterval` seconds from `startTime` on, or a Quartz `cron`.

    `repeatCount` counts all fires, 0 or none means forever. `startTime` is Unix time in seconds (one above
    1e11 is in milliseconds); 0 starts when a job is attached. `cron` has six fields, one of the days is `?`,
    and is read in the server's time zone.

    Source: manual, "CreateSchedulerTrigger".
    """

    scheduler_interval: Interval | None = None
    repeat_count: RepeatCount | None = None
    start_time: StartTime | None = None
    scheduler_type: Literal["simple", "cron"]
    cron: CronText | None = None


async def checked_timing(call: Call, conn: Connection, request: CreateSchedulerTrigger) -> dict[str, Any]:
    """The columns of the timing. Raises InvalidArgument for one that cannot be kept."""
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
    return _columns(timing)


def _columns(timing: Timing) -> dict[str, Any]:
    return {
        "scheduler_interval": timing.interval_s,
        "repeat_count": timing.repeat_count if timing.kind == "simple" else None,
        "start_time": timing.start,
        "stop_time": timing.stop,
        "cron": timing.cron,
    }


triggers.create(CreateSchedulerTrigger, values=checked_timing, raises=(InvalidArgument, DuplicateResource))


class UpdateSchedulerTrigger(UpdateRequest):
    """Change a trigger's name, description or timing. A new timing holds for its jobs at once, from now on.

    A `repeatCount` of 0 alone leaves the timing as it is, because old SDKs send it with every change.

    Its `schedulerType` stays; later ZStack's clients repeat it.

    Source: manual, "UpdateSchedulerTrigger".
    """

    name: Annotated[ResourceName, Field(min_length=1)] | None = None
    scheduler_interval: Interval | None = None
    repeat_count: RepeatCount | None = None
    start_time: StartTime | None = None
    cron: CronText | None = None
    scheduler_type: Literal["simple", "cron"] | None = None

    @property
    def has_timing(self) -> bool:
        given = (self.scheduler_interval, self.start_time, self.cron, self.repeat_count or None)
        return any(value is not None for value in given)


@triggers.action(
    UpdateSchedulerTrigger,
    "PUT /v1/scheduler/triggers/{uuid}/actions",
    raises=(ResourceNotFound, InvalidArgument),
)
async def update_scheduler_trigger(
    call: Call, conn: Connection, request: UpdateSchedulerTrigger
) -> SchedulerTrigger:
    trigger = await rows.get(conn, SchedulerTrigger, request.uuid, scope_of(call), lock="NO KEY UPDATE")
    if request.scheduler_type not in (None, trigger.scheduler_type):
        raise InvalidArgument(f"schedulerType: the trigger is of the type {trigger.scheduler_type}")
    named = {"name": request.name, "description": request.description}
    values: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if request.has_timing:
        timing = _changed(trigger, request)
        # The present start may have passed; only a new one is held against the clock.
        now = await store.now(conn)
        moment = now if request.start_time is not None else min(now, trigger.start_time or now)
        check(timing, moment, call.services.settings.time_zone)
        if request.start_time is not None:
            await store.restart_grids(conn, trigger.uuid, timing.start)
        await store.replan_trigger(conn, trigger.uuid)
        values |= _columns(timing)
    return await rows.update(conn, SchedulerTrigger, trigger.uuid, values)


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


class PreviewSchedulerTrigger(ApiRequest):
    """Tell when a trigger with this timing would be due next, without making one.

    Takes the parameters of `CreateSchedulerTrigger`; a simple one without a start begins now.

    Source: ours, for who writes a cron expression.
    """

    scheduler_type: Literal["simple", "cron"] = "cron"
    cron: CronText | None = None
    scheduler_interval: Interval | None = None
    repeat_count: RepeatCount | None = None
    start_time: StartTime | None = None
    count: Annotated[int, Field(ge=1, le=MAX_PREVIEW), Doc("how many due times")] = 10


@triggers.action(
    PreviewSchedulerTrigger,
    "GET /v1/scheduler/triggers/preview",
    mode="sync",
    is_read=True,
    returns=None,
    response_key="dates",
    raises=(InvalidArgument,),
)
async def preview_scheduler_trigger(
    call: Call, conn: Connection, request: PreviewSchedulerTrigger
) -> list[datetime]:
    timing = Timing(
        kind=request.scheduler_type,
        interval_s=request.scheduler_interval,
        repeat_count=request.repeat_count or 0,
        start=parse_start(request.start_time or 0),
        cron=request.cron,
    )
    now, zone = await store.now(conn), call.services.settings.time_zone
    check(timing, now, zone)
    dates: list[datetime] = []
    after = now
    while len(dates) < request.count and (due := next_due(timing, timing.start or now, after, zone)):
        dates.append(due)
        after = due
    return dates


triggers.delete(
    "Delete a trigger that no job is attached to. One that is gone already is no error.",
    raises=(ResourceNotFound, InvalidArgument),
)
triggers.query(access="user")
