"""The APIs of VIPs and EIPs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from pydantic import StringConstraints

from zstack_mgmt.compute.networks.model import address
from zstack_mgmt.compute.networks.store import usable_l3s
from zstack_mgmt.compute.vips import ownership, store
from zstack_mgmt.compute.vips.model import Eip, Vip
from zstack_mgmt.compute.vips.store import EIPS, VIPS, Table
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
from zstack_mgmt.identity.sharing.owners import own, scope_of
from zstack_mgmt.query.declare import query_api

VIP_JAVA = "org.zstack.network.service.vip"
EIP_JAVA = "org.zstack.network.service.eip"
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
    await usable_l3s(conn, [uuid], scope_of(call))
    wanted = None if request.required_ip is None else address(request.required_ip, "requiredIp")
    await reserve(conn, call.account_uuid, {"vip.num": 1}, is_admin=call.is_admin)
    vip = await store.insert_vip(
        conn, request.resource_uuid or new_uuid(), request.name, request.description, uuid, wanted
    )
    await own(conn, vip.uuid, call.account_uuid, request)
    return vip


class UpdateVip(UpdateRequest):
    """Change a VIP's name or description.

    Source: ZStack's VIP API.
    """


class ChangeVipState(StateRequest):
    """Enable or disable a VIP. A disabled one takes no new service.

    Source: ZStack's VIP API.
    """


class DeleteVip(DeleteRequest):
    """Delete a VIP with its EIP; its address is free again. One that is gone is no error.

    Source: ZStack's VIP API.
    """


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
    vip, owner = await VIPS.lock(conn, request.vip_uuid, scope_of(call))
    if vip.state != "Enabled":
        raise OperationError(f"the VIP {vip.uuid} is {vip.state}")
    if request.vm_nic_uuid is not None:
        await _check_nic(conn, call, request.vm_nic_uuid, vip, owner)
    await reserve(conn, owner, {"eip.num": 1}, is_admin=call.is_admin)
    eip = await store.insert_eip(
        conn, request.resource_uuid or new_uuid(), request.name, request.description, vip, request.vm_nic_uuid
    )
    await own(conn, eip.uuid, owner, request)
    return eip


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


@eip_job(
    AttachEip,
    http="POST /v1/eips/{eipUuid}/vm-instances/nics/{vmNicUuid}",
    returns=Eip,
    raises=(ResourceNotFound, InvalidArgument, OperationError),
)
async def attach_eip(call: Call, conn: Connection, request: AttachEip) -> Eip:
    eip, _ = await EIPS.lock(conn, request.eip_uuid, scope_of(call))
    if eip.state != "Enabled":
        raise OperationError(f"the EIP {eip.uuid} is {eip.state}")
    if eip.vm_nic_uuid is not None:
        raise OperationError(f"the EIP leads to the NIC {eip.vm_nic_uuid}; detach it first")
    vip, owner = await VIPS.lock(conn, eip.vip_uuid)
    await _check_nic(conn, call, request.vm_nic_uuid, vip, owner)
    return await store.set_nic(conn, eip.uuid, request.vm_nic_uuid)


class DetachEip(UuidRequest):
    """Let an EIP lead nowhere. One that does already is no error.

    Source: ZStack's EIP API.
    """


@eip_job(DetachEip, http="DELETE /v1/eips/{uuid}/vm-instances/nics", returns=Eip, raises=(ResourceNotFound,))
async def detach_eip(call: Call, conn: Connection, request: DetachEip) -> Eip:
    await EIPS.lock(conn, request.uuid, scope_of(call))
    return await store.set_nic(conn, request.uuid, None)


class UpdateEip(UpdateRequest):
    """Change an EIP's name or description.

    Source: ZStack's EIP API.
    """


class ChangeEipState(StateRequest):
    """Enable or disable an EIP. A disabled one cannot be attached.

    Source: ZStack's EIP API.
    """


class DeleteEip(DeleteRequest):
    """Delete an EIP; its VIP stays. One that is gone is no error.

    Source: ZStack's EIP API.
    """


def _declare(
    job: Callable[..., Any],
    path: str,
    table: Table[Any],
    update: type[UpdateRequest],
    change_state: type[StateRequest],
    delete: type[DeleteRequest],
) -> None:
    """Declare what is the same for VIPs and EIPs: they change, are enabled or disabled, and go."""
    returns = table.inventory

    @job(update, http=f"PUT {path}/{{uuid}}/actions", returns=returns, raises=(ResourceNotFound,))
    async def update_it(call: Call, conn: Connection, request: UpdateRequest) -> Any:
        await table.lock(conn, request.uuid, scope_of(call))
        return await table.update(conn, request.uuid, request.name, request.description)

    @job(change_state, http=f"PUT {path}/{{uuid}}/actions", returns=returns, raises=(ResourceNotFound,))
    async def change_its_state(call: Call, conn: Connection, request: StateRequest) -> Any:
        await table.lock(conn, request.uuid, scope_of(call))
        return await table.update(conn, request.uuid, state=request.state)

    @job(delete, http=f"DELETE {path}/{{uuid}}", raises=(ResourceNotFound,))
    async def delete_it(call: Call, conn: Connection, request: DeleteRequest) -> None:
        uuid = request.uuid_of(table.noun)
        if await table.find(conn, uuid, scope_of(call)) is not None:
            await table.delete(conn, uuid)


_declare(vip_job, "/v1/vips", VIPS, UpdateVip, ChangeVipState, DeleteVip)
_declare(eip_job, "/v1/eips", EIPS, UpdateEip, ChangeEipState, DeleteEip)

query_vip = query_api(Vip, http="GET /v1/vips", access="user", category="vip", java=VIP_JAVA)
query_eip = query_api(Eip, http="GET /v1/eips", access="user", category="eip", java=EIP_JAVA)

SUBMODULES = (ownership,)
"""Imported for what they declare."""
