"""Triggers, jobs and executions of the scheduler as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from zstack_mgmt.core.inventory import Inventory, Link, ListColumn, inventory

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
    scheduler_type: Literal["simple", "cron"]
    scheduler_interval: int | None
    repeat_count: int | None
    start_time: datetime | None
    stop_time: datetime | None
    cron: str | None
    create_date: datetime
    last_op_date: datetime
    jobs_uuid: list[str]


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
    type: JobType
    parameters: dict[str, Any]
    state: Literal["Enabled", "Disabled"]
    create_date: datetime
    last_op_date: datetime
    triggers_uuid: list[str]


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

    id: int
    scheduler_job_uuid: str
    scheduler_trigger_uuid: str
    target_resource_uuid: str
    due_date: datetime
    fire_date: datetime
    api_job_uuid: str | None
    state: Literal["Waiting", "Running", "Succeeded", "Failed", "Canceled", "Skipped", "Missed"]
    finish_date: datetime | None
    details: str | None


FIRES = {
    "startVm": "StartVmInstance",
    "stopVm": "StopVmInstance",
    "rebootVm": "RebootVmInstance",
    "volumeSnapshot": "CreateVolumeSnapshot",
}
"""The API that each type of job calls."""
