"""The APIs of storages."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import BackupStorageInventory
    from zstack_sdk.inventories import GetBackupStorageTypesValue
    from zstack_sdk.inventories import GetPrimaryStorageTypesValue
    from zstack_sdk.inventories import PrimaryStorageInventory
    from zstack_sdk.record import InventoryValue


class GetPrimaryStorageTypesAction(Action["GetPrimaryStorageTypesValue"]):
    """The types of primary storage that there can be.

    `GET /primary-storage/types`. Who may call: account sessions, and users whose policies allow it.
    """


class GetBackupStorageTypesAction(Action["GetBackupStorageTypesValue"]):
    """The types of backup storage that there can be.

    `GET /backup-storage/types`. Who may call: account sessions, and users whose policies allow it.
    """


class UpdatePrimaryStorageAction(Action["InventoryValue[PrimaryStorageInventory]"]):
    """Change a primary storage's name, description or size.

    `PUT /primary-storage/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    totalCapacity: int | None = None
    """Bytes; ours, because nothing here measures storages. 0 or more, at most 4611686018427387904."""


class QueryPrimaryStorageAction(QueryAction["PrimaryStorageInventory"]):
    """Find PrimaryStorages by conditions on their fields, tags and links.

    `GET /primary-storage`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, url, type, state, status, mountPath, totalCapacity,
    availableCapacity, usedCapacity, createDate, lastOpDate, attachedClusterUuids.

    Links: volume., volumeSnapshot., cluster.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class UpdateBackupStorageAction(Action["InventoryValue[BackupStorageInventory]"]):
    """Change a backup storage's name, description or size.

    `PUT /backup-storage/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    totalCapacity: int | None = None
    """Bytes; ours, because nothing here measures storages. 0 or more, at most 4611686018427387904."""


class QueryBackupStorageAction(QueryAction["BackupStorageInventory"]):
    """Find BackupStorages by conditions on their fields, tags and links.

    `GET /backup-storage`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, url, type, state, status, totalCapacity,
    availableCapacity, usedCapacity, createDate, lastOpDate, attachedZoneUuids.

    Links: image., zone.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
