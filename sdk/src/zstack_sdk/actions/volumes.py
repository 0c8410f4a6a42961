"""The APIs of volumes."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import VolumeInventory
    from zstack_sdk.record import Empty, InventoryValue


class CreateDataVolumeAction(Action["InventoryValue[VolumeInventory]"]):
    """Create a data volume. It comes into being when it is attached for the first time.

    `POST /volumes/data`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1006 (OperationError), ID.1003
    (QuotaExceeded), SYS.1000 (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    diskOfferingUuid: str | None = None
    """The uuid of a resource."""

    diskSize: int | None = None
    """1 or more, at most 4611686018427387904."""

    primaryStorageUuid: str | None = None
    """The uuid of a resource."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class UpdateVolumeAction(Action["InventoryValue[VolumeInventory]"]):
    """Change a volume's name or description.

    `PUT /volumes/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""


class ChangeVolumeStateAction(Action["InventoryValue[VolumeInventory]"]):
    """Enable or disable a volume. A disabled one cannot be attached.

    `PUT /volumes/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    stateEvent: Literal["enable", "disable"]
    """`enable` or `disable`."""


class DeleteDataVolumeAction(Action["Empty"]):
    """Put a data volume away: it can be recovered until it is expunged. One that is gone is no error.

    `DELETE /volumes/{uuid}`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1006 (OperationError).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class RecoverDataVolumeAction(Action["InventoryValue[VolumeInventory]"]):
    """Take a deleted data volume back.

    `PUT /volumes/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1006 (OperationError), ID.1003 (QuotaExceeded).
    """

    uuid: str
    """The uuid of a resource."""


class ExpungeDataVolumeAction(Action["Empty"]):
    """Delete a deleted data volume for good.

    `PUT /volumes/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1006 (OperationError).
    """

    uuid: str
    """The uuid of a resource."""


class QueryVolumeAction(QueryAction["VolumeInventory"]):
    """Find Volumes by conditions on their fields, tags and links.

    `GET /volumes`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, primaryStorageUuid, vmInstanceUuid,
    diskOfferingUuid, rootImageUuid, installPath, type, format, size, actualSize, deviceId, state,
    status, isShareable, lastAttachDate, lastDetachDate, lastVmInstanceUuid, createDate, lastOpDate.

    Links: vmInstance., diskOffering., image., snapshot., primaryStorage.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
