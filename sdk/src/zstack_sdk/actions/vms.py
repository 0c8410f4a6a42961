"""The APIs of vms."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import GetCandidatePrimaryStoragesForCreatingVmValue
    from zstack_sdk.inventories import GetVmConsoleAddressValue
    from zstack_sdk.inventories import L3NetworkInventory
    from zstack_sdk.inventories import VmInstanceInventory
    from zstack_sdk.inventories import VmNicInventory
    from zstack_sdk.inventories import VolumeInventory
    from zstack_sdk.record import Empty, InventoryValue, ListValue


class GetDataVolumeAttachableVmAction(Action["ListValue[VmInstanceInventory]"]):
    """List the VMs that a data volume can be attached to: of its owner, and with room for a volume.

    A volume that is attached already, or cannot be used, has none.

    `GET /volumes/{volumeUuid}/candidate-vm-instances`. Who may call: account sessions, and users whose
    policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    volumeUuid: str
    """The uuid of a resource."""


class GetVmAttachableDataVolumeAction(Action["ListValue[VolumeInventory]"]):
    """List the data volumes that can be attached to a VM: of its owner, ready, and attached to

    none.

    `GET /vm-instances/{vmInstanceUuid}/data-volume-candidates`. Who may call: account sessions, and
    users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    vmInstanceUuid: str
    """The uuid of a resource."""


class GetVmAttachableL3NetworkAction(Action["ListValue[L3NetworkInventory]"]):
    """List the L3 networks on which a VM can get a NIC: the caller may use them, and the VM's place has
    them.

    `GET /vm-instances/{vmInstanceUuid}/l3-networks-candidates`. Who may call: account sessions, and
    users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    vmInstanceUuid: str
    """The uuid of a resource."""


