"""The APIs of volume snapshots."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from zstack_mgmt.compute.vms.outside import Site, site_of_vm
from zstack_mgmt.compute.vms.power import check_state
from zstack_mgmt.compute.volumes import snapshots
from zstack_mgmt.compute.volumes.attaching import lock_with_vm
from zstack_mgmt.compute.volumes.events import SnapshotChange, SnapshotKind, tell_snapshot
from zstack_mgmt.compute.volumes.model import VolumeSnapshot, disk_of
from zstack_mgmt.core.errors import (
    DuplicateResource,
    OperationError,
    QuotaExceeded,
    ResourceNotFound,
    VmStateRefused,
)
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.requests import DeleteRequest, UpdateRequest
from zstack_mgmt.core.values import Description, Reference, ResourceName, ResourceUuid
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import Driver, DriverError, Host, derived_uuid
from zstack_mgmt.drivers.registry import driver_of
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.identity.sharing.owners import found, scope_of, tag

job = partial(
    api, mode="job", access="user", java="org.zstack.header.storage.snapshot", category="volumeSnapshot"
)


class CreateVolumeSnapshot(ApiRequest):
    """Keep the present content of a volume. The snapshot belongs to the volume's owner.

    Source: ZStack's volume snapshot API.
    """

    volume_uuid: Reference
    name: ResourceName
    description: Description | None = None
    resource_uuid: ResourceUuid | None = None


@job(
    CreateVolumeSnapshot,
    http="POST /v1/volumes/{volumeUuid}/volume-snapshots",
    java="org.zstack.header.volume",
    returns=VolumeSnapshot,
    raises=(ResourceNotFound, OperationError, QuotaExceeded, DuplicateResource, VmStateRefused),
    outside=True,
)
async def create_volume_snapshot(call: Call, work: Outside, request: CreateVolumeSnapshot) -> VolumeSnapshot:
    uuid = request.resource_uuid or derived_uuid(work.token, "snapshot")
    async with work.transaction() as conn:
        vm, owned = await lock_with_vm(conn, request.volume_uuid, scope_of(call))
        if vm is not None:
            check_state(vm, "snapshot")
        site = None if vm is None else await site_of_vm(conn, call.services, vm, work.transaction)
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
    disk = disk_of(owned.volume)
    try:
        await _do(call, work, site, lambda d, h: d.snapshot(h, vm and vm.uuid, disk, uuid, work.token))
    except OperationError:
        async with work.transaction() as conn:
            await snapshots.delete_snapshot(conn, uuid)
        raise
    async with work.transaction() as conn:
        row = found(await snapshots.lock_snapshot(conn, uuid, None), "snapshot", uuid)
        snapshot = await snapshots.finish_snapshot(conn, uuid)
        await tell_snapshot(conn, _change(snapshot, row["account_uuid"], "created"))
        return snapshot


async def _do(
    call: Call, work: Outside, site: Site | None, action: Callable[[Driver, Host | None], Awaitable[None]]
) -> None:
    """Act on a disk where its VM is, or on the simulated storage if it has none; raises OperationError."""
    try:
        if site is None:
            await action(driver_of(call.services, "Simulator", work.transaction), None)
        else:
            await site.call(action)
    except DriverError as failure:
        raise OperationError(str(failure)) from None


def _change(snapshot: VolumeSnapshot, account_uuid: str, kind: SnapshotKind) -> SnapshotChange:
    return SnapshotChange(
        snapshot_uuid=snapshot.uuid,
        name=snapshot.name,
        account_uuid=account_uuid,
        volume_uuid=snapshot.volume_uuid,
        size=snapshot.size,
        kind=kind,
    )


class UpdateVolumeSnapshot(UpdateRequest):
    """Change a snapshot's name or description.

    Source: ZStack's volume snapshot API.
    """


@job(
    UpdateVolumeSnapshot,
    http="PUT /v1/volume-snapshots/{uuid}/actions",
    returns=VolumeSnapshot,
    raises=(ResourceNotFound,),
)
async def update_volume_snapshot(
    call: Call, conn: Connection, request: UpdateVolumeSnapshot
) -> VolumeSnapshot:
    found(await snapshots.lock_snapshot(conn, request.uuid, scope_of(call)), "snapshot", request.uuid)
    return await snapshots.update_snapshot(conn, request.uuid, request.name, request.description)


class DeleteVolumeSnapshot(DeleteRequest):
    """Drop a snapshot; those made after it stay. One that is gone is no error.

    Source: ZStack's volume snapshot API.
    """


@job(
    DeleteVolumeSnapshot,
    http="DELETE /v1/volume-snapshots/{uuid}",
    raises=(ResourceNotFound, OperationError),
    outside=True,
)
async def delete_volume_snapshot(call: Call, work: Outside, request: DeleteVolumeSnapshot) -> None:
    uuid = request.uuid_of("snapshot")
    async with work.transaction() as conn:
        vm, disk = None, None
        volume_uuid = await snapshots.volume_of(conn, uuid)
        if volume_uuid is not None:
            vm, owned = await lock_with_vm(conn, volume_uuid, None)
            disk = disk_of(owned.volume)
        row = await snapshots.lock_snapshot(conn, uuid, scope_of(call))
        if row is None:
            return
        if row["status"] == "Creating":
            raise OperationError(f"the snapshot {uuid} is still being made")
        await snapshots.set_status(conn, uuid, "Deleting", work.token)
        site = None if vm is None else await site_of_vm(conn, call.services, vm, work.transaction)
    try:
        if disk is not None:
            await _do(
                call, work, site, lambda d, h: d.delete_snapshot(h, vm and vm.uuid, disk, uuid, work.token)
            )
    except OperationError:
        async with work.transaction() as conn:
            await snapshots.set_status(conn, uuid, "Ready", None)
        raise
    async with work.transaction() as conn:
        row = await snapshots.lock_snapshot(conn, uuid, None)
        if row is not None:
            snapshot = VolumeSnapshot.from_row(row)
            await snapshots.delete_snapshot(conn, uuid)
            await tell_snapshot(conn, _change(snapshot, row["account_uuid"], "deleted"))
