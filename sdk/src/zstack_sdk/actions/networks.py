"""The APIs of networks."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import CheckIpAvailabilityValue
    from zstack_sdk.inventories import FreeIpInventory
    from zstack_sdk.inventories import GetIpAddressCapacityValue
    from zstack_sdk.inventories import IpRangeInventory
    from zstack_sdk.inventories import L2NetworkInventory
    from zstack_sdk.inventories import L2VlanNetworkInventory
    from zstack_sdk.inventories import L3NetworkInventory
    from zstack_sdk.inventories import UsedIpInventory
    from zstack_sdk.record import Empty, InventoryValue, ListValue


class GetFreeIpAction(Action["ListValue[FreeIpInventory]"]):
    """List free addresses of an L3 network or of one of its ranges, the lowest first.

    Another call may take one before the caller does.

    `GET /l3-networks/{l3NetworkUuid}/ip/free`. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    l3NetworkUuid: str | None = None
    """The uuid of a resource."""

    ipRangeUuid: str | None = None
    """The uuid of a resource."""

    start: str | None = None
    """Addresses from this one on. At most 64 characters, `0.0.0.0` by default."""

    limit: int | None = None
    """1 or more, at most 1000, `100` by default."""


class CheckIpAvailabilityAction(Action["CheckIpAvailabilityValue"]):
    """Say whether an address of an L3 network is in one of its ranges and free.

    `GET /l3-networks/{l3NetworkUuid}/ip/{ip}/availability`. Who may call: account sessions, and users
    whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    l3NetworkUuid: str
    """The uuid of a resource."""

    ip: str
    """At most 64 characters."""


class QueryIpAddressAction(QueryAction["UsedIpInventory"]):
    """Find UsedIps by conditions on their fields, tags and links.

    `GET /l3-networks/ip-address`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, ipRangeUuid, l3NetworkUuid, ipVersion, ip, netmask, gateway, usedFor,
    ipInLong, vmNicUuid, createDate, lastOpDate.

    Links: l3Network., ipRange., vmNic.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class CreateL2NoVlanNetworkAction(Action["InventoryValue[L2NetworkInventory]"]):
    """Create an L2 network without a VLAN number in a zone.

    `POST /l2-networks/no-vlan`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1000 (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    zoneUuid: str
    """The uuid of a resource."""

    physicalInterface: str
    """At least 1 characters, at most 128 characters."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class CreateL2VlanNetworkAction(Action["InventoryValue[L2VlanNetworkInventory]"]):
    """Create an L2 network with a VLAN number in a zone.

    `POST /l2-networks/vlan`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1000 (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    zoneUuid: str
    """The uuid of a resource."""

    physicalInterface: str
    """At least 1 characters, at most 128 characters."""

    vlan: int
    """1 or more, at most 4094."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class UpdateL2NetworkAction(Action["InventoryValue[L2NetworkInventory]"]):
    """Change an L2 network's name or description.

    `PUT /l2-networks/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""


class DeleteL2NetworkAction(Action["Empty"]):
    """Delete an L2 network with its L3 networks; VMs lose their NICs on them. One that is gone is no
    error.

    `DELETE /l2-networks/{uuid}`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class AttachL2NetworkToClusterAction(Action["InventoryValue[L2NetworkInventory]"]):
    """Attach an L2 network to a cluster of its zone, so that VMs there can use it.

    `POST /l2-networks/{l2NetworkUuid}/clusters/{clusterUuid}`, a job. Who may call: system
    administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1006 (OperationError).
    """

    l2NetworkUuid: str
    """The uuid of a resource."""

    clusterUuid: str
    """The uuid of a resource."""


