"""The APIs of hosts."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import ClusterInventory
    from zstack_sdk.inventories import GetVmStartingCandidateClustersHostsValue
    from zstack_sdk.inventories import HostInventory
    from zstack_sdk.record import Empty, InventoryValue


class GetVmStartingCandidateClustersHostsAction(Action["GetVmStartingCandidateClustersHostsValue"]):
    """List the hosts that have room for a VM and may run it, the emptiest first, and their clusters.

    Another VM may take the room before this one starts.

    `GET /vm-instances/{uuid}/starting-target-hosts`. Who may call: account sessions, and users whose
    policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""


class CreateClusterAction(Action["InventoryValue[ClusterInventory]"]):
    """Create an enabled cluster in a zone. One of an architecture runs VMs of that alone.

    `POST /clusters`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1000 (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    zoneUuid: str
    """The uuid of a resource."""

    hypervisorType: Literal["KVM", "Simulator"]
    """`KVM` or `Simulator`."""

    architecture: Literal["x86_64", "aarch64", "mips64el", "loongarch64"] | None = None
    """`x86_64` or `aarch64` or `mips64el` or `loongarch64`."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class UpdateClusterAction(Action["InventoryValue[ClusterInventory]"]):
    """Change a cluster's name or description.

    `PUT /clusters/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""


class ChangeClusterStateAction(Action["InventoryValue[ClusterInventory]"]):
    """Enable or disable a cluster and its hosts. No VM starts in a disabled one; those that run go on.

    `PUT /clusters/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    stateEvent: Literal["enable", "disable"]
    """`enable` or `disable`."""


class DeleteClusterAction(Action["Empty"]):
    """Delete a cluster with its hosts; the VMs on them are Stopped. One that is gone is no error.

    `DELETE /clusters/{uuid}`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class QueryClusterAction(QueryAction["ClusterInventory"]):
    """Find Clusters by conditions on their fields, tags and links.

    `GET /clusters`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, state, hypervisorType, zoneUuid, type, architecture,
    createDate, lastOpDate.

    Links: zone., host., vmInstance., l2Network., l2VlanNetwork.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class AddKVMHostAction(Action["InventoryValue[HostInventory]"]):
    """Connect to a KVM host and add it, enabled, to a cluster.

    With the setting `KVM_DRIVER` at `simulator` nothing is contacted, and its VMs are only rows.

    `POST /hosts/kvm`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1006 (OperationError), SYS.1000
    (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    managementIp: str
    """At least 1 characters, at most 255 characters."""

    clusterUuid: str
    """The uuid of a resource."""

    username: str
    """At most 255 characters."""

    password: str
    """At most 255 characters."""

    sshPort: int | None = None
    """1 or more, at most 65535, `22` by default."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class AddSimulatorHostAction(Action["InventoryValue[HostInventory]"]):
    """Add a simulated host, enabled, to a cluster. Memory in bytes; CPUs as many as VMs may have in all.

    `POST /hosts/simulators`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1006 (OperationError), SYS.1000
    (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    managementIp: str
    """At least 1 characters, at most 255 characters."""

    clusterUuid: str
    """The uuid of a resource."""

    memoryCapacity: int | None = None
    """0 or more, at most 4611686018427387904, `1099511627776` by default."""

    cpuCapacity: int | None = None
    """0 or more, at most 4611686018427387904, `1000000000` by default."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class UpdateHostAction(Action["InventoryValue[HostInventory]"]):
    """Change a host's name, description or address.

    `PUT /hosts/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    managementIp: str | None = None
    """At least 1 characters, at most 255 characters."""


class ChangeHostStateAction(Action["InventoryValue[HostInventory]"]):
    """Enable or disable a host, or take it into maintenance, for which its VMs are stopped.

    `PUT /hosts/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    stateEvent: Literal["enable", "disable", "maintain"]
    """`enable` or `disable` or `maintain`."""


class ReconnectHostAction(Action["InventoryValue[HostInventory]"]):
    """Ask a host for a sign of life now; its VMs get the states that it reports.

    `PUT /hosts/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1006 (OperationError).
    """

    uuid: str
    """The uuid of a resource."""


class DeleteHostAction(Action["Empty"]):
    """Delete a host; the VMs on it are Stopped. One that is gone is no error.

    `DELETE /hosts/{uuid}`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class QueryHostAction(QueryAction["HostInventory"]):
    """Find Hosts by conditions on their fields, tags and links.

    `GET /hosts`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, zoneUuid, clusterUuid, managementIp, hypervisorType,
    state, status, totalCpuCapacity, availableCpuCapacity, cpuSockets, cpuNum, totalMemoryCapacity,
    availableMemoryCapacity, architecture, createDate, lastOpDate.

    Links: zone., cluster., vmInstance.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
