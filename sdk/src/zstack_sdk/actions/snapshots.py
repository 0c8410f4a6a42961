"""The APIs of snapshots."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import VolumeSnapshotInventory
    from zstack_sdk.record import Empty, InventoryValue


class CreateVolumeSnapshotAction(Action["InventoryValue[VolumeSnapshotInventory]"]):
    """Keep the present content of a volume. The snapshot belongs to the volume's owner.

    `POST /volumes/{volumeUuid}/volume-snapshots`, a job. Who may call: account sessions, and users
    whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1006 (OperationError), ID.1003 (QuotaExceeded), SYS.1000
    (DuplicateResource), VM.1010 (VmStateRefused).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    volumeUuid: str
    """The uuid of a resource."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class DeleteVolumeSnapshotAction(Action["Empty"]):
    """Drop a snapshot; those made after it stay. One that is gone is no error.

    `DELETE /volume-snapshots/{uuid}`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1006 (OperationError).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class UpdateVolumeSnapshotAction(Action["InventoryValue[VolumeSnapshotInventory]"]):
    """Change a snapshot's name or description.

    `PUT /volume-snapshots/{uuid}/actions`, a job. Who may call: account sessions, and users whose
    policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""


class QueryVolumeSnapshotAction(QueryAction["VolumeSnapshotInventory"]):
    """Find VolumeSnapshots by conditions on their fields, tags and links.

    `GET /volume-snapshots`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, type, volumeUuid, treeUuid, parentUuid,
    primaryStorageUuid, primaryStorageInstallPath, volumeType, format, latest, size, state, status,
    createDate, lastOpDate.

    Links: volume., parent.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
