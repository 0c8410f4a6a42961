"""Bringing rows and hypervisors together again: after dead jobs, lost hosts, and deleted ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from zstack_mgmt.compute.placement import store as hosts
from zstack_mgmt.compute.placement.sites import site_of
from zstack_mgmt.compute.steps import Done, Plan, Report, run_step
from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.lifecycle import put_away, undo_creation
from zstack_mgmt.compute.vms.model import TRANSIT, Vm
from zstack_mgmt.compute.vms.power import site_of_vm
from zstack_mgmt.core.registry import Services
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import Driver, DriverError, Host, HostLost, Power
from zstack_mgmt.drivers.simulator import Connect

R = TypeVar("R")
_AT_ONCE = 16
_BATCH = 200


async def check_hosts(services: Services, transaction: Connect) -> None:
    """Ask the hosts whose turn it is for a sign of life and for their VMs."""
    async with transaction() as conn:
        due = await hosts.due_hosts(conn, services.settings.host_check_s, _BATCH)
    await _host_by_host(due, lambda row: check_host(services, transaction, row))


async def check_host(services: Services, transaction: Connect, row: Any) -> bool:
    """Ask one host; its status and its VMs become what it says. True when it answered.

    What changed since it was asked is left alone, since its answer is older. The VMs of a host that does not
    answer are Unknown.
    """
    uuid, powers = row["uuid"], None
    try:
        site = site_of(services, row, transaction).briefly()
        powers = await site.call(lambda driver, host: driver.list(host))
    except DriverError:
        pass
    async with transaction() as conn:
        await hosts.set_status(conn, uuid, "Disconnected" if powers is None else "Connected")
        for vm_uuid in await store.differing_vms(conn, uuid, powers, row["asked_at"]):
            await _believe(conn, uuid, vm_uuid, powers)
        for vm_uuid in await store.misplaced_vms(conn, uuid, list(powers or ()), row["asked_at"]):
            await hosts.note_stray(conn, vm_uuid, uuid)
    return powers is not None


async def _believe(
    conn: Connection, host_uuid: str, vm_uuid: str, powers: Mapping[str, Power] | None
) -> None:
    vm = await store.lock_vm(conn, vm_uuid)
    if vm is None or vm.host_uuid != host_uuid or vm.state not in ("Running", "Paused", "Unknown"):
        return
    if powers is None:
        await store.set_state(conn, vm, "Unknown", "host-lost", None)
    else:
        reason = "host-found" if vm.state == "Unknown" else "settled"
        await store.set_state(conn, vm, powers.get(vm_uuid, "Stopped"), reason, None)


async def destroy_strays(services: Services, transaction: Connect) -> None:
    """Have hosts destroy the domains that should not be there."""
    async with transaction() as conn:
        due = await hosts.due_strays(conn, _BATCH)
    await _host_by_host(due, lambda row: _destroy_stray(services, transaction, row))


async def _destroy_stray(services: Services, transaction: Connect, row: Any) -> bool:
    vm_uuid = row["vm_uuid"]
    async with transaction() as conn:
        wanted = await store.is_on(conn, vm_uuid, row["uuid"])
    if not wanted:
        try:
            site = site_of(services, row, transaction).briefly()
            await site.call(lambda driver, host: driver.destroy(host, vm_uuid, vm_uuid))
        except DriverError as failure:
            return not isinstance(failure, HostLost)
    async with transaction() as conn:
        await hosts.forget_stray(conn, vm_uuid, row["uuid"])
    return True


async def _host_by_host(rows: Sequence[Any], act: Callable[[Any], Awaitable[bool]]) -> None:
    """Act on each row, on many hosts at once; a host that does not answer is left alone until the next time.

    Args:
        rows: with the host's `uuid`.
        act: whether the host has answered.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(mine: Sequence[Any]) -> None:
        async with gate:
            for row in mine:
                if not await act(row):
                    return

    by_host = {row["uuid"]: [other for other in rows if other["uuid"] == row["uuid"]] for row in rows}
    await asyncio.gather(*(one(mine) for mine in by_host.values()))


@dataclass(frozen=True, slots=True)
class _Chore:
    """What a step needs of a periodic task."""

    token: str
    transaction: Connect

    async def begin(self, intend: Callable[[Connection], Awaitable[R]]) -> R:
        async with self.transaction() as conn:
            return await intend(conn)

    async def end(self, conclude: Callable[[Connection], Awaitable[R]], row: str | None = None) -> R:
        return await self.begin(conclude)

    def at(self, host_uuid: str) -> AbstractAsyncContextManager[None]:
        return nullcontext()


async def settle_abandoned(services: Services, transaction: Connect) -> None:
    """Settle VMs that are between two states although no job works on them any more.

    Their jobs were canceled, ran past their deadline, or killed every worker that took them.
    """
    async with transaction() as conn:
        rows = await store.abandoned_vms(conn, _BATCH)
    await _host_by_host(rows, lambda row: _settle(services, transaction, row))


async def _settle(services: Services, transaction: Connect, row: Any) -> bool:
    """Bring one VM to rest; whether its host has answered."""
    uuid, job_uuid, created = row["vm_uuid"], row["job_uuid"], row["created"]
    token = job_uuid or uuid

    async def intend(conn: Connection) -> Plan[Vm] | Done[bool]:
        vm = await store.lock_vm(conn, uuid)
        if vm is None or vm.job_uuid != job_uuid or vm.state not in TRANSIT.values():
            return Done(value=True)
        site = site_of_vm(services, vm, transaction)
        return Plan(site and site.briefly(), vm)

    async def act(driver: Driver, host: Host, vm: Vm) -> Power:
        power = (await driver.list(host)).get(uuid, "Stopped")
        if created or vm.state in ("Destroying", "Stopping") or (vm.state, power) == ("Starting", "Stopped"):
            await driver.destroy(host, uuid, token)
            return "Stopped"
        return power

    async def conclude(conn: Connection, before: Vm, report: Report) -> bool:
        answered = not isinstance(report.failure, HostLost)
        vm = await store.lock_vm(conn, uuid)
        if vm is None or vm.job_uuid != job_uuid or vm.state != before.state:
            return answered
        ends = created or vm.state in ("Destroying", "Stopping")
        if report.failure is not None and ends:
            await hosts.note_stray(conn, uuid, None if before.host is None else before.host["uuid"])
        if created:
            await undo_creation(conn, vm)
        elif vm.state == "Destroying":
            await put_away(conn, vm, None)
        elif report.failure is not None and not ends:
            await store.set_state(conn, vm, "Unknown", "settled", None)
        else:
            await store.set_state(conn, vm, report.value or "Stopped", "settled", None)
        return answered

    return await run_step(_Chore(token, transaction), intend, act, conclude)
