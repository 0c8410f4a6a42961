"""The APIs of scheduler."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import PreviewSchedulerTriggerValue
    from zstack_sdk.inventories import SchedulerExecutionInventory
    from zstack_sdk.inventories import SchedulerJobHistoryInventory
    from zstack_sdk.inventories import SchedulerJobInventory
    from zstack_sdk.inventories import SchedulerJobSchedulerTriggerInventory
    from zstack_sdk.inventories import SchedulerTriggerInventory
    from zstack_sdk.record import Empty, InventoryValue, ListValue


class CreateSchedulerJobAction(Action["InventoryValue[SchedulerJobInventory]"]):
    """Create an enabled job that starts, stops or reboots a VM or takes a snapshot of a volume of the
    caller.

    `parameters` of a volumeSnapshot: `snapshotName`, `snapshotDescription`.

    `POST /scheduler/jobs`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1007 (InvalidArgument), SYS.1003 (ResourceNotFound), SYS.1000 (DuplicateResource),
    ID.1002 (PermissionDenied).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    targetResourceUuid: str
    """The uuid of a resource."""

    type: Literal["startVm", "stopVm", "rebootVm", "volumeSnapshot"]
    """`startVm` or `stopVm` or `rebootVm` or `volumeSnapshot`."""

    parameters: dict[str, Any] | None = None
    """Object, `{}` by default."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class UpdateSchedulerJobAction(Action["InventoryValue[SchedulerJobInventory]"]):
    """Change a job's name or description.

    `PUT /scheduler/jobs/{uuid}/actions`, a job. Who may call: account sessions, and users whose
    policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At least 1 characters, at most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""


class ChangeSchedulerStateAction(Action["InventoryValue[SchedulerJobInventory]"]):
    """Enable or disable a job. An enabled one goes on with its triggers' grid; what it missed is left out.

    `PUT /schedulers/{uuid}`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    stateEvent: Literal["enable", "disable"]
    """`enable` or `disable`."""


class DeleteSchedulerJobAction(Action["Empty"]):
    """Delete a job, after taking it off its triggers. One that is gone already is no error.

    `DELETE /scheduler/jobs/{uuid}`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class AddSchedulerJobToSchedulerTriggerAction(Action["InventoryValue[SchedulerJobSchedulerTriggerInventory]"]):
    """Attach a job to a trigger. It fires from the trigger's next due time on; a start just now counts.

    `POST /scheduler/jobs/{schedulerJobUuid}/scheduler/triggers/{schedulerTriggerUuid}`, a job. Who may
    call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), ID.1002 (PermissionDenied).
    """

    schedulerJobUuid: str
    """The uuid of a resource."""

    schedulerTriggerUuid: str
    """The uuid of a resource."""


class RemoveSchedulerJobFromSchedulerTriggerAction(Action["Empty"]):
    """Take a job off a trigger. One that is not on it is no error.

    `DELETE /scheduler/jobs/{schedulerJobUuid}/scheduler/triggers/{schedulerTriggerUuid}`, a job. Who
    may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    schedulerJobUuid: str
    """The uuid of a resource."""

    schedulerTriggerUuid: str
    """The uuid of a resource."""


class GetNoTriggerSchedulerJobsAction(Action["ListValue[SchedulerJobInventory]"]):
    """List the jobs that are on no trigger, at most 1000.

    `GET /scheduler/jobs/candidates`. Who may call: account sessions, and users whose policies allow it.
    """


class GetSchedulerExecutionsAction(Action["ListValue[SchedulerExecutionInventory]"]):
    """List what became of a job's due times, the newest first; `before` an `id` goes on below it.

    `GET /scheduler/jobs/{uuid}/executions`. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    limit: int | None = None
    """1 or more, at most 1000, `100` by default."""

    before: int | None = None
    """0 or more, at most 9223372036854775807, `9223372036854775807` by default."""


