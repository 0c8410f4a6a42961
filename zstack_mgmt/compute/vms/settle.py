"""Bringing rows and hypervisors together again: after dead jobs, lost hosts, and deleted ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from zstack_mgmt.compute.hosts import store as hosts
from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.cascade import put_away
from zstack_mgmt.compute.vms.create import undo
from zstack_mgmt.compute.vms.model import TRANSIT
from zstack_mgmt.compute.vms.outside import briefly, destroy_or_note, site_of, site_of_vm
from zstack_mgmt.core.registry import Services
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import DriverError, HostLost, Power
from zstack_mgmt.drivers.simulator import Transaction

_AT_ONCE = 16
_BATCH = 200


async def check_hosts(services: Services, transaction: Transaction) -> None:
    """Ask the hosts whose turn it is for a sign of life and for their VMs."""
    async with transaction() as conn:
        due = await hosts.due_hosts(conn, services.settings.host_check_s, _BATCH)
    await _host_by_host(due, lambda login: check_host(services, transaction, login))


async def check_host(services: Services, transaction: Transaction, login: Any) -> bool:
    """Ask one host; its status and its VMs become what it says. True when it answered."""
    domains: Mapping[str, Power] | None = None
    try:
        site = briefly(site_of(services, login, transaction))
        domains = await site.call(lambda driver, host: driver.list(host))
    except DriverError:
        pass
    async with transaction() as conn:
        if domains is None:
            await _host_lost(conn, login["host_uuid"])
        else:
            await _host_answers(conn, login["host_uuid"], domains, login["asked_at"])
    return domains is not None


async def _host_lost(conn: Connection, host_uuid: str) -> None:
    """The host is Disconnected; of its VMs nobody knows anything."""
    await hosts.update_host(conn, host_uuid, status="Disconnected")
    for uuid in await store.vms_on(conn, host_uuid, ("Running", "Paused")):
        vm = await store.lock_vm(conn, uuid, None)
        if vm is not None and vm.host_uuid == host_uuid and vm.state in ("Running", "Paused"):
            await store.set_state(conn, vm, "Unknown", "host-lost", None)


async def _host_answers(
    conn: Connection, host_uuid: str, domains: Mapping[str, Power], asked_at: datetime
) -> None:
    """The host is Connected. What changed since it was asked is left alone, since its answer is older."""
    await hosts.update_host(conn, host_uuid, status="Connected")
    for uuid in await store.changed_there(conn, host_uuid, domains, asked_at):
        vm = await store.lock_vm(conn, uuid, None)
        if vm is None or vm.host_uuid != host_uuid or vm.state not in ("Running", "Paused", "Unknown"):
            continue
        reason = "host-found" if vm.state == "Unknown" else "settled"
        await store.set_state(conn, vm, domains.get(uuid, "Stopped"), reason, None)
    for uuid in await store.elsewhere(conn, host_uuid, list(domains), asked_at):
        await hosts.note_stray(conn, uuid, host_uuid)


async def destroy_strays(services: Services, transaction: Transaction) -> None:
    """Have hosts destroy the domains that should not be there."""
    async with transaction() as conn:
        due = await hosts.due_strays(conn, _BATCH)
    await _host_by_host(due, lambda login: _destroy_stray(services, transaction, login))


async def _destroy_stray(services: Services, transaction: Transaction, login: Any) -> bool:
    vm_uuid = login["vm_uuid"]
    async with transaction() as conn:
        wanted = await store.is_on(conn, vm_uuid, login["host_uuid"])
    if not wanted:
        try:
            site = briefly(site_of(services, login, transaction))
            await site.call(lambda driver, host: driver.destroy(host, vm_uuid, vm_uuid))
        except DriverError as failure:
            return not isinstance(failure, HostLost)
    async with transaction() as conn:
        await hosts.forget_stray(conn, vm_uuid, login["host_uuid"])
    return True


async def _host_by_host(rows: Sequence[Any], act: Callable[[Any], Awaitable[bool]]) -> None:
    """Act on each row, on many hosts at once; a host that does not answer is left alone until the next time.

    Args:
        rows: with `host_uuid`.
        act: whether the host has answered.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(mine: Sequence[Any]) -> None:
        async with gate:
            for row in mine:
                if not await act(row):
                    return

    by_host = {row["host_uuid"]: [r for r in rows if r["host_uuid"] == row["host_uuid"]] for row in rows}
    await asyncio.gather(*(one(mine) for mine in by_host.values()))


async def settle_abandoned(services: Services, transaction: Transaction) -> None:
    """Settle VMs that are between two states although no job works on them any more.

    Their jobs were canceled, ran past their deadline, or killed every worker that took them.
    """
    async with transaction() as conn:
        found = await store.abandoned_vms(conn, _BATCH)
    await _host_by_host(found, lambda row: _settle(services, transaction, row))


async def _settle(services: Services, transaction: Transaction, row: Any) -> bool:
    """Bring one VM to rest; whether its host has answered."""
    uuid, job_uuid, created = row["uuid"], row["job_uuid"], row["created"]
    async with transaction() as conn:
        vm = await store.lock_vm(conn, uuid, None)
        if vm is None or vm.job_uuid != job_uuid or vm.state not in TRANSIT.values():
            return True
        site = await site_of_vm(conn, services, vm, transaction)
    site = None if site is None else briefly(site)
    power = None if site is None else await site.power(uuid)
    answers = site is None or power is not None
    ends = (
        created or vm.state in ("Destroying", "Stopping") or (vm.state == "Starting" and power == "Stopped")
    )
    if site is not None and ends:
        await destroy_or_note(site, uuid, job_uuid or uuid, transaction)
        power = "Stopped"
    async with transaction() as conn:
        now = await store.lock_vm(conn, uuid, None)
        if now is None or now.job_uuid != job_uuid or now.state != vm.state:
            return answers
        if created:
            await undo(conn, now)
        elif vm.state == "Destroying":
            await put_away(conn, now, None)
        else:
            rest = power or ("Unknown" if site is not None else "Stopped")
            await store.set_state(conn, now, rest, "settled", None)
    return answers
