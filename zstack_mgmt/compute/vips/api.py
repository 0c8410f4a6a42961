"""The APIs of VIPs and EIPs."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from zstack_mgmt.compute.networks.model import address
from zstack_mgmt.compute.networks.store import usable_l3s
from zstack_mgmt.compute.vips import candidates, store
from zstack_mgmt.compute.vips.model import Eip, Vip
from zstack_mgmt.core.errors import (
    DuplicateResource,
    InvalidArgument,
    OperationError,
    QuotaExceeded,
    ResourceNotFound,
)
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.requests import CreateRequest, UuidRequest
from zstack_mgmt.core.values import Reference, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.owners import own, owners_of, scope_of
from zstack_mgmt.resources.tags import tag

__all__ = ["candidates"]  # imported for its declarations

Address = Annotated[str, StringConstraints(min_length=1, max_length=255)]
vips = Resource(
    Vip,
    "/v1/vips",
    java="org.zstack.network.service.vip",
    category="vip",
    access="user",
    source="ZStack's VIP API",
)
eips = Resource(
    Eip,
    "/v1/eips",
    java="org.zstack.network.service.eip",
    category="eip",
    access="user",
    source="ZStack's EIP API",
)


class CreateVip(CreateRequest):
    """Take an address of an L3 network for a network service: the wanted one, or the lowest that is free.

    With `ipRangeUuid` it is one of that range.

    Source: ZStack's VIP API.
    """

    l3_network_uuid: Reference
    required_ip: Address | None = None
    ip_range_uuid: Reference | None = None


@vips.action(
    CreateVip,
    "POST /v1/vips",
    raises=(ResourceNotFound, InvalidArgument, OperationError, QuotaExceeded, DuplicateResource),
    shared=("l3_network_uuid", "ip_range_uuid"),
)
async def create_vip(call: Call, conn: Connection, request: CreateVip) -> Vip:
    uuid = request.l3_network_uuid
    await usable_l3s(conn, [uuid], scope_of(call))
    wanted = None if request.required_ip is None else address(request.required_ip, "requiredIp")
    await reserve(conn, call.account_uuid, {"vip.num": 1}, is_admin=call.is_admin)
    vip = await store.insert_vip(
        conn,
        request.resource_uuid or new_uuid(),
        request.name,
        request.description,
        uuid,
        wanted,
        request.ip_range_uuid,
    )
    await own(conn, call.account_uuid, vip.uuid)
    await tag(conn, vip.uuid, request)
    return vip


class CreateEip(CreateRequest):
    """Make a VIP an elastic address, and let it lead to a NIC at once if one is given.

    Source: ZStack's EIP API.
    """

    vip_uuid: Reference
    vm_nic_uuid: Reference | None = None


@eips.action(
    CreateEip,
    "POST /v1/eips",
    raises=(ResourceNotFound, InvalidArgument, OperationError, QuotaExceeded, DuplicateResource),
    exclusive=("vip_uuid", "vm_nic_uuid", "resource_uuid"),
)
async def create_eip(call: Call, conn: Connection, request: CreateEip) -> Eip:
    vip, owner = await _lock_vip(conn, request.vip_uuid, scope_of(call))
    if vip.state != "Enabled":
        raise OperationError(f"the VIP {vip.uuid} is {vip.state}")
    if request.vm_nic_uuid is not None:
        await _check_nic(conn, call, request.vm_nic_uuid, vip, owner)
    await reserve(conn, owner, {"eip.num": 1}, is_admin=call.is_admin)
    values = {
        "uuid": request.resource_uuid or new_uuid(),
        "name": request.name,
        "description": request.description,
        "vip_uuid": vip.uuid,
        "vip_ip": vip.ip,
        "vm_nic_uuid": request.vm_nic_uuid,
    }
    eip = await rows.insert(conn, Eip, values)
    await own(conn, owner, eip.uuid)
    await tag(conn, eip.uuid, request)
    return eip


async def _lock_vip(conn: Connection, uuid: str, owner: str | None = None) -> tuple[Vip, str]:
    """The VIP of the account (None: of any) and its owner, both locked until the transaction ends."""
    vip = await rows.get(conn, Vip, uuid, owner, lock="UPDATE")
    owners = await owners_of(conn, [uuid])
    if owner is not None and owners[uuid][0] != owner:
        raise ResourceNotFound(f"no VIP has the uuid {uuid}")  # it has been given away meanwhile
    return vip, owners[uuid][0]


async def _check_nic(conn: Connection, call: Call, nic_uuid: str, vip: Vip, owner: str) -> None:
    """The EIP may lead to a NIC of the VIP's owner, on another network."""
    l3_uuid, nic_owner = await store.lock_nic(conn, nic_uuid, scope_of(call))
    if nic_owner != owner:
        raise InvalidArgument("the VIP and the NIC belong to different accounts")
    if l3_uuid == vip.l3_network_uuid:
        raise InvalidArgument("the NIC is on the VIP's own network, where it needs no EIP")


class AttachEip(ApiRequest):
    """Let an EIP lead to a NIC.

    Source: ZStack's EIP API.
    """

    eip_uuid: Reference
    vm_nic_uuid: Reference


@eips.action(
    AttachEip,
    "POST /v1/eips/{eipUuid}/vm-instances/nics/{vmNicUuid}",
    raises=(ResourceNotFound, InvalidArgument, OperationError),
)
async def attach_eip(call: Call, conn: Connection, request: AttachEip) -> Eip:
    eip = await rows.get(conn, Eip, request.eip_uuid, scope_of(call), lock="NO KEY UPDATE")
    if eip.state != "Enabled":
        raise OperationError(f"the EIP {eip.uuid} is {eip.state}")
    if eip.vm_nic_uuid is not None:
        raise OperationError(f"the EIP leads to the NIC {eip.vm_nic_uuid}; detach it first")
    vip, owner = await _lock_vip(conn, eip.vip_uuid)
    await _check_nic(conn, call, request.vm_nic_uuid, vip, owner)
    return await rows.update(conn, Eip, eip.uuid, {"vm_nic_uuid": request.vm_nic_uuid})


class DetachEip(UuidRequest):
    """Let an EIP lead nowhere. One that does already is no error.

    Source: ZStack's EIP API.
    """


@eips.action(DetachEip, "DELETE /v1/eips/{uuid}/vm-instances/nics", raises=(ResourceNotFound,))
async def detach_eip(call: Call, conn: Connection, request: DetachEip) -> Eip:
    return await rows.update(conn, Eip, request.uuid, {"vm_nic_uuid": None}, scope_of(call))


vips.update("Change a VIP's name or description.")
vips.change_state("Enable or disable a VIP. A disabled one takes no new service.")
vips.delete("Delete a VIP with its EIP; its address is free again. One that is gone is no error.")
vips.query(access="user")
eips.update("Change an EIP's name or description.")
eips.change_state("Enable or disable an EIP. A disabled one cannot be attached.")
eips.delete("Delete an EIP; its VIP stays. One that is gone is no error.")
eips.query(access="user")
