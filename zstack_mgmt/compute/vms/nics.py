"""The APIs that give a VM NICs and take them, and the one that shows its console."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from zstack_mgmt.compute.networks.store import l2_is_in_cluster
from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.create import add_nic, usable_l3
from zstack_mgmt.compute.vms.model import Vm, VmInstance
from zstack_mgmt.compute.vms.outside import Site, site_of_vm
from zstack_mgmt.compute.vms.power import check_state
from zstack_mgmt.core.errors import InvalidArgument, OperationError, ResourceNotFound, VmStateRefused
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.requests import UuidRequest
from zstack_mgmt.core.values import Reference
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import Domain, DriverError, Endpoint, derived_uuid
from zstack_mgmt.engine.outside import Direct, Outside
from zstack_mgmt.identity.sharing.owners import found, scope_of

JAVA = "org.zstack.header.vm"
MAX_NICS = 8
job = partial(api, mode="job", access="user", java=JAVA, category="instance")


class AttachL3NetworkToVm(ApiRequest):
    """Give a VM a NIC on another network, at once if it runs.

    Source: ZStack's VM API.
    """

    vm_instance_uuid: Reference
    l3_network_uuid: Reference


@job(
    AttachL3NetworkToVm,
    http="POST /v1/vm-instances/{vmInstanceUuid}/l3-networks/{l3NetworkUuid}",
    returns=VmInstance,
    raises=(ResourceNotFound, InvalidArgument, OperationError, VmStateRefused),
    outside=True,
    exclusive=("vm_instance_uuid",),
    shared=("l3_network_uuid",),
)
async def attach_l3_network_to_vm(call: Call, work: Outside, request: AttachL3NetworkToVm) -> VmInstance:
    uuid, nic_uuid = request.vm_instance_uuid, derived_uuid(work.token, "nic")
    async with work.transaction() as conn:
        vm = found(await store.lock_vm(conn, uuid, scope_of(call)), "VM", uuid)
        present = await store.nics_of(conn, uuid)
        if nic_uuid not in {nic.uuid for nic in present}:
            check_state(vm, "attach")
            l3 = await usable_l3(conn, call, request.l3_network_uuid)
            if l3.uuid in {nic.l3_network_uuid for nic in present}:
                raise InvalidArgument(f"the VM has a NIC on the L3 network {l3.uuid} already")
            if len(present) >= MAX_NICS:
                raise OperationError(f"a VM has at most {MAX_NICS} NICs")
            if vm.zone_uuid not in (None, l3.zone_uuid):
                raise InvalidArgument(f"the L3 network {l3.uuid} is in another zone")
            if vm.cluster_uuid is not None and not await l2_is_in_cluster(
                conn, l3.l2_network_uuid, vm.cluster_uuid
            ):
                raise OperationError(f"the L2 network of {l3.uuid} is not attached to the VM's cluster")
            device = 1 + max((nic.device_id for nic in present), default=-1)
            await add_nic(conn, nic_uuid, uuid, l3, device, vm.account_uuid)
            if not present:
                await store.update_vm(conn, uuid, None, None, None, l3.uuid)
        domain = await store.domain_of(conn, uuid)
        site = await live_site(conn, call, work, vm)
    try:
        await apply_domain(site, domain, work.token)
    except OperationError:
        async with work.transaction() as conn:
            await store.delete_nic(conn, nic_uuid)
        raise
    async with work.transaction() as conn:
        found(await store.lock_vm(conn, uuid, None), "VM", uuid)
        return await store.get_vm(conn, uuid)


class DetachL3NetworkFromVm(ApiRequest):
    """Take a NIC from its VM, at once if it runs. Its address is free again.

    Source: ZStack's VM API.
    """

    vm_nic_uuid: Reference


@job(
    DetachL3NetworkFromVm,
    http="DELETE /v1/vm-instances/nics/{vmNicUuid}",
    returns=VmInstance,
    raises=(ResourceNotFound, OperationError, VmStateRefused),
    outside=True,
)
async def detach_l3_network_from_vm(call: Call, work: Outside, request: DetachL3NetworkFromVm) -> VmInstance:
    nic_uuid = request.vm_nic_uuid
    told = None  # the VM as it was when its hypervisor was told
    while True:
        async with work.transaction() as conn:
            nic = found(await store.get_nic(conn, nic_uuid, scope_of(call)), "NIC", nic_uuid)
            uuid = nic.vm_instance_uuid
            vm = found(await store.lock_vm(conn, uuid, None), "VM", uuid)
            # Again, because it may have another owner since we waited for the VM.
            found(await store.get_nic(conn, nic_uuid, scope_of(call)), "NIC", nic_uuid)
            check_state(vm, "attach")
            site = await live_site(conn, call, work, vm)
            if site is None or vm == told:
                await store.delete_nic(conn, nic.uuid)
                return await store.get_vm(conn, uuid)
            whole = await store.domain_of(conn, uuid)
        told, kept = vm, tuple(device for device in whole.nics if device.mac != nic.mac)
        await apply_domain(site, replace(whole, nics=kept), work.token)


async def live_site(conn: Connection, call: Call, work: Outside, vm: Vm) -> Site | None:
    """The site of a VM whose hypervisor must learn of a change now; None when the next start will do."""
    if vm.state not in ("Running", "Paused"):
        return None
    return await site_of_vm(conn, call.services, vm, work.transaction)


async def apply_domain(site: Site | None, domain: Domain, token: str) -> None:
    """Tell the hypervisor of the changed devices; raises OperationError."""
    try:
        if site is not None:
            await site.call(lambda driver, host: driver.define(host, domain, token))
    except DriverError as failure:
        raise OperationError(str(failure)) from None


class GetVmConsoleAddress(UuidRequest):
    """Where the hypervisor offers the console of a VM that runs. Clients reach it through a console proxy.

    Source: ZStack's VM API.
    """


@api(
    GetVmConsoleAddress,
    http="GET /v1/vm-instances/{uuid}/console-addresses",
    mode="sync",
    access="user",
    java=JAVA,
    category="instance",
    is_read=True,
    response_key="",
    raises=(ResourceNotFound, OperationError),
    outside=True,
)
async def get_vm_console_address(call: Call, work: Direct, request: GetVmConsoleAddress) -> dict[str, Any]:
    endpoint = await console_endpoint(call, work, request.uuid)
    return {"hostIp": endpoint.host, "port": endpoint.port, "protocol": endpoint.scheme}


async def console_endpoint(call: Call, work: Direct | Outside, uuid: str) -> Endpoint:
    """Where the console of the caller's VM listens.

    Raises:
        ResourceNotFound: the caller owns no such VM.
        OperationError: it does not run, or its host does not say.
    """
    async with work.transaction() as conn:
        vm = found(await store.lock_vm(conn, uuid, scope_of(call)), "VM", uuid)
        if vm.state not in ("Running", "Paused"):
            raise OperationError(f"the VM {uuid} is {vm.state}; its console needs it Running")
        site = await site_of_vm(conn, call.services, vm, work.transaction)
    try:
        if site is None:
            raise DriverError("the VM's host is gone")
        return await site.call(lambda driver, host: driver.console_endpoint(host, uuid))
    except DriverError as failure:
        raise OperationError(str(failure)) from None
