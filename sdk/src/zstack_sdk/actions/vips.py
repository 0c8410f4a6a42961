"""The APIs of vips."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import EipInventory
    from zstack_sdk.inventories import VipInventory
    from zstack_sdk.inventories import VmNicInventory
    from zstack_sdk.record import Empty, InventoryValue, ListValue


class GetEipAttachableVmNicsAction(Action["ListValue[VmNicInventory]"]):
    """List the NICs that an EIP can be attached to.

    They are of the EIP's owner, on another network than its VIP, and have no EIP. An EIP that leads to
    a NIC already, or is disabled, has none.

    `GET /eips/{eipUuid}/vm-instances/candidate-nics`. Who may call: account sessions, and users whose
    policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    eipUuid: str
    """The uuid of a resource."""

    vmUuid: str | None = None
    """Of this VM only. At least 1 characters, at most 255 characters."""

    vmName: str | None = None
    """Of VMs whose names have this in them. At most 255 characters."""


class GetVmNicAttachableEipsAction(Action["ListValue[EipInventory]"]):
    """List the EIPs that can be attached to a NIC.

    They are enabled, of the NIC's owner, lead nowhere yet, and their VIPs are on another network. A NIC
    that has an EIP can have no other.

    `GET /vm-instances/nics/{vmNicUuid}/candidate-eips`. Who may call: account sessions, and users whose
    policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    vmNicUuid: str
    """The uuid of a resource."""


class CreateVipAction(Action["InventoryValue[VipInventory]"]):
    """Take an address of an L3 network for a network service: the wanted one, or the lowest that is free.

    With `ipRangeUuid` it is one of that range.

    `POST /vips`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1006 (OperationError), ID.1003
    (QuotaExceeded), SYS.1000 (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    l3NetworkUuid: str
    """The uuid of a resource."""

    requiredIp: str | None = None
    """At least 1 characters, at most 255 characters."""

    ipRangeUuid: str | None = None
    """The uuid of a resource."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class CreateEipAction(Action["InventoryValue[EipInventory]"]):
    """Make a VIP an elastic address, and let it lead to a NIC at once if one is given.

    `POST /eips`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1006 (OperationError), ID.1003
    (QuotaExceeded), SYS.1000 (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    vipUuid: str
    """The uuid of a resource."""

    vmNicUuid: str | None = None
    """The uuid of a resource."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class AttachEipAction(Action["InventoryValue[EipInventory]"]):
    """Let an EIP lead to a NIC.

    `POST /eips/{eipUuid}/vm-instances/nics/{vmNicUuid}`, a job. Who may call: account sessions, and
    users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1006 (OperationError).
    """

    eipUuid: str
    """The uuid of a resource."""

    vmNicUuid: str
    """The uuid of a resource."""


class DetachEipAction(Action["InventoryValue[EipInventory]"]):
    """Let an EIP lead nowhere. One that does already is no error.

    `DELETE /eips/{uuid}/vm-instances/nics`, a job. Who may call: account sessions, and users whose
    policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""


class UpdateVipAction(Action["InventoryValue[VipInventory]"]):
    """Change a VIP's name or description.

    `PUT /vips/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""


class ChangeVipStateAction(Action["InventoryValue[VipInventory]"]):
    """Enable or disable a VIP. A disabled one takes no new service.

    `PUT /vips/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    stateEvent: Literal["enable", "disable"]
    """`enable` or `disable`."""


class DeleteVipAction(Action["Empty"]):
    """Delete a VIP with its EIP; its address is free again. One that is gone is no error.

    `DELETE /vips/{uuid}`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class QueryVipAction(QueryAction["VipInventory"]):
    """Find Vips by conditions on their fields, tags and links.

    `GET /vips`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, l3NetworkUuid, ip, state, gateway, netmask,
    serviceProvider, peerL3NetworkUuid, useFor, system, prefixLen, createDate, lastOpDate.

    Links: l3Network., peerL3Network., eip.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class UpdateEipAction(Action["InventoryValue[EipInventory]"]):
    """Change an EIP's name or description.

    `PUT /eips/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""


class ChangeEipStateAction(Action["InventoryValue[EipInventory]"]):
    """Enable or disable an EIP. A disabled one cannot be attached.

    `PUT /eips/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    stateEvent: Literal["enable", "disable"]
    """`enable` or `disable`."""


class DeleteEipAction(Action["Empty"]):
    """Delete an EIP; its VIP stays. One that is gone is no error.

    `DELETE /eips/{uuid}`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class QueryEipAction(QueryAction["EipInventory"]):
    """Find Eips by conditions on their fields, tags and links.

    `GET /eips`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, vmNicUuid, vipUuid, state, vipIp, guestIp,
    createDate, lastOpDate, ip.

    Links: vip., vmNic.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
