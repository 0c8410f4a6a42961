"""Power actions: intent in one transaction, the hypervisor, the outcome in another.

The job's uuid in the row tells a second run of the same job what the first one did: in transit, it goes on at
the hypervisor, whose calls are idempotent; past that, there is nothing left to do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from zstack_mgmt.compute.hosts.placement import choose_host
from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.model import ALLOWED, TRANSIT, Vm, VmInstance
from zstack_mgmt.compute.vms.outside import Site, destroy_or_note, site_of_vm
from zstack_mgmt.core.errors import ApiError, OperationError, VmError, VmStateRefused
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import Domain, Driver, DriverError, Host
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.identity.sharing.owners import found, scope_of

Name = Literal["start", "stop", "reboot", "pause", "resume"]


Do = Callable[[Driver, Host, Domain, str], Awaitable[None]]
"""Calls on a hypervisor; the text is the job's token."""


@dataclass(frozen=True, slots=True)
class Action:
    """A power action: its name, the state it leads to, the error that wraps its failures, the calls."""

    name: Name
    final: Literal["Running", "Stopped", "Paused"]
    wrap: type[VmError]
    do: Do


def check_state(vm: Vm, action: str, wrap: type[VmError] = VmStateRefused) -> None:
    """Refuse what the state does not allow: VM.1010, as the cause of the action's own error."""
    if vm.state in ALLOWED[action]:
        return
    states = ", ".join(sorted(ALLOWED[action]))
    refused = VmStateRefused(f"the VM {vm.uuid} is {vm.state}; {action} needs one of {states}")
    raise refused if wrap is VmStateRefused else wrap(refused.details, refused)


async def run_action(
    call: Call,
    work: Outside,
    uuid: str,
    action: Action,
    prepare: Callable[[Any, Vm], Awaitable[None]] | None = None,
) -> VmInstance:
    """Run a power action on the caller's VM and return it as it is afterwards.

    Args:
        prepare: what the first transaction does besides, before the state changes.

    Raises:
        ResourceNotFound: the caller owns no such VM.
        VmError: `action.wrap` with the cause; the VM is in the state that its hypervisor reports.
    """
    async with work.transaction() as conn:
        vm = found(await store.lock_vm(conn, uuid, scope_of(call)), "VM", uuid)
        mine = vm.job_uuid == work.token
        if mine and vm.state != TRANSIT[action.name]:
            return await store.get_vm(conn, uuid)
        if not mine:
            check_state(vm, action.name, action.wrap)
            if vm.state == action.final and action.name == "stop":
                return await store.get_vm(conn, uuid)
            try:
                if prepare is not None:
                    await prepare(conn, vm)
            except OperationError as error:
                raise action.wrap(error.details, error) from None
            vm = await store.set_state(conn, vm, TRANSIT[action.name], action.name, work.token)
        domain = await store.domain_of(conn, uuid)
        site = await site_of_vm(conn, call.services, vm, work.transaction)
    error = None if site is None else await try_action(site, action.do, domain, work.token)
    if site is not None and error is not None:
        await _settle_failed(work, site, action, uuid)
        raise action.wrap(error.details, error)
    async with work.transaction() as conn:
        vm = found(await store.lock_vm(conn, uuid, None), "VM", uuid)
        if vm.job_uuid == work.token:
            vm = await store.set_state(conn, vm, action.final, action.name, work.token)
        if vm.state == action.final:
            return await store.get_vm(conn, uuid)
    if site is not None:
        await destroy_or_note(site, uuid, work.token, work.transaction)
    raise action.wrap("the VM's host was deleted meanwhile", OperationError(f"the VM {uuid} is {vm.state}"))


async def try_action(site: Site, do: Do, domain: Domain, token: str) -> ApiError | None:
    """Run the calls on the hypervisor; the error, if one failed."""
    try:
        await site.call(lambda driver, host: do(driver, host, domain, token))
    except DriverError as failure:
        return OperationError(str(failure))
    return None


async def _settle_failed(work: Outside, site: Site, action: Action, uuid: str) -> None:
    """Bring the VM into the state that its hypervisor reports, Unknown if that does not answer."""
    power = await site.power(uuid)
    if action.name == "start" and power != "Running":
        await destroy_or_note(site, uuid, work.token, work.transaction)
        power = "Stopped"
    async with work.transaction() as conn:
        vm = await store.lock_vm(conn, uuid, None)
        if vm is not None and vm.job_uuid == work.token:
            await store.set_state(conn, vm, power or "Unknown", "settled", None)


async def prepare_start(
    conn: Connection, call: Call, vm: Vm, *, host_uuid: str | None = None, cluster_uuid: str | None = None
) -> None:
    """Reserve the owner's quota and a host for a VM that is about to start.

    Raises:
        QuotaExceeded: ID.1003.
        OperationError: no host will do, or has room.
    """
    nics = await store.nics_of(conn, vm.uuid)
    host = await choose_host(
        conn,
        vm.uuid,
        vm.cpu_num,
        vm.memory_size,
        [nic.l3_network_uuid for nic in nics],
        host_uuid=host_uuid,
        cluster_uuid=cluster_uuid,
        zone_uuid=vm.zone_uuid,
        hypervisor_type=vm.hypervisor_type,
    )
    wanted = {"vm.num": 1, "vm.cpuNum": vm.cpu_num, "vm.memorySize": vm.memory_size}
    await reserve(conn, vm.account_uuid, wanted, is_admin=call.is_admin)
    await store.place(conn, vm.uuid, host)


async def define_and_start(driver: Driver, host: Host, domain: Domain, token: str) -> None:
    """What starting a VM means on a hypervisor."""
    await driver.define(host, domain, token)
    await driver.start(host, domain.vm_uuid, token)
