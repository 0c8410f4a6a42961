"""A hypervisor that is always at hand: its domains are rows, its actions immediate, its faults intended.

Its tables stand for the memory of real hosts. They are written in short transactions of the simulator's own,
so what a killed worker had done stays done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from zstack_mgmt.drivers.protocol import (
    Capacity,
    Disk,
    Domain,
    DriverError,
    Endpoint,
    Host,
    HostLost,
    Power,
)

Transaction = Callable[[], AbstractAsyncContextManager[Any]]

DEFAULT_CPUS = 1_000_000_000  # as on the product, where a simulated host is never the limit
DEFAULT_MEMORY = 1024**4  # bytes
_FIRST_PORT = 5900


class Simulator:
    """The driver of simulated hosts. `transaction` opens one on our own database."""

    def __init__(self, transaction: Transaction, latency_s: float) -> None:
        self._transaction = transaction
        self._latency_s = latency_s

    async def capacity(self, host: Host) -> Capacity:
        async with self._acting("capacity", host.uuid, None):
            return Capacity(1, DEFAULT_CPUS, DEFAULT_MEMORY)

    async def define(self, host: Host, domain: Domain, token: str) -> None:
        async with self._acting("define", host.uuid, domain.vm_uuid) as conn:
            await conn.execute(
                """
                INSERT INTO simulator_domains (host_uuid, vm_uuid, name, cpu_num, memory_size, disks, nics)
                VALUES ($1, $2, $3, $4, $5, $6, $7)
                ON CONFLICT (host_uuid, vm_uuid) DO UPDATE SET name = excluded.name,
                cpu_num = excluded.cpu_num,
                    memory_size = excluded.memory_size, disks = excluded.disks, nics = excluded.nics
                """,
                host.uuid,
                domain.vm_uuid,
                domain.name,
                domain.cpu_num,
                domain.memory_size,
                [disk.volume_uuid for disk in domain.disks],
                [nic.mac for nic in domain.nics],
            )

    async def start(self, host: Host, vm_uuid: str, token: str) -> None:
        async with self._acting("start", host.uuid, vm_uuid) as conn:
            known = await conn.fetchval(
                """
                UPDATE simulator_domains SET starts = starts + (power = 'Stopped')::int,
                       power = CASE power WHEN 'Stopped' THEN 'Running' ELSE power END
                WHERE host_uuid = $1 AND vm_uuid = $2 RETURNING true
                """,
                host.uuid,
                vm_uuid,
            )
        if not known:
            raise DriverError(f"the host {host.uuid} knows no VM {vm_uuid}")

    async def stop(self, host: Host, vm_uuid: str, token: str, *, hard: bool) -> None:
        await self._forget("stop", host, vm_uuid)

    async def destroy(self, host: Host, vm_uuid: str, token: str) -> None:
        await self._forget("destroy", host, vm_uuid)

    async def reboot(self, host: Host, vm_uuid: str, token: str) -> None:
        async with self._acting("reboot", host.uuid, vm_uuid) as conn:
            known = await conn.fetchval(
                """
                UPDATE simulator_domains SET starts = starts + (token IS DISTINCT FROM $3)::int,
                       power = 'Running', token = $3
                WHERE host_uuid = $1 AND vm_uuid = $2 AND power <> 'Stopped' RETURNING true
                """,
                host.uuid,
                vm_uuid,
                token,
            )
        if not known:
            raise DriverError(f"the VM {vm_uuid} does not run on the host {host.uuid}")

    async def pause(self, host: Host, vm_uuid: str, token: str) -> None:
        await self._switch("pause", host, vm_uuid, "Paused")

    async def resume(self, host: Host, vm_uuid: str, token: str) -> None:
        await self._switch("resume", host, vm_uuid, "Running")

    async def snapshot(
        self, host: Host | None, vm_uuid: str | None, disk: Disk, snapshot_uuid: str, token: str
    ) -> None:
        async with self._acting("snapshot", host and host.uuid, vm_uuid) as conn:
            await conn.execute(
                """
                INSERT INTO simulator_snapshots (snapshot_uuid, volume_uuid) VALUES ($1, $2)
                ON CONFLICT DO NOTHING
                """,
                snapshot_uuid,
                disk.volume_uuid,
            )

    async def delete_snapshot(
        self, host: Host | None, vm_uuid: str | None, disk: Disk, snapshot_uuid: str, token: str
    ) -> None:
        async with self._acting("delete_snapshot", host and host.uuid, vm_uuid) as conn:
            await conn.execute("DELETE FROM simulator_snapshots WHERE snapshot_uuid = $1", snapshot_uuid)

    async def console_endpoint(self, host: Host, vm_uuid: str) -> Endpoint:
        async with self._acting("console_endpoint", host.uuid, vm_uuid) as conn:
            rows = await conn.fetch(
                """
                SELECT vm_uuid FROM simulator_domains WHERE host_uuid = $1 AND power <> 'Stopped'
                ORDER BY vm_uuid
                """,
                host.uuid,
            )
        running = [row["vm_uuid"] for row in rows]
        if vm_uuid not in running:
            raise DriverError(f"the VM {vm_uuid} does not run on the host {host.uuid}")
        return Endpoint("vnc", host.management_ip, _FIRST_PORT + running.index(vm_uuid))

    async def list(self, host: Host) -> Mapping[str, Power]:
        async with self._acting("list", host.uuid, None) as conn:
            rows = await conn.fetch(
                "SELECT vm_uuid, power FROM simulator_domains WHERE host_uuid = $1", host.uuid
            )
        return {row["vm_uuid"]: row["power"] for row in rows}

    async def _switch(self, action: str, host: Host, vm_uuid: str, power: Power) -> None:
        async with self._acting(action, host.uuid, vm_uuid) as conn:
            known = await conn.fetchval(
                """
                UPDATE simulator_domains SET power = $3 WHERE host_uuid = $1 AND vm_uuid = $2
                AND power <> 'Stopped'
                RETURNING true
                """,
                host.uuid,
                vm_uuid,
                power,
            )
        if not known:
            raise DriverError(f"the VM {vm_uuid} does not run on the host {host.uuid}")

    async def _forget(self, action: str, host: Host, vm_uuid: str) -> None:
        async with self._acting(action, host.uuid, vm_uuid) as conn:
            await conn.execute(
                "DELETE FROM simulator_domains WHERE host_uuid = $1 AND vm_uuid = $2", host.uuid, vm_uuid
            )

    @asynccontextmanager
    async def _acting(self, action: str, host_uuid: str | None, vm_uuid: str | None) -> AsyncGenerator[Any]:
        """The transaction of an action, after its time; or the failure that a fault asks for."""
        delay_s, failure = self._latency_s, None
        async with self._transaction() as conn:
            faults = await conn.fetch(
                "SELECT * FROM simulator_faults_for($1, $2, $3)", action, host_uuid, vm_uuid
            )
            if not faults and delay_s == 0:
                yield conn
                return
        for fault in faults:
            delay_s += fault["latency_s"]
            if fault["lost"]:
                failure = HostLost(fault["error"] or f"the host {host_uuid} does not answer")
            elif fault["error"] is not None:
                failure = failure or DriverError(fault["error"])
        await asyncio.sleep(delay_s)
        if failure is not None:
            raise failure
        async with self._transaction() as conn:
            yield conn
