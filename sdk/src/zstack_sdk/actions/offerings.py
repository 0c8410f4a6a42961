"""The APIs of offerings."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import DiskOfferingInventory
    from zstack_sdk.inventories import InstanceOfferingInventory
    from zstack_sdk.record import Empty, InventoryValue


class CreateInstanceOfferingAction(Action["InventoryValue[InstanceOfferingInventory]"]):
    """Offer a size of VM: CPUs, and memory in bytes. Share it, so that other accounts can use it.

    `POST /instance-offerings`, a job. Who may call: system administrators.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    cpuNum: int
    """1 or more, at most 1024."""

    memorySize: int
    """1 or more, at most 4611686018427387904."""

    reservedMemorySize: int | None = None
    """0 or more, at most 4611686018427387904, `0` by default."""

    allocatorStrategy: str | None = None
    """At most 255 characters, `LeastVmPreferredHostAllocatorStrategy` by default."""

    sortKey: int | None = None
    """-2147483648 or more, at most 2147483647, `0` by default."""

    type: Literal["UserVm"] | None = None
    """`UserVm` by default."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class UpdateInstanceOfferingAction(Action["InventoryValue[InstanceOfferingInventory]"]):
    """Change an instance offering's name, description, strategy or sort key. Its size stays.

    `PUT /instance-offerings/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    sortKey: int | None = None
    """-2147483648 or more, at most 2147483647."""

    allocatorStrategy: str | None = None
    """At most 255 characters."""


class ChangeInstanceOfferingStateAction(Action["InventoryValue[InstanceOfferingInventory]"]):
    """Enable or disable an instance offering. VMs cannot be created from a disabled one.

    `PUT /instance-offerings/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    stateEvent: Literal["enable", "disable"]
    """`enable` or `disable`."""


class DeleteInstanceOfferingAction(Action["Empty"]):
    """Delete an instance offering; VMs made from it stay. One that is gone is no error.

    `DELETE /instance-offerings/{uuid}`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class QueryInstanceOfferingAction(QueryAction["InstanceOfferingInventory"]):
    """Find InstanceOfferings by conditions on their fields, tags and links.

    `GET /instance-offerings`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, cpuNum, cpuSpeed, memorySize, reservedMemorySize,
    type, allocatorStrategy, sortKey, state, createDate, lastOpDate.

    Links: vmInstance.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class CreateDiskOfferingAction(Action["InventoryValue[DiskOfferingInventory]"]):
    """Offer a size of data volume, in bytes. Share it, so that other accounts can use it.

    Later ZStack's name of `allocatorStrategy` is `allocationStrategy`.

    `POST /disk-offerings`, a job. Who may call: system administrators.

    Errors: SYS.1000 (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    diskSize: int
    """1 or more, at most 4611686018427387904."""

    allocatorStrategy: str | None = None
    """At most 255 characters, `DefaultPrimaryStorageAllocationStrategy` by default."""

    allocationStrategy: str | None = None
    """At most 255 characters."""

    sortKey: int | None = None
    """-2147483648 or more, at most 2147483647, `0` by default."""

    type: str | None = None
    """At most 255 characters, `DefaultDiskOfferingType` by default."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class UpdateDiskOfferingAction(Action["InventoryValue[DiskOfferingInventory]"]):
    """Change a disk offering's name, description or sort key. Its size stays.

    `PUT /disk-offerings/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    sortKey: int | None = None
    """-2147483648 or more, at most 2147483647."""


class ChangeDiskOfferingStateAction(Action["InventoryValue[DiskOfferingInventory]"]):
    """Enable or disable a disk offering. Volumes cannot be created from a disabled one.

    `PUT /disk-offerings/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    stateEvent: Literal["enable", "disable"]
    """`enable` or `disable`."""


class DeleteDiskOfferingAction(Action["Empty"]):
    """Delete a disk offering; volumes made from it stay. One that is gone is no error.

    `DELETE /disk-offerings/{uuid}`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class QueryDiskOfferingAction(QueryAction["DiskOfferingInventory"]):
    """Find DiskOfferings by conditions on their fields, tags and links.

    `GET /disk-offerings`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, diskSize, sortKey, state, type, allocatorStrategy,
    createDate, lastOpDate.

    Links: volume.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
