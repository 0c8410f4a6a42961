"""The APIs of longjobs."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import LongJobInventory
    from zstack_sdk.record import Empty, InventoryValue


class SubmitLongJobAction(Action["InventoryValue[LongJobInventory]"]):
    """Call an API that makes a job, and keep what comes of it under a name.

    The answer comes when the API's own job is accepted; `apiId` is its uuid. The caller must be allowed
    to call that API, which runs in its name. Whoever may query long jobs sees those of the whole
    account.

    `POST /longjobs`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1007 (BadRequest), SYS.1007 (InvalidArgument), ID.1002 (PermissionDenied), SYS.1000
    (DuplicateResource).
    """

    name: str | None = None
    """The API's if none is given. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    jobName: str
    """The API's message, `APIAddImageMsg`. At most 255 characters."""

    jobData: str
    """The API's parameters, as JSON text. At most 65536 characters."""

    targetResourceUuid: str | None = None
    """For the client's own use. At most 32 characters."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class RerunLongJobAction(Action["InventoryValue[LongJobInventory]"]):
    """Call the API again with the same parameters, after the long job has failed or was canceled.

    One whose parameters had a secret, which is not kept, cannot be run again.

    `PUT /longjobs/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1006 (OperationError), SYS.1007 (BadRequest), SYS.1007
    (InvalidArgument), ID.1002 (PermissionDenied).
    """

    uuid: str
    """The uuid of a resource."""


class CancelLongJobAction(Action["Empty"]):
    """Cancel a long job. One that has not begun ends at once; a running one is asked to stop.

    That is done when the call is accepted, also where no worker is free.

    `PUT /longjobs/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1006 (OperationError).
    """

    uuid: str
    """The uuid of a resource."""


class UpdateLongJobAction(Action["InventoryValue[LongJobInventory]"]):
    """Change a long job's name or description.

    `PUT /longjobs/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""


class DeleteLongJobAction(Action["Empty"]):
    """Forget a long job that has ended. One that is gone already is no error.

    `DELETE /longjobs/{uuid}`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1006 (OperationError).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class QueryLongJobAction(QueryAction["LongJobInventory"]):
    """Find LongJobs by conditions on their fields, tags and links.

    `GET /longjobs`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, apiId, jobName, jobData, jobResult, state,
    targetResourceUuid, executeTime, createDate, lastOpDate.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
