"""The APIs of VIPs and EIPs."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import StringConstraints

from zstack_mgmt.compute.networks import vips
from zstack_mgmt.compute.networks.addresses import hold_address, take_address
from zstack_mgmt.compute.networks.model import Eip, Vip, address
from zstack_mgmt.compute.networks.store import get_l3
from zstack_mgmt.compute.vms.store import get_nic
from zstack_mgmt.core.errors import (
    DuplicateResource,
    InvalidArgument,
    OperationError,
    QuotaExceeded,
    ResourceNotFound,
)
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.requests import DeleteRequest, StateRequest, UpdateRequest, UuidRequest
from zstack_mgmt.core.values import Description, Reference, ResourceName, ResourceUuid, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.identity.sharing.owners import found, is_visible, own, owners_of, scope_of
from zstack_mgmt.query.declare import query_api

VIP_JAVA = "org.zstack.network.service.vip"
EIP_JAVA = "org.zstack.network.service.eip"
VIP_ACTIONS = "PUT /v1/vips/{uuid}/actions"
EIP_ACTIONS = "PUT /v1/eips/{uuid}/actions"
Text = Annotated[str, StringConstraints(max_length=255)]
vip_job = partial(api, mode="job", access="user", java=VIP_JAVA, category="vip")
eip_job = partial(api, mode="job", access="user", java=EIP_JAVA, category="eip")


class CreateVip(ApiRequest):
    """Take an address of an L3 network for a network service: the wanted one, or the lowest that is free.

    Source: ZStack's VIP API.
    """

    name: ResourceName
    description: Description | None = None
    l3_network_uuid: Reference
    required_ip: Text | None = None
    resource_uuid: ResourceUuid | None = None


@vip_job(
    CreateVip,
    http="POST /v1/vips",
    returns=Vip,
    raises=(ResourceNotFound, InvalidArgument, OperationError, QuotaExceeded, DuplicateResource),
    shared=("l3_network_uuid",),
)
async def create_vip(call: Call, conn: Connection, request: CreateVip) -> Vip:
    uuid = request.l3_network_uuid
    visible = call.is_admin or await is_visible(conn, uuid, call.account_uuid)
    l3 = found(await get_l3(conn, uuid) if visible else None, "L3 network", uuid)
    if l3.state != "Enabled":
        raise OperationError(f"the L3 network {uuid} is {l3.state}")
    wanted = None if request.required_ip is None else address(request.required_ip, "requiredIp")
    await reserve(conn, call.account_uuid, {"vip.num": 1}, is_admin=call.is_admin)
    taken = await take_address(conn, l3, wanted)
    vip = await vips.insert_vip(
        conn, request.resource_uuid or new_uuid(), request.name, request.description, uuid, taken
    )
    await hold_address(conn, uuid, taken, vip_uuid=vip.uuid)
    await own(conn, vip.uuid, call.account_uuid, request)
    return vip


class UpdateVip(UpdateRequest):
    """Change a VIP's name or description.

    Source: ZStack's VIP API.
    """


@vip_job(UpdateVip, http=VIP_ACTIONS, returns=Vip, raises=(ResourceNotFound,))
async def update_vip(call: Call, conn: Connection, request: UpdateVip) -> Vip:
    found(await vips.lock_vip(conn, request.uuid, scope_of(call)), "VIP", request.uuid)
    return await vips.update_vip(conn, request.uuid, request.name, request.description, None)


class ChangeVipState(StateRequest):
    """Enable or disable a VIP. A disabled one takes no new service.

    Source: ZStack's VIP API.
    """


@vip_job(ChangeVipState, http=VIP_ACTIONS, returns=Vip, raises=(ResourceNotFound,))
async def change_vip_state(call: Call, conn: Connection, request: ChangeVipState) -> Vip:
    found(await vips.lock_vip(conn, request.uuid, scope_of(call)), "VIP", request.uuid)
    return await vips.update_vip(conn, request.uuid, None, None, request.state)


class DeleteVip(DeleteRequest):
    """Delete a VIP with its EIP; its address is free again. One that is gone is no error.

    Source: ZStack's VIP API.
    """


@vip_job(DeleteVip, http="DELETE /v1/vips/{uuid}", raises=(ResourceNotFound,))
async def delete_vip(call: Call, conn: Connection, request: DeleteVip) -> None:
    uuid = request.uuid_of("VIP")
    if await vips.lock_vip(conn, uuid, scope_of(call)) is not None:
        await vips.delete_vip(conn, uuid)


class CreateEip(ApiRequest):
    """Make a VIP an elastic address, and let it lead to a NIC at once if one is given.

    Source: ZStack's EIP API.
    """

    name: ResourceName
    description: Description | None = None
    vip_uuid: Reference
    vm_nic_uuid: Reference | None = None
    resource_uuid: ResourceUuid | None = None


@eip_job(
    CreateEip,
    http="POST /v1/eips",
    returns=Eip,
    raises=(ResourceNotFound, InvalidArgument, OperationError, QuotaExceeded, DuplicateResource),
    exclusive=("vip_uuid", "vm_nic_uuid", "resource_uuid"),
)
async def create_eip(call: Call, conn: Connection, request: CreateEip) -> Eip:
    vip, owner = found(await vips.lock_vip(conn, request.vip_uuid, scope_of(call)), "VIP", request.vip_uuid)
    if vip.state != "Enabled":
        raise OperationError(f"the VIP {vip.uuid} is {vip.state}")
    if request.vm_nic_uuid is not None:
        await _check_nic(conn, call, request.vm_nic_uuid, vip, owner)
    await reserve(conn, owner, {"eip.num": 1}, is_admin=call.is_admin)
    eip = await vips.insert_eip(
        conn, request.resource_uuid or new_uuid(), request.name, request.description, vip, request.vm_nic_uuid
    )
    await own(conn, eip.uuid, owner, request)
    return eip


async def _check_nic(conn: Connection, call: Call, nic_uuid: str, vip: Vip, owner: str) -> None:
    """The EIP may lead to a NIC of the VIP's owner, on another network."""
    nic = found(await get_nic(conn, nic_uuid, scope_of(call)), "NIC", nic_uuid)
    if (await owners_of(conn, [nic_uuid]))[nic_uuid][0] != owner:
        raise InvalidArgument("the VIP and the NIC belong to different accounts")
    if nic.l3_network_uuid == vip.l3_network_uuid:
        raise InvalidArgument("the NIC is on the VIP's own network, where it needs no EIP")


