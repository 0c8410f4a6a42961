"""Power actions: start, stop, reboot, pause, resume."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from zstack_mgmt.compute.placement.sites import Site, site_of
from zstack_mgmt.compute.steps import Done, Evicted, Plan, Report, run_step
from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.model import TRANSIT, Vm, VmInstance
from zstack_mgmt.core.errors import ApiError, OperationError, VmError
from zstack_mgmt.core.registry import Call, Services
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import Domain, Driver, Host, Power
from zstack_mgmt.drivers.simulator import Connect
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.resources.owners import scope_of


@dataclass(frozen=True, slots=True)
class Action:
    """A power action: its name, the state it leads to, the error that wraps its failures, and the calls."""

    name: Literal["start", "stop", "reboot", "pause", "resume"]
    final: Literal["Running", "Stopped", "Paused"]
    wrap: type[VmError]
    act: Callable[[Driver, Host, Domain, str], Awaitable[None]]  # the text is the job's token


def site_of_vm(services: Services, vm: Vm, connect: Connect) -> Site | None:
    """The site that a VM is on, or was last; None when it never had one or the host is gone."""
    return None if vm.host is None else site_of(services, vm.host, connect)


async def run_action(
    call: Call,
    work: Outside,
    uuid: str,
    action: Action,
    place: Callable[[Connection, Vm], Awaitable[Vm]] | None = None,
) -> VmInstance:
    """Run a power action on the caller's VM and return it as it is afterwards.

    Args:
        place: begins it for a VM that comes to a host by that.

    Raises:
        ResourceNotFound: the caller owns no such VM.
        VmError: `action.wrap` with the cause; the VM is in the state that its hypervisor reports.
    """

    async def switch(conn: Connection, vm: Vm) -> Vm:
        return await store.set_state(conn, vm, TRANSIT[action.name], action.name, work.token)

    async def intend(conn: Connection) -> Plan[Domain] | Done[VmInstance]:
        vm = await store.get_vm(conn, uuid, scope_of(call))
        if vm.job_uuid != work.token:
            vm.check_state(action.name, action.wrap)
            if vm.state == action.final == "Stopped":
                return Done(vm.inventory)
            try:
                vm = await (place or switch)(conn, vm)
            except OperationError as error:
                raise action.wrap(error.details, error) from None
        elif vm.state != TRANSIT[action.name]:
            return Done(vm.inventory)
        return Plan(site_of_vm(call.services, vm, work.connection), vm.domain())

    async def look(site: Site, domain: Domain) -> Power | None:
        power = await site.power(uuid)
        if action.name != "start" or power == "Running":
            return power
        await site.forget(uuid, work.token)
        return "Stopped"

    async def conclude(conn: Connection, _: Domain, report: Report) -> VmInstance | ApiError | Evicted:
        if report.failure is not None:
            vm = await store.lock_vm(conn, uuid)
            if vm is not None and vm.job_uuid == work.token:
                await store.set_state(conn, vm, report.value or "Unknown", "settled", None)
            return _wrapped(action, str(report.failure))
        if action.final == "Stopped":
            vm = await store.get_vm(conn, uuid)
            if vm.job_uuid == work.token:
                vm = await store.set_state(conn, vm, action.final, action.name, work.token)
        else:
            vm = await store.pass_on(conn, uuid, work.token, TRANSIT[action.name], action.final, action.name)
        if vm.state == action.final:
            return vm.inventory
        return Evicted(
            uuid,
            action.wrap(
                "the VM's host was deleted meanwhile", OperationError(f"the VM {uuid} is {vm.state}")
            ),
        )

    return await run_step(
        work,
        intend,
        lambda driver, host, domain: action.act(driver, host, domain, work.token),
        conclude,
        after_failure=look,
        # A VM that stops gives back its host's room and its owner's quota.
        row=None if action.final == "Stopped" else uuid,
    )


def _wrapped(action: Action, details: str) -> ApiError:
    return action.wrap(details, OperationError(details))


async def begin_start(
    conn: Connection,
    call: Call,
    vm: Vm,
    job_uuid: str,
    host_uuid: str | None = None,
    cluster_uuid: str | None = None,
) -> Vm:
    """The VM as it is Starting on a host; the host's room is taken, and then the owner's quota.

    Raises:
        QuotaExceeded: ID.1003.
        OperationError: no host will do, or has room.
    """
    vm = await store.place(
        conn, vm, TRANSIT["start"], "start", job_uuid, host_uuid=host_uuid, cluster_uuid=cluster_uuid
    )
    size = vm.inventory
    wanted = {"vm.num": 1, "vm.cpuNum": size.cpu_num, "vm.memorySize": size.memory_size}
    await reserve(conn, vm.account_uuid, wanted, is_admin=call.is_admin, charged=True)
    return vm