class DetachL2NetworkFromClusterAction(Action["InventoryValue[L2NetworkInventory]"]):
    """Detach an L2 network from a cluster. VMs that run keep their NICs on it until they are stopped.

    `DELETE /l2-networks/{l2NetworkUuid}/clusters/{clusterUuid}`, a job. Who may call: system
    administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    l2NetworkUuid: str
    """The uuid of a resource."""

    clusterUuid: str
    """The uuid of a resource."""


class CreateL3NetworkAction(Action["InventoryValue[L3NetworkInventory]"]):
    """Create an enabled L3 network on an L2 network. Share it, so that other accounts can use it.

    `POST /l3-networks`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1000 (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    l2NetworkUuid: str
    """The uuid of a resource."""

    type: str | None = None
    """At most 255 characters, `L3BasicNetwork` by default."""

    category: Literal["Public", "Private", "System"] | None = None
    """`Public` or `Private` or `System`, `Private` by default."""

    system: bool | None = None
    """Boolean, `False` by default."""

    dnsDomain: str | None = None
    """At most 255 characters."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class UpdateL3NetworkAction(Action["InventoryValue[L3NetworkInventory]"]):
    """Change an L3 network's name, description, DNS domain, category, or whether it is the system's.

    `PUT /l3-networks/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    dnsDomain: str | None = None
    """At most 255 characters."""

    category: Literal["Public", "Private", "System"] | None = None
    """`Public` or `Private` or `System`."""

    system: bool | None = None


class ChangeL3NetworkStateAction(Action["InventoryValue[L3NetworkInventory]"]):
    """Enable or disable an L3 network. No VM gets a NIC on a disabled one.

    `PUT /l3-networks/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    stateEvent: Literal["enable", "disable"]
    """`enable` or `disable`."""


class DeleteL3NetworkAction(Action["Empty"]):
    """Delete an L3 network with its ranges and VIPs; VMs lose their NICs on it. One that is gone is no
    error.

    `DELETE /l3-networks/{uuid}`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class AddIpRangeAction(Action["InventoryValue[IpRangeInventory]"]):
    """Let an L3 network give out the addresses from `startIp` to `endIp`.

    `POST /l3-networks/{l3NetworkUuid}/ip-ranges`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1000 (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    l3NetworkUuid: str
    """The uuid of a resource."""

    startIp: str
    """At most 255 characters."""

    endIp: str
    """At most 255 characters."""

    netmask: str
    """At most 255 characters."""

    gateway: str
    """At most 255 characters."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class AddIpRangeByNetworkCidrAction(Action["InventoryValue[IpRangeInventory]"]):
    """Let an L3 network give out a whole subnet but its gateway: the first address, or the last if so
    said.

    `POST /l3-networks/{l3NetworkUuid}/ip-ranges/by-cidr`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1000 (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    l3NetworkUuid: str
    """The uuid of a resource."""

    networkCidr: str
    """At most 255 characters."""

    gateway: str | None = None
    """At least 1 characters, at most 255 characters."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class UpdateIpRangeAction(Action["InventoryValue[IpRangeInventory]"]):
    """Change a range's name or description. Its addresses stay.

    `PUT /l3-networks/ip-ranges/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""


class DeleteIpRangeAction(Action["Empty"]):
    """Delete a range that no NIC or VIP has an address of. One that is gone is no error.

    `DELETE /l3-networks/ip-ranges/{uuid}`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1006 (OperationError).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class AddDnsToL3NetworkAction(Action["InventoryValue[L3NetworkInventory]"]):
    """Add a DNS server to an L3 network.

    `POST /l3-networks/{l3NetworkUuid}/dns`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    l3NetworkUuid: str
    """The uuid of a resource."""

    dns: str
    """At most 255 characters."""


class RemoveDnsFromL3NetworkAction(Action["InventoryValue[L3NetworkInventory]"]):
    """Remove a DNS server from an L3 network. One that it has not is no error.

    `DELETE /l3-networks/{l3NetworkUuid}/dns/{dns}`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    l3NetworkUuid: str
    """The uuid of a resource."""

    dns: str
    """At most 255 characters."""


class GetIpAddressCapacityAction(Action["GetIpAddressCapacityValue"]):
    """How many addresses the L3 networks have, and how many of them are free.

    `GET /ip-capacity`. Who may call: system administrators.

    Errors: SYS.1007 (InvalidArgument).
    """

    l3NetworkUuids: list[str] | None = None
    """The uuids of resources."""

    zoneUuids: list[str] | None = None
    """The uuids of resources."""

    ipRangeUuids: list[str] | None = None
    """The uuids of resources."""

    all: bool | None = None
    """Boolean, `False` by default."""


class QueryIpRangeAction(QueryAction["IpRangeInventory"]):
    """Find IpRanges by conditions on their fields, tags and links.

    `GET /l3-networks/ip-ranges`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, l3NetworkUuid, name, description, startIp, endIp, netmask, gateway,
    networkCidr, ipRangeType, ipVersion, prefixLen, createDate, lastOpDate.

    Links: l3Network.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class QueryL3NetworkAction(QueryAction["L3NetworkInventory"]):
    """Find L3Networks by conditions on their fields, tags and links.

    `GET /l3-networks`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, type, zoneUuid, l2NetworkUuid, state, dnsDomain,
    system, category, ipVersion, enableIPAM, isolated, createDate, lastOpDate, dns.

    Links: zone., l2Network., vmNic., vip., ipRanges.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class QueryL2VlanNetworkAction(QueryAction["L2VlanNetworkInventory"]):
    """Find L2VlanNetworks by conditions on their fields, tags and links.

    `GET /l2-networks/vlan`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, zoneUuid, physicalInterface, type, vlan,
    vSwitchType, virtualNetworkId, isolated, createDate, lastOpDate, attachedClusterUuids.

    Links: zone., l3Network., cluster.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class QueryL2NetworkAction(QueryAction["L2NetworkInventory"]):
    """Find L2Networks by conditions on their fields, tags and links.

    `GET /l2-networks`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, zoneUuid, physicalInterface, type, vSwitchType,
    virtualNetworkId, isolated, createDate, lastOpDate, attachedClusterUuids.

    Links: zone., l3Network., cluster.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