class QuerySchedulerJobAction(QueryAction["SchedulerJobInventory"]):
    """Find SchedulerJobs by conditions on their fields, tags and links.

    `GET /scheduler/jobs`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, targetResourceUuid, name, description, type, state, createDate,
    lastOpDate, triggersUuid.

    Links: trigger.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class QuerySchedulerJobHistoryAction(QueryAction["SchedulerJobHistoryInventory"]):
    """Find SchedulerJobHistories by conditions on their fields, tags and links.

    `GET /scheduler/job/history`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: id, triggerUuid, schedulerJobUuid, jobType, startTime, executeTime,
    targetResourceUuid, resultDump, success, fireInstanceId.

    Links: job., trigger.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class CreateSchedulerTriggerAction(Action["InventoryValue[SchedulerTriggerInventory]"]):
    """Create a trigger: `simple`, every `schedulerInterval` seconds from `startTime` on, or a Quartz
    `cron`.

    `repeatCount` counts all fires, 0 or none means forever. `startTime` is Unix time in seconds (one
    above 1e11 is in milliseconds); 0 starts when a job is attached. `cron` has six fields, one of the
    days is `?`, and is read in the server's time zone.

    `POST /scheduler/triggers`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    schedulerInterval: int | None = None
    """1 or more, at most 2147483647."""

    repeatCount: int | None = None
    """0 or more, at most 2147483647."""

    startTime: int | None = None
    """0 or more, at most 9223372036854775807."""

    schedulerType: Literal["simple", "cron"]
    """`simple` or `cron`."""

    cron: str | None = None
    """At most 255 characters."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class UpdateSchedulerTriggerAction(Action["InventoryValue[SchedulerTriggerInventory]"]):
    """Change a trigger's name, description or timing. A new timing holds for its jobs at once, from now
    on.

    A `repeatCount` of 0 alone leaves the timing as it is, because old SDKs send it with every change.

    Its `schedulerType` stays; later ZStack's clients repeat it.

    `PUT /scheduler/triggers/{uuid}/actions`, a job. Who may call: account sessions, and users whose
    policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At least 1 characters, at most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    schedulerInterval: int | None = None
    """1 or more, at most 2147483647."""

    repeatCount: int | None = None
    """0 or more, at most 2147483647."""

    startTime: int | None = None
    """0 or more, at most 9223372036854775807."""

    cron: str | None = None
    """At most 255 characters."""

    schedulerType: Literal["simple", "cron"] | None = None
    """`simple` or `cron`."""


class PreviewSchedulerTriggerAction(Action["PreviewSchedulerTriggerValue"]):
    """Tell when a trigger with this timing would be due next, without making one.

    Takes the parameters of `CreateSchedulerTrigger`; a simple one without a start begins now.

    `GET /scheduler/triggers/preview`. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1007 (InvalidArgument).
    """

    schedulerType: Literal["simple", "cron"] | None = None
    """`simple` or `cron`, `cron` by default."""

    cron: str | None = None
    """At most 255 characters."""

    schedulerInterval: int | None = None
    """1 or more, at most 2147483647."""

    repeatCount: int | None = None
    """0 or more, at most 2147483647."""

    startTime: int | None = None
    """0 or more, at most 9223372036854775807."""

    count: int | None = None
    """How many due times. 1 or more, at most 100, `10` by default."""


class DeleteSchedulerTriggerAction(Action["Empty"]):
    """Delete a trigger that no job is attached to. One that is gone already is no error.

    `DELETE /scheduler/triggers/{uuid}`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class QuerySchedulerTriggerAction(QueryAction["SchedulerTriggerInventory"]):
    """Find SchedulerTriggers by conditions on their fields, tags and links.

    `GET /scheduler/triggers`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, schedulerType, schedulerInterval, repeatCount,
    startTime, stopTime, cron, createDate, lastOpDate, jobsUuid.

    Links: job.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
