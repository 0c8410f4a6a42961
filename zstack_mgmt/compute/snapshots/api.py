"""The APIs of volume snapshots."""

from __future__ import annotations

from dataclasses import replace

from zstack_mgmt.compute.placement.sites import Site, site_of
from zstack_mgmt.compute.snapshots import store
from zstack_mgmt.compute.snapshots.events import tell_snapshot
from zstack_mgmt.compute.snapshots.model import VolumeSnapshot
from zstack_mgmt.compute.steps import Done, Plan, Report, run_step
from zstack_mgmt.compute.vms.devices import lock_with_volume
from zstack_mgmt.compute.vms.model import Vm
from zstack_mgmt.compute.vms.power import site_of_vm
from zstack_mgmt.compute.volumes.model import disk_of
from zstack_mgmt.core.errors import (
    ApiError,
    DuplicateResource,
    OperationError,
    QuotaExceeded,
    ResourceNotFound,
    VmStateRefused,
    existing,
)
from zstack_mgmt.core.registry import Call, api
from zstack_mgmt.core.requests import CreateRequest, DeleteRequest
from zstack_mgmt.core.values import Reference
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import Disk, Driver, Host, derived_uuid
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.owners import own, scope_of
from zstack_mgmt.resources.tags import tag

snapshots = Resource(
    VolumeSnapshot,
    "/v1/volume-snapshots",
    java="org.zstack.header.storage.snapshot",
    category="volumeSnapshot",
    access="user",
    source="ZStack's volume snapshot API",
)


_SIMULATED_STORAGE = {
    "uuid": "",
    "hypervisor_type": "Simulator",
    "management_ip": "",
    "username": None,
    "password": None,
    "ssh_port": None,
}
_Target = tuple[str, Disk]
"""The VM, which may be none, and the disk."""


class CreateVolumeSnapshot(CreateRequest):
    """Keep the present content of a volume. The snapshot belongs to the volume's owner.

    Source: ZStack's volume snapshot API.
    """

    volume_uuid: Reference


@api(
    CreateVolumeSnapshot,
    mode="job",
    access="user",
    category="volumeSnapshot",
    http="POST /v1/volumes/{volumeUuid}/volume-snapshots",
    java="org.zstack.header.volume",
    returns=VolumeSnapshot,
    raises=(ResourceNotFound, OperationError, QuotaExceeded, DuplicateResource, VmStateRefused),
    outside=True,
)
async def create_volume_snapshot(call: Call, work: Outside, request: CreateVolumeSnapshot) -> VolumeSnapshot:
    uuid = request.resource_uuid or derived_uuid(work.token, "snapshot")

    async def intend(conn: Connection) -> Plan[_Target] | Done[VolumeSnapshot]:
        vm, owned = await lock_with_volume(conn, request.volume_uuid, scope_of(call))
        if vm is not None:
            vm.check_state("snapshot")
        known = await store.lock_snapshot(conn, uuid)
        if known is None or known.job_uuid != work.token:
            if owned.volume.status != "Ready":
                raise OperationError(f"the volume is {owned.volume.status}; a snapshot needs it Ready")
            await reserve(conn, owned.account_uuid, {"snapshot.volume.num": 1}, is_admin=call.is_admin)
            await store.insert_snapshot(
                conn, uuid, request.name, request.description, owned.volume, work.token
            )
            await own(conn, owned.account_uuid, uuid)
            await tag(conn, uuid, request)
        elif known.snapshot.status == "Ready":
            return Done(known.snapshot)
        return Plan(_site(call, work, vm), (vm.uuid if vm else "", disk_of(owned.volume)))

    async def act(driver: Driver, host: Host, target: _Target) -> None:
        await driver.snapshot(host, *target, uuid, work.token)

    async def conclude(conn: Connection, _: _Target, report: Report) -> VolumeSnapshot | ApiError:
        if report.failure is not None:
            await store.delete_snapshot(conn, uuid)
            return OperationError(str(report.failure))
        owned = existing(await store.lock_snapshot(conn, uuid), "snapshot", uuid)
        made = replace(owned, snapshot=await store.finish_snapshot(conn, uuid))
        await tell_snapshot(conn, made.change("created"))
        return made.snapshot

    return await run_step(work, intend, act, conclude)


def _site(call: Call, work: Outside, vm: Vm | None) -> Site:
    """Where a disk is: at the host of its VM. Where hosts are simulated, the storage without one is too.

    Raises:
        OperationError: hosts are real, and the disk is on none that could be asked.
    """
    if vm is not None and (site := site_of_vm(call.services, vm, work.connection)) is not None:
        return site
    if call.services.settings.kvm_driver != "simulator":
        raise OperationError("the volume is on no host: attach it to a VM that runs")
    return site_of(call.services, _SIMULATED_STORAGE, work.connection)


class DeleteVolumeSnapshot(DeleteRequest):
    """Drop a snapshot; those made after it stay. One that is gone is no error.

    Source: ZStack's volume snapshot API.
    """


@snapshots.action(
    DeleteVolumeSnapshot,
    "DELETE /v1/volume-snapshots/{uuid}",
    returns=None,
    raises=(ResourceNotFound, OperationError),
    outside=True,
)
async def delete_volume_snapshot(call: Call, work: Outside, request: DeleteVolumeSnapshot) -> None:
    uuid = request.uuid

    async def intend(conn: Connection) -> Plan[_Target | None] | Done[None]:
        target, site = None, None
        volume_uuid = await store.volume_of(conn, uuid)
        vm, volume = (None, None) if volume_uuid is None else await lock_with_volume(conn, volume_uuid, None)
        owned = await store.lock_snapshot(conn, uuid, scope_of(call))
        if owned is None:
            return Done(None)
        if owned.snapshot.status == "Creating":
            raise OperationError(f"the snapshot {uuid} is still being made")
        if volume is not None:  # else its content went with the volume
            target, site = (vm.uuid if vm else "", disk_of(volume.volume)), _site(call, work, vm)
        await store.set_status(conn, uuid, "Deleting", work.token)
        return Plan(site, target)

    async def act(driver: Driver, host: Host, target: _Target | None) -> None:
        if target is not None:
            await driver.delete_snapshot(host, *target, uuid, work.token)

    async def conclude(conn: Connection, _: _Target | None, report: Report) -> ApiError | None:
        if report.failure is not None:
            await store.set_status(conn, uuid, "Ready", None)
            return OperationError(str(report.failure))
        owned = await store.lock_snapshot(conn, uuid)
        if owned is not None:
            await store.delete_snapshot(conn, uuid)
            await tell_snapshot(conn, owned.change("deleted"))
        return None

    await run_step(work, intend, act, conclude)


snapshots.update("Change a snapshot's name or description.")
snapshots.query(access="user")