class AttachEip(ApiRequest):
    """Let an EIP lead to a NIC.

    Source: ZStack's EIP API.
    """

    eip_uuid: Reference
    vm_nic_uuid: Reference


@eip_job(
    AttachEip,
    http="POST /v1/eips/{eipUuid}/vm-instances/nics/{vmNicUuid}",
    returns=Eip,
    raises=(ResourceNotFound, InvalidArgument, OperationError),
)
async def attach_eip(call: Call, conn: Connection, request: AttachEip) -> Eip:
    eip = found(await vips.lock_eip(conn, request.eip_uuid, scope_of(call)), "EIP", request.eip_uuid)
    if eip.state != "Enabled":
        raise OperationError(f"the EIP {eip.uuid} is {eip.state}")
    if eip.vm_nic_uuid is not None:
        raise OperationError(f"the EIP leads to the NIC {eip.vm_nic_uuid}; detach it first")
    vip, owner = found(await vips.lock_vip(conn, eip.vip_uuid, None), "VIP", eip.vip_uuid)
    await _check_nic(conn, call, request.vm_nic_uuid, vip, owner)
    return await vips.set_nic(conn, eip.uuid, request.vm_nic_uuid)


class DetachEip(UuidRequest):
    """Let an EIP lead nowhere. One that does already is no error.

    Source: ZStack's EIP API.
    """


@eip_job(DetachEip, http="DELETE /v1/eips/{uuid}/vm-instances/nics", returns=Eip, raises=(ResourceNotFound,))
async def detach_eip(call: Call, conn: Connection, request: DetachEip) -> Eip:
    found(await vips.lock_eip(conn, request.uuid, scope_of(call)), "EIP", request.uuid)
    return await vips.set_nic(conn, request.uuid, None)


class UpdateEip(UpdateRequest):
    """Change an EIP's name or description.

    Source: ZStack's EIP API.
    """


@eip_job(UpdateEip, http=EIP_ACTIONS, returns=Eip, raises=(ResourceNotFound,))
async def update_eip(call: Call, conn: Connection, request: UpdateEip) -> Eip:
    found(await vips.lock_eip(conn, request.uuid, scope_of(call)), "EIP", request.uuid)
    return await vips.update_eip(conn, request.uuid, request.name, request.description, None)


class ChangeEipState(StateRequest):
    """Enable or disable an EIP. A disabled one cannot be attached.

    Source: ZStack's EIP API.
    """


@eip_job(ChangeEipState, http=EIP_ACTIONS, returns=Eip, raises=(ResourceNotFound,))
async def change_eip_state(call: Call, conn: Connection, request: ChangeEipState) -> Eip:
    found(await vips.lock_eip(conn, request.uuid, scope_of(call)), "EIP", request.uuid)
    return await vips.update_eip(conn, request.uuid, None, None, request.state)


class DeleteEip(DeleteRequest):
    """Delete an EIP; its VIP stays. One that is gone is no error.

    Source: ZStack's EIP API.
    """


@eip_job(DeleteEip, http="DELETE /v1/eips/{uuid}", raises=(ResourceNotFound,))
async def delete_eip(call: Call, conn: Connection, request: DeleteEip) -> None:
    uuid = request.uuid_of("EIP")
    if await vips.lock_eip(conn, uuid, scope_of(call)) is not None:
        await vips.delete_eip(conn, uuid)


query_vip = query_api(Vip, http="GET /v1/vips", access="user", category="vip", java=VIP_JAVA)
query_eip = query_api(Eip, http="GET /v1/eips", access="user", category="eip", java=EIP_JAVA)
