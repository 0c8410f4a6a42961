"""The APIs of volume snapshots."""

from __future__ import annotations

from typing import Any

from zstack_mgmt.drivers.protocol import DriverError, derived_uuid
from zstack_mgmt.drivers.registry import driver_of
from zstack_mgmt.errors import (
    DuplicateResource,
    OperationError,
    QuotaExceeded,
    ResourceNotFound,
    VmStateRefused,
)
from zstack_mgmt.jobs.outside import Outside
from zstack_mgmt.quotas.usage import reserve
from zstack_mgmt.registry import ApiRequest, Call, api
from zstack_mgmt.sharing.owners import found, scope_of, tag
from zstack_mgmt.values import DeleteMode, Description, Reference, ResourceName, ResourceUuid, is_uuid
from zstack_mgmt.vms import store as vms
from zstack_mgmt.vms.outside import Site, site_of_vm
from zstack_mgmt.vms.power import check_state
from zstack_mgmt.volumes import snapshots, store
from zstack_mgmt.volumes.events import SnapshotChange, SnapshotKind, tell_snapshot
from zstack_mgmt.volumes.model import OwnedVolume, VolumeSnapshot, disk_of


class CreateVolumeSnapshot(ApiRequest):
    """Keep the present content of a volume. The snapshot belongs to the volume's owner.

    Source: ZStack's volume snapshot API.
    """

    volume_uuid: Reference
    name: ResourceName
    description: Description | None = None
    resource_uuid: ResourceUuid | None = None


@api(
    CreateVolumeSnapshot,
    http="POST /v1/volumes/{volumeUuid}/volume-snapshots",
    mode="job",
    access="user",
    java="org.zstack.header.volume",
    category="volumeSnapshot",
    returns=VolumeSnapshot,
    raises=(ResourceNotFound, OperationError, QuotaExceeded, DuplicateResource, VmStateRefused),
    outside=True,
)
async def create_volume_snapshot(call: Call, work: Outside, request: CreateVolumeSnapshot) -> VolumeSnapshot:
    uuid = request.resource_uuid or derived_uuid(work.token, "snapshot")
    async with work.transaction() as conn:
        site, vm_uuid, owned = await _reach(conn, call, work, request.volume_uuid)
        row = await snapshots.lock_snapshot(conn, uuid, None)
        if row is None or row["job_uuid"] != work.token:
            if owned.volume.status != "Ready":
                raise OperationError(f"the volume is {owned.volume.status}; a snapshot needs it Ready")
            await reserve(conn, owned.account_uuid, {"snapshot.volume.num": 1}, is_admin=call.is_admin)
            await snapshots.insert_snapshot(
                conn, uuid, request.name, request.description, owned.volume, owned.account_uuid, work.token
            )
            await tag(conn, uuid, request)
        elif row["status"] == "Ready":
            return VolumeSnapshot.from_row(row)
    try:
        disk = disk_of(owned.volume)
        if site is None:
            driver = driver_of(call.services, "Simulator", work.transaction)
            await driver.snapshot(None, None, disk, uuid, work.token)
        else:
            await site.call(lambda driver, host: driver.snapshot(host, vm_uuid, disk, uuid, work.token))
    except DriverError as failure:
        async with work.transaction() as conn:
            await snapshots.delete_snapshot(conn, uuid)
        raise OperationError(str(failure)) from None
    async with work.transaction() as conn:
        await snapshots.lock_snapshot(conn, uuid, None)
        snapshot = await snapshots.finish_snapshot(conn, uuid)
        await tell_snapshot(conn, _change(snapshot, owned.account_uuid, "created"))
        return snapshot


async def _reach(
    conn: Any, call: Call, work: Outside, volume_uuid: str
) -> tuple[Site | None, str | None, OwnedVolume]:
    """The caller's volume, the VM that uses it, and where that is."""
    owned = found(await store.lock_volume(conn, volume_uuid, scope_of(call)), "volume", volume_uuid)
    vm_uuid = owned.volume.vm_instance_uuid
    if vm_uuid is None:
        return None, None, owned
    vm = found(await vms.lock_vm(conn, vm_uuid, None), "VM", vm_uuid)
    check_state(vm, "snapshot")
    return await site_of_vm(conn, call.services, vm, work.transaction), vm_uuid, owned