class GetCandidatePrimaryStoragesForCreatingVmAction(Action["GetCandidatePrimaryStoragesForCreatingVmValue"]):
    """List the primary storages that can keep the volumes of a new VM.

    `GET /vm-instances/candidate-storages`. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    imageUuid: str
    """The uuid of a resource."""

    l3NetworkUuids: list[str]
    """The uuids of resources."""

    rootDiskOfferingUuid: str | None = None
    """The uuid of a resource."""

    dataDiskOfferingUuids: list[str] | None = None
    """The uuids of resources."""


class CreateVmInstanceAction(Action["InventoryValue[VmInstanceInventory]"]):
    """Create a VM from an image, with a NIC on each network, and start it unless told not to.

    Its size is an offering's, or `cpuNum` and `memorySize` (bytes). `JustCreate` and `CreateStopped` do
    not start it. The system tags `staticIp::<l3NetworkUuid>::<ip>` and `hostname::<name>` choose its
    addresses and its name.

    `POST /vm-instances`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1006 (OperationError), ID.1003
    (QuotaExceeded), SYS.1000 (DuplicateResource), VM.1001 (VmStartFailed).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    instanceOfferingUuid: str | None = None
    """The uuid of a resource."""

    cpuNum: int | None = None
    """1 or more, at most 1024."""

    memorySize: int | None = None
    """1 or more, at most 4611686018427387904."""

    reservedMemorySize: int | None = None
    """0 or more, at most 4611686018427387904."""

    imageUuid: str
    """The uuid of a resource."""

    l3NetworkUuids: list[str] | None = None
    """The uuids of resources."""

    defaultL3NetworkUuid: str | None = None
    """The uuid of a resource."""

    rootDiskOfferingUuid: str | None = None
    """The uuid of a resource."""

    rootDiskSize: int | None = None
    """1 or more, at most 4611686018427387904."""

    dataDiskOfferingUuids: list[str] | None = None
    """The uuids of resources."""

    dataDiskSizes: list[int] | None = None
    """Bytes of each. List of integer, 1 or more, at most 4611686018427387904; at most 24 of them."""

    zoneUuid: str | None = None
    """The uuid of a resource."""

    clusterUuid: str | None = None
    """The uuid of a resource."""

    hostUuid: str | None = None
    """The uuid of a resource."""

    primaryStorageUuidForRootVolume: str | None = None
    """The uuid of a resource."""

    platform: Literal["Linux", "Windows", "Paravirtualization", "WindowsVirtio", "Other"] | None = None
    """`Linux` or `Windows` or `Paravirtualization` or `WindowsVirtio` or `Other`."""

    guestOsType: str | None = None
    """At most 255 characters."""

    architecture: Literal["x86_64", "aarch64", "mips64el", "loongarch64"] | None = None
    """`x86_64` or `aarch64` or `mips64el` or `loongarch64`."""

    type: Literal["UserVm"] | None = None
    """`UserVm` by default."""

    strategy: Literal["InstantStart", "JustCreate", "CreateStopped"] | None = None
    """`InstantStart` or `JustCreate` or `CreateStopped`, `InstantStart` by default."""

    rootVolumeSystemTags: list[str] | None = None
    """List of string, at most 2048 characters."""

    dataVolumeSystemTags: list[str] | None = None
    """List of string, at most 2048 characters."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class StartVmInstanceAction(Action["InventoryValue[VmInstanceInventory]"]):
    """Start a VM that is Stopped or Created, on a given host or cluster or wherever there is room.

    `PUT /vm-instances/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), VM.1001 (VmStartFailed), ID.1003 (QuotaExceeded).
    """

    uuid: str
    """The uuid of a resource."""

    hostUuid: str | None = None
    """The uuid of a resource."""

    clusterUuid: str | None = None
    """The uuid of a resource."""


class StopVmInstanceAction(Action["InventoryValue[VmInstanceInventory]"]):
    """Stop a VM: `grace` asks its guest, `cold` takes its power. One that is stopped already is no error.

    `PUT /vm-instances/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), VM.1002 (VmStopFailed).
    """

    uuid: str
    """The uuid of a resource."""

    type: Literal["grace", "cold"] | None = None
    """`grace` or `cold`, `grace` by default."""


class RebootVmInstanceAction(Action["InventoryValue[VmInstanceInventory]"]):
    """Reboot a VM that runs.

    `PUT /vm-instances/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), VM.1003 (VmRebootFailed).
    """

    uuid: str
    """The uuid of a resource."""


class PauseVmInstanceAction(Action["InventoryValue[VmInstanceInventory]"]):
    """Halt the CPUs of a VM that runs; it keeps its place on the host.

    `PUT /vm-instances/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), VM.1010 (VmStateRefused).
    """

    uuid: str
    """The uuid of a resource."""


class ResumeVmInstanceAction(Action["InventoryValue[VmInstanceInventory]"]):
    """Let the CPUs of a paused VM run again.

    `PUT /vm-instances/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), VM.1010 (VmStateRefused).
    """

    uuid: str
    """The uuid of a resource."""


class DestroyVmInstanceAction(Action["Empty"]):
    """Power a VM off and put it away: it can be recovered until it is expunged. One that is gone is no
    error.

    `DELETE /vm-instances/{uuid}`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound), VM.1004 (VmDestroyFailed).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class RecoverVmInstanceAction(Action["InventoryValue[VmInstanceInventory]"]):
    """Take a destroyed VM back; it is then Stopped.

    `PUT /vm-instances/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), VM.1010 (VmStateRefused), ID.1003 (QuotaExceeded).
    """

    uuid: str
    """The uuid of a resource."""


class ExpungeVmInstanceAction(Action["Empty"]):
    """Delete a destroyed VM for good, with its root volume and addresses.

    `PUT /vm-instances/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), VM.1010 (VmStateRefused).
    """

    uuid: str
    """The uuid of a resource."""


class UpdateVmInstanceAction(Action["InventoryValue[VmInstanceInventory]"]):
    """Change a VM's name, description, platform, guest system, default network or size (memory in bytes).

    A VM that runs gets its new size at its next start; host and quotas count it at once.

    `PUT /vm-instances/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1006 (OperationError), VM.1010
    (VmStateRefused), ID.1003 (QuotaExceeded).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    platform: Literal["Linux", "Windows", "Paravirtualization", "WindowsVirtio", "Other"] | None = None
    """`Linux` or `Windows` or `Paravirtualization` or `WindowsVirtio` or `Other`."""

    guestOsType: str | None = None
    """At most 255 characters."""

    defaultL3NetworkUuid: str | None = None
    """The uuid of a resource."""

    cpuNum: int | None = None
    """1 or more, at most 1024."""

    memorySize: int | None = None
    """1 or more, at most 4611686018427387904."""

    reservedMemorySize: int | None = None
    """0 or more, at most 4611686018427387904."""


