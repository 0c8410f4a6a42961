"""Which EIP may lead to which NIC: the rules of AttachEip, asked and not acted on."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import StringConstraints

from zstack_mgmt.compute.vips import store
from zstack_mgmt.compute.vips.model import Eip
from zstack_mgmt.compute.vms.model import VmInstance, VmNic
from zstack_mgmt.core.errors import ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import ExistingUuid
from zstack_mgmt.doc import Doc
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.query.declare import MAX_CANDIDATES, classes, shown
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.owners import scope_of


class GetEipAttachableVmNics(ApiRequest):
    """List the NICs that an EIP can be attached to.

    They are of the EIP's owner, on another network than its VIP, and have no EIP. An EIP that leads to a NIC
    already, or is disabled, has none.

    Source: ZStack's EIP API.
    """

    eip_uuid: ExistingUuid
    vm_uuid: Annotated[ExistingUuid | None, Doc("of this VM only")] = None
    vm_name: Annotated[
        str, StringConstraints(max_length=255), Doc("of VMs whose names have this in them")
    ] = ""


@api(
    GetEipAttachableVmNics,
    http="GET /v1/eips/{eipUuid}/vm-instances/candidate-nics",
    mode="sync",
    access="user",
    java="org.zstack.network.service.eip",
    category="eip",
    is_read=True,
    response_key="",
    returns=VmNic,
    outside=True,
    raises=(ResourceNotFound,),
    describe=classes,
)
async def get_eip_attachable_vm_nics(call: Call, work: Direct, request: GetEipAttachableVmNics) -> Any:
    async with work.connection() as conn:
        eip = await rows.get(conn, Eip, request.eip_uuid, scope_of(call), lock=None)
        if request.vm_uuid is not None:
            await rows.get(conn, VmInstance, request.vm_uuid, scope_of(call), lock=None)
        found: list[str] = []
        if eip.state == "Enabled" and eip.vm_nic_uuid is None:
            found = await store.nics_for(conn, eip.uuid, request.vm_uuid, request.vm_name, MAX_CANDIDATES)
    return await shown(call, VmNic, found)


class GetVmNicAttachableEips(ApiRequest):
    """List the EIPs that can be attached to a NIC.

    They are enabled, of the NIC's owner, lead nowhere yet, and their VIPs are on another network. A NIC that
    has an EIP can have no other.

    Source: ZStack's EIP API.
    """

    vm_nic_uuid: ExistingUuid


@api(
    GetVmNicAttachableEips,
    http="GET /v1/vm-instances/nics/{vmNicUuid}/candidate-eips",
    mode="sync",
    access="user",
    java="org.zstack.network.service.eip",
    category="instance",
    is_read=True,
    response_key="",
    returns=Eip,
    outside=True,
    raises=(ResourceNotFound,),
    describe=classes,
)
async def get_vm_nic_attachable_eips(call: Call, work: Direct, request: GetVmNicAttachableEips) -> Any:
    async with work.connection() as conn:
        nic = await rows.get(conn, VmNic, request.vm_nic_uuid, scope_of(call), lock=None)
        found = await store.eips_for(conn, nic.uuid, MAX_CANDIDATES)
    return await shown(call, Eip, found)