def _change(snapshot: VolumeSnapshot, account_uuid: str, kind: SnapshotKind) -> SnapshotChange:
    return SnapshotChange(
        snapshot_uuid=snapshot.uuid,
        name=snapshot.name,
        account_uuid=account_uuid,
        volume_uuid=snapshot.volume_uuid,
        size=snapshot.size,
        kind=kind,
    )


class UpdateVolumeSnapshot(ApiRequest):
    """Change a snapshot's name or description.

    Source: ZStack's volume snapshot API.
    """

    uuid: Reference
    name: ResourceName | None = None
    description: Description | None = None


@api(
    UpdateVolumeSnapshot,
    http="PUT /v1/volume-snapshots/{uuid}/actions",
    mode="job",
    access="user",
    java="org.zstack.header.storage.snapshot",
    category="volumeSnapshot",
    returns=VolumeSnapshot,
    raises=(ResourceNotFound,),
)
async def update_volume_snapshot(call: Call, conn: Any, request: UpdateVolumeSnapshot) -> VolumeSnapshot:
    found(await snapshots.lock_snapshot(conn, request.uuid, scope_of(call)), "snapshot", request.uuid)
    return await snapshots.update_snapshot(conn, request.uuid, request.name, request.description)


class DeleteVolumeSnapshot(ApiRequest):
    """Drop a snapshot; those made after it stay. One that is gone is no error.

    Source: ZStack's volume snapshot API.
    """

    uuid: Reference
    delete_mode: DeleteMode = "Permissive"


@api(
    DeleteVolumeSnapshot,
    http="DELETE /v1/volume-snapshots/{uuid}",
    mode="job",
    access="user",
    java="org.zstack.header.storage.snapshot",
    category="volumeSnapshot",
    raises=(ResourceNotFound, OperationError),
    outside=True,
)
async def delete_volume_snapshot(call: Call, work: Outside, request: DeleteVolumeSnapshot) -> None:
    uuid = request.uuid
    if not is_uuid(uuid):
        raise ResourceNotFound(f"no snapshot has the uuid {uuid}")
    async with work.transaction() as conn:
        row = await snapshots.lock_snapshot(conn, uuid, scope_of(call))
        if row is None:
            return
        await snapshots.set_status(conn, uuid, "Deleting", work.token)
        site, vm_uuid, disk = None, None, None
        if row["volume_uuid"] is not None:
            owned = found(
                await store.lock_volume(conn, row["volume_uuid"], None), "volume", row["volume_uuid"]
            )
            disk, vm_uuid = disk_of(owned.volume), owned.volume.vm_instance_uuid
            vm = None if vm_uuid is None else await vms.lock_vm(conn, vm_uuid, None)
            site = None if vm is None else await site_of_vm(conn, call.services, vm, work.transaction)
    try:
        if site is not None and disk is not None:
            await site.call(
                lambda driver, host: driver.delete_snapshot(host, vm_uuid, disk, uuid, work.token)
            )
        elif disk is not None:
            driver = driver_of(call.services, "Simulator", work.transaction)
            await driver.delete_snapshot(None, None, disk, uuid, work.token)
    except DriverError as failure:
        async with work.transaction() as conn:
            await snapshots.set_status(conn, uuid, "Ready", None)
        raise OperationError(str(failure)) from None
    async with work.transaction() as conn:
        row = await snapshots.lock_snapshot(conn, uuid, None)
        if row is not None:
            snapshot = VolumeSnapshot.from_row(row)
            await snapshots.delete_snapshot(conn, uuid)
            await tell_snapshot(conn, _change(snapshot, row["account_uuid"], "deleted"))