class ChangeInstanceOfferingAction(Action["InventoryValue[VmInstanceInventory]"]):
    """Give a VM that does not run the size of another offering.

    `PUT /vm-instances/{vmInstanceUuid}/actions`, a job. Who may call: account sessions, and users whose
    policies allow it.

    Errors: SYS.1003 (ResourceNotFound), VM.1010 (VmStateRefused), SYS.1006 (OperationError).
    """

    vmInstanceUuid: str
    """The uuid of a resource."""

    instanceOfferingUuid: str
    """The uuid of a resource."""


class AttachL3NetworkToVmAction(Action["InventoryValue[VmInstanceInventory]"]):
    """Give a VM a NIC on another network, at once if it runs, with the address `staticIp` or any free one.

    `POST /vm-instances/{vmInstanceUuid}/l3-networks/{l3NetworkUuid}`, a job. Who may call: account
    sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1006 (OperationError), VM.1010
    (VmStateRefused).
    """

    vmInstanceUuid: str
    """The uuid of a resource."""

    l3NetworkUuid: str
    """The uuid of a resource."""

    staticIp: str | None = None
    """At least 1 characters, at most 255 characters."""


class DetachL3NetworkFromVmAction(Action["InventoryValue[VmInstanceInventory]"]):
    """Take a NIC from its VM, at once if it runs. Its address is free again.

    `DELETE /vm-instances/nics/{vmNicUuid}`, a job. Who may call: account sessions, and users whose
    policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1006 (OperationError), VM.1010 (VmStateRefused).
    """

    vmNicUuid: str
    """The uuid of a resource."""


class AttachDataVolumeToVmAction(Action["InventoryValue[VolumeInventory]"]):
    """Attach a data volume to a VM, at once if it runs.

    `POST /volumes/{volumeUuid}/vm-instances/{vmInstanceUuid}`, a job. Who may call: account sessions,
    and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1006 (OperationError), VM.1010 (VmStateRefused).
    """

    volumeUuid: str
    """The uuid of a resource."""

    vmInstanceUuid: str
    """The uuid of a resource."""


class DetachDataVolumeFromVmAction(Action["InventoryValue[VolumeInventory]"]):
    """Take a data volume from its VM, at once if it runs. One that is attached to none is no error.

    With `vmUuid`, one that is attached to another VM is left there.

    `DELETE /volumes/{uuid}/vm-instances`, a job. Who may call: account sessions, and users whose
    policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1006 (OperationError), VM.1010
    (VmStateRefused).
    """

    uuid: str
    """The uuid of a resource."""

    vmUuid: str | None = None
    """The uuid of a resource."""


class GetVmConsoleAddressAction(Action["GetVmConsoleAddressValue"]):
    """Where the hypervisor offers the console of a VM that runs. Clients reach it through a console proxy.

    `GET /vm-instances/{uuid}/console-addresses`. Who may call: account sessions, and users whose
    policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1006 (OperationError).
    """

    uuid: str
    """The uuid of a resource."""


class QueryVmInstanceAction(QueryAction["VmInstanceInventory"]):
    """Find VmInstances by conditions on their fields, tags and links.

    `GET /vm-instances`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, zoneUuid, clusterUuid, imageUuid, hostUuid,
    lastHostUuid, instanceOfferingUuid, rootVolumeUuid, platform, defaultL3NetworkUuid, type,
    hypervisorType, memorySize, reservedMemorySize, cpuNum, cpuSpeed, allocatorStrategy, guestOsType,
    architecture, state, createDate, lastOpDate.

    Links: zone., cluster., host., image., instanceOffering., rootVolume., vmNics., allVolumes.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class QueryVmNicAction(QueryAction["VmNicInventory"]):
    """Find VmNics by conditions on their fields, tags and links.

    `GET /vm-instances/nics`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, vmInstanceUuid, l3NetworkUuid, ip, mac, netmask, gateway, metaData,
    deviceId, driverType, ipVersion, state, type, createDate, lastOpDate.

    Links: vmInstance., l3Network., eip.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
