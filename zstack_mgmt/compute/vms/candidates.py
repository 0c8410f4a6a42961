"""What a VM can get, and where a new one would be: the rules of the actions, asked and not acted on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from zstack_mgmt.compute.networks.model import L3Network
from zstack_mgmt.compute.storages.model import PrimaryStorage
from zstack_mgmt.compute.vms import attachable
from zstack_mgmt.compute.vms.devices import MAX_DATA_VOLUMES, MAX_NICS
from zstack_mgmt.compute.vms.model import ALLOWED, VmInstance
from zstack_mgmt.compute.volumes.model import Volume
from zstack_mgmt.core.errors import ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import ExistingUuid
from zstack_mgmt.db import Connection
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.query.declare import MAX_CANDIDATES, classes, shown
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import check_reference
from zstack_mgmt.resources.owners import scope_of

_PATH = "/v1/vm-instances"
_get = partial(api, mode="sync", access="user", is_read=True, response_key="", outside=True)
_of_vms = partial(_get, java="org.zstack.header.vm", category="instance", raises=(ResourceNotFound,))


class GetDataVolumeAttachableVm(ApiRequest):
    """List the VMs that a data volume can be attached to: of its owner, and with room for a volume.

    A volume that is attached already, or cannot be used, has none.

    Source: ZStack's volume API.
    """

    volume_uuid: ExistingUuid


@_get(
    GetDataVolumeAttachableVm,
    http="GET /v1/volumes/{volumeUuid}/candidate-vm-instances",
    java="org.zstack.header.volume",
    category="volume",
    returns=VmInstance,
    raises=(ResourceNotFound,),
    describe=classes,
)
async def get_data_volume_attachable_vm(call: Call, work: Direct, request: GetDataVolumeAttachableVm) -> Any:
    async with work.connection() as conn:
        volume = await rows.get(conn, Volume, request.volume_uuid, scope_of(call), lock=None)
        found: list[str] = []
        usable = volume.state == "Enabled" and volume.status in ("Ready", "NotInstantiated")
        if volume.type == "Data" and usable and volume.vm_instance_uuid is None:
            found = await attachable.vms_for_volume(
                conn, volume.uuid, ALLOWED["attach"], MAX_DATA_VOLUMES, MAX_CANDIDATES
            )
    return await shown(call, VmInstance, found)


class GetVmAttachableDataVolume(ApiRequest):
    """List the data volumes that can be attached to a VM: of its owner, ready, and attached to
    none.

    Source: ZStack's VM API.
    """

    vm_instance_uuid: ExistingUuid


@_of_vms(
    GetVmAttachableDataVolume,
    http=f"GET {_PATH}/{{vmInstanceUuid}}/data-volume-candidates",
    returns=Volume,
    describe=classes,
)
async def get_vm_attachable_data_volume(call: Call, work: Direct, request: GetVmAttachableDataVolume) -> Any:
    async with work.connection() as conn:
        vm = await rows.get(conn, VmInstance, request.vm_instance_uuid, scope_of(call), lock=None)
        found: list[str] = []
        if vm.state in ALLOWED["attach"] and len(vm.all_volumes) <= MAX_DATA_VOLUMES:
            found = await attachable.volumes_for_vm(conn, vm.uuid, MAX_CANDIDATES)
    return await shown(call, Volume, found)


class GetVmAttachableL3Network(ApiRequest):
    """List the L3 networks on which a VM can get a NIC: the caller may use them, and the VM's place has them.

    Source: ZStack's VM API.
    """

    vm_instance_uuid: ExistingUuid


@_of_vms(
    GetVmAttachableL3Network,
    http=f"GET {_PATH}/{{vmInstanceUuid}}/l3-networks-candidates",
    returns=L3Network,
    describe=classes,
)
async def get_vm_attachable_l3_network(call: Call, work: Direct, request: GetVmAttachableL3Network) -> Any:
    async with work.connection() as conn:
        vm = await rows.get(conn, VmInstance, request.vm_instance_uuid, scope_of(call), lock=None)
        found: list[str] = []
        if vm.state in ALLOWED["attach"] and len(vm.vm_nics) < MAX_NICS:
            found = await attachable.l3s_for_vm(conn, vm.uuid, scope_of(call), MAX_CANDIDATES)
    return await shown(call, L3Network, found)


class GetCandidatePrimaryStoragesForCreatingVm(ApiRequest):
    """List the primary storages that can keep the volumes of a new VM.

    Source: ZStack's VM API.
    """

    image_uuid: ExistingUuid
    l3_network_uuids: Annotated[list[ExistingUuid], Field(min_length=1, max_length=MAX_NICS)]
    root_disk_offering_uuid: ExistingUuid | None = None
    data_disk_offering_uuids: Annotated[list[ExistingUuid], Field(max_length=MAX_DATA_VOLUMES)] = Field([])


def _of_storages(body: Mapping[str, Any]) -> dict[str, str]:
    paths = [f"rootVolumePrimaryStorages[{i}]" for i in range(len(body["rootVolumePrimaryStorages"]))]
    for uuid, storages in body["dataVolumePrimaryStorages"].items():
        paths += [f"dataVolumePrimaryStorages.{uuid}[{i}]" for i in range(len(storages))]
    return dict.fromkeys(paths, PrimaryStorage.meta.java_class)


class CandidateStorages(TypedDict):
    """Primary storages for the root volume, and for the volume of each disk offering."""

    rootVolumePrimaryStorages: list[PrimaryStorage]
    dataVolumePrimaryStorages: dict[str, list[PrimaryStorage]]


@api(
    GetCandidatePrimaryStoragesForCreatingVm,
    http=f"GET {_PATH}/candidate-storages",
    mode="sync",
    access="user",
    java="org.zstack.header.vm",
    category="instance",
    is_read=True,
    response_key="",
    raises=(ResourceNotFound,),
    describe=_of_storages,
)
async def get_candidate_primary_storages(
    call: Call, conn: Connection, request: GetCandidatePrimaryStoragesForCreatingVm
) -> CandidateStorages:
    named = [("Image", request.image_uuid), ("DiskOffering", request.root_disk_offering_uuid)]
    named += [("L3Network", uuid) for uuid in request.l3_network_uuids]
    named += [("DiskOffering", uuid) for uuid in request.data_disk_offering_uuids]
    for kind, uuid in named:
        await check_reference(conn, call, kind, uuid)
    storages = await attachable.storages(conn)
    return {
        "rootVolumePrimaryStorages": storages,
        "dataVolumePrimaryStorages": dict.fromkeys(request.data_disk_offering_uuids, storages),
    }
