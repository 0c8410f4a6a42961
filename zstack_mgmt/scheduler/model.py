"""Triggers, jobs and executions of the scheduler as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from zstack_mgmt.core.inventory import Inventory, Link, ListColumn, inventory
from zstack_mgmt.doc import Doc

JobType = Literal["startVm", "stopVm", "rebootVm", "volumeSnapshot"]
TARGETS: dict[str, str] = {
    "startVm": "VmInstanceVO",
    "stopVm": "VmInstanceVO",
    "rebootVm": "VmInstanceVO",
    "volumeSnapshot": "VolumeVO",
}
"""The type of resource that each type of job acts on."""
_REFS = "scheduler_job_triggers"


@inventory(
    "org.zstack.header.scheduler.SchedulerTriggerInventory",
    table="scheduler_triggers",
    owned=True,
    links=(
        Link(
            "job",
            "SchedulerJob",
            "uuid",
            "uuid",
            through=(_REFS, "scheduler_trigger_uuid", "scheduler_job_uuid"),
        ),
    ),
    lists=(ListColumn("jobsUuid", _REFS, "scheduler_trigger_uuid", "scheduler_job_uuid"),),
)
class SchedulerTrigger(Inventory):
    """When something is due. Source: manual, "CreateSchedulerTrigger"; `cron` is of later versions."""

    uuid: str
    name: str
    description: str | None
    scheduler_type: Annotated[Literal["simple", "cron"], Doc("an interval, or a cron expression")]
    scheduler_interval: Annotated[int | None, Doc("seconds between two due times of a simple one")]
    repeat_count: Annotated[int | None, Doc("how often it is due in all; 0 means forever")]
    start_time: Annotated[
        datetime | None, Doc("the first due time; without it, when the first job was added")
    ]
    stop_time: Annotated[datetime | None, Doc("after which it is not due any more")]
    cron: Annotated[str | None, Doc("in Quartz's form, in the server's time zone")]
    create_date: datetime
    last_op_date: datetime
    jobs_uuid: Annotated[list[str], Doc("the jobs that it fires")]


@inventory(
    "org.zstack.header.scheduler.SchedulerJobInventory",
    table="scheduler_jobs",
    hidden=("host_lost",),
    owned=True,
    links=(
        Link(
            "trigger",
            "SchedulerTrigger",
            "uuid",
            "uuid",
            through=(_REFS, "scheduler_job_uuid", "scheduler_trigger_uuid"),
        ),
    ),
    lists=(ListColumn("triggersUuid", _REFS, "scheduler_job_uuid", "scheduler_trigger_uuid"),),
)
class SchedulerJob(Inventory):
    """What is done to which resource. Source: manual, "CreateSchedulerJob"; type and parameters are ours."""

    uuid: str
    target_resource_uuid: str
    name: str
    description: str | None
    type: Annotated[JobType, Doc("what is done")]
    parameters: Annotated[dict[str, Any], Doc("of what is done, such as the snapshot's name")]
    state: Annotated[Literal["Enabled", "Disabled"], Doc("a Disabled one is not fired")]
    create_date: datetime
    last_op_date: datetime
    triggers_uuid: Annotated[list[str], Doc("the triggers that fire it")]


@inventory("org.zstack.header.scheduler.SchedulerJobSchedulerTriggerInventory", table="")
class SchedulerJobSchedulerTrigger(Inventory):
    """A job on a trigger. Source: manual, "AddSchedulerJobToSchedulerTrigger"."""

    uuid: str
    scheduler_job_uuid: str
    scheduler_trigger_uuid: str
    create_date: datetime
    last_op_date: datetime


@inventory("org.zstack.header.scheduler.SchedulerExecutionInventory", table="")
class SchedulerExecution(Inventory):
    """What became of one due time. Source: ours; later versions of the product have a history too."""

    id: Annotated[int, Doc("ascending")]
    scheduler_job_uuid: str
    scheduler_trigger_uuid: str
    target_resource_uuid: str
    due_date: Annotated[datetime, Doc("when it was due")]
    fire_date: Annotated[datetime, Doc("when it was fired")]
    api_job_uuid: Annotated[str | None, Doc("the API job; none if it could not be made")]
    state: Annotated[
        Literal["Waiting", "Running", "Succeeded", "Failed", "Canceled", "Skipped", "Missed"],
        Doc("how the API job stands; Missed: no worker was there in time"),
    ]
    finish_date: datetime | None
    details: Annotated[str | None, Doc("why it did not succeed")]


@inventory(
    "org.zstack.header.scheduler.SchedulerJobHistoryInventory",
    table="scheduler_job_history",
    primary_key="id",
    account_column="account_uuid",
    links=(
        Link("job", "SchedulerJob", "scheduler_job_uuid", "uuid"),
        Link("trigger", "SchedulerTrigger", "trigger_uuid", "uuid"),
    ),
)
class SchedulerJobHistory(Inventory):
    """A fire whose API job has ended. Source: ZStack's API of the scheduler."""

    id: Annotated[int, Doc("ascending")]
    trigger_uuid: Annotated[str, Doc("the trigger")]
    scheduler_job_uuid: str
    job_type: Annotated[JobType, Doc("what was done")]
    start_time: Annotated[datetime, Doc("when it was fired")]
    execute_time: Annotated[int, Doc("milliseconds from the fire to the end")]
    target_resource_uuid: str
    result_dump: Annotated[str, Doc("the answer as JSON text; of older ones the error's details alone")]
    success: Annotated[bool, Doc("whether it succeeded")]
    fire_instance_id: Annotated[str | None, Doc("uuid of the API job; none if it could not be made")]


FIRES = {
    "startVm": "StartVmInstance",
    "stopVm": "StopVmInstance",
    "rebootVm": "RebootVmInstance",
    "volumeSnapshot": "CreateVolumeSnapshot",
}
"""The API that each type of job calls."""
