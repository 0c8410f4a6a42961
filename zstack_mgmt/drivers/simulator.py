"""A hypervisor that is always at hand: its domains are rows, its actions immediate, its faults intended.

Its tables stand for the memory of real hosts, so each action is committed by itself: what a killed worker had
done stays done.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import (
    Capacity,
    Console,
    ConsoleKind,
    Disk,
    Domain,
    DriverError,
    Endpoint,
    Host,
    HostLost,
    Power,
)
from zstack_mgmt.drivers.screen import Screen, serve_line

Connect = Callable[[], AbstractAsyncContextManager[Connection]]

DEFAULT_CPUS = 1_000_000_000  # as on the product, where a simulated host is never the limit
DEFAULT_MEMORY = 1024**4  # bytes
_FIRST_PORT = 5900


class Simulator:
    """The driver of simulated hosts. `connect` lends a connection to our own database."""

    def __init__(self, connect: Connect, latency_s: float) -> None:
        self._connect = connect
        self._latency_s = latency_s

    async def capacity(self, host: Host) -> Capacity:
        async with self._acting(host, None, "capacity"):
            return Capacity(1, DEFAULT_CPUS, DEFAULT_MEMORY)

    async def define(self, host: Host, domain: Domain, token: str) -> None:
        async with self._acting(host, domain.vm_uuid, "define") as conn:
            await _define(conn, host, domain, starts=False)

    async def start(self, host: Host, domain: Domain, token: str) -> None:
        if self._latency_s == 0:
            async with self._connect() as conn:
                if await _define(conn, host, domain, starts=True, unless_faulty=True):
                    return
        async with self._acting(host, domain.vm_uuid, "define", "start") as conn:
            await _define(conn, host, domain, starts=True)

    async def stop(self, host: Host, vm_uuid: str, token: str, *, hard: bool) -> None:
        async with self._acting(host, vm_uuid, "stop") as conn:
            await _forget(conn, host, vm_uuid)

    async def destroy(self, host: Host, vm_uuid: str, token: str) -> None:
        async with self._acting(host, vm_uuid, "destroy") as conn:
            await _forget(conn, host, vm_uuid)

    async def reboot(self, host: Host, vm_uuid: str, token: str) -> None:
        async with self._acting(host, vm_uuid, "reboot") as conn:
            await _switch(conn, host, vm_uuid, "Running", token)

    async def pause(self, host: Host, vm_uuid: str, token: str) -> None:
        async with self._acting(host, vm_uuid, "pause") as conn:
            await _switch(conn, host, vm_uuid, "Paused")

    async def resume(self, host: Host, vm_uuid: str, token: str) -> None:
        async with self._acting(host, vm_uuid, "resume") as conn:
            await _switch(conn, host, vm_uuid, "Running")

    async def snapshot(self, host: Host, vm_uuid: str, disk: Disk, snapshot_uuid: str, token: str) -> None:
        async with self._acting(host, vm_uuid, "snapshot") as conn:
            await conn.execute(
                """
                INSERT INTO simulator_snapshots (snapshot_uuid, volume_uuid) VALUES ($1, $2)
                ON CONFLICT DO NOTHING
                """,
                snapshot_uuid,
                disk.volume_uuid,
            )

    async def delete_snapshot(
        self, host: Host, vm_uuid: str, disk: Disk, snapshot_uuid: str, token: str
    ) -> None:
        async with self._acting(host, vm_uuid, "delete_snapshot") as conn:
            await conn.execute("DELETE FROM simulator_snapshots WHERE snapshot_uuid = $1", snapshot_uuid)

    async def console_endpoint(self, host: Host, vm_uuid: str) -> Endpoint:
        async with self._acting(host, vm_uuid, "console_endpoint") as conn:
            domains = await _domains(conn, host)
        running = sorted(uuid for uuid, power in domains.items() if power != "Stopped")
        if vm_uuid not in running:
            raise DriverError(f"the VM {vm_uuid} does not run on the host {host.uuid}")
        return Endpoint("vnc", host.management_ip, _FIRST_PORT + running.index(vm_uuid))

    async def open_console(self, host: Host, vm_uuid: str, kind: ConsoleKind) -> Console:
        """A screen or a line of our own, in this process; no port is opened for it."""

        async def describe() -> Sequence[str] | None:
            async with self._connect() as conn:
                return await _description(conn, host, vm_uuid)

        async with self._acting(host, vm_uuid, "open_console") as conn:
            if await _description(conn, host, vm_uuid) is None:
                raise DriverError(f"the VM {vm_uuid} does not run on the host {host.uuid}")
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        far = await asyncio.open_connection(sock=theirs)
        serving = Screen(*far, describe).serve() if kind == "vnc" else serve_line(*far, describe)
        return Console(reader, writer, asyncio.ensure_future(serving))

    async def list(self, host: Host) -> Mapping[str, Power]:
        async with self._acting(host, None, "list") as conn:
            return await _domains(conn, host)

    @asynccontextmanager
    async def _acting(self, host: Host, vm_uuid: str | None, *actions: str) -> AsyncGenerator[Connection]:
        """A connection for the actions, after their time; or the failure that a fault asks for."""
        delay_s, failure = self._latency_s * len(actions), None
        async with self._connect() as conn:
            faults = await conn.fetch(
                "SELECT * FROM simulator_faults_for($1, $2, $3)", actions, host.uuid, vm_uuid
            )
            if not faults and delay_s == 0:
                yield conn
                return
        for fault in faults:
            delay_s += fault["latency_s"]
            if fault["lost"]:
                failure = HostLost(fault["error"] or f"the host {host.uuid} does not answer")
            elif fault["error"] is not None:
                failure = failure or DriverError(fault["error"])
        await asyncio.sleep(delay_s)
        if failure is not None:
            raise failure
        async with self._connect() as conn:
            yield conn


async def _define(
    conn: Connection, host: Host, domain: Domain, *, starts: bool, unless_faulty: bool = False
) -> bool:
    """Keep the domain, and power it on; that is not flushed, as the job's end, which is, comes after it.

    Args:
        unless_faulty: False, and nothing is done, when there are faults on purpose.
    """
    done = await conn.fetchval(
        """
        INSERT INTO simulator_domains AS d
            (host_uuid, vm_uuid, name, cpu_num, memory_size, disks, nics, power, starts)
        SELECT $1, $2, $3, $4, $5, $6, $7, CASE WHEN $8 THEN 'Running' ELSE 'Stopped' END, $8::int
        FROM (SELECT set_config('synchronous_commit', 'off', true)) AS unflushed
        WHERE NOT ($9 AND EXISTS (SELECT FROM simulator_faults))
        ON CONFLICT (host_uuid, vm_uuid) DO UPDATE SET
            name = excluded.name, cpu_num = excluded.cpu_num, memory_size = excluded.memory_size,
            disks = excluded.disks, nics = excluded.nics,
            starts = d.starts + ($8 AND d.power = 'Stopped')::int,
            power = CASE WHEN $8 AND d.power = 'Stopped' THEN 'Running' ELSE d.power END
        RETURNING true
        """,
        host.uuid,
        domain.vm_uuid,
        domain.name,
        domain.cpu_num,
        domain.memory_size,
        [disk.volume_uuid for disk in domain.disks],
        [nic.mac for nic in domain.nics],
        starts,
        unless_faulty,
    )
    return bool(done)


async def _switch(conn: Connection, host: Host, vm_uuid: str, power: Power, token: str | None = None) -> None:
    """Give a domain that runs another power; a new token says that it was really powered on for it."""
    known = await conn.fetchval(
        """
        UPDATE simulator_domains SET power = $3, token = coalesce($4, token),
               starts = starts + ($4::text IS NOT NULL AND token IS DISTINCT FROM $4)::int
        WHERE host_uuid = $1 AND vm_uuid = $2 AND power <> 'Stopped' RETURNING true
        """,
        host.uuid,
        vm_uuid,
        power,
        token,
    )
    if not known:
        raise DriverError(f"the VM {vm_uuid} does not run on the host {host.uuid}")


async def _forget(conn: Connection, host: Host, vm_uuid: str) -> None:
    await conn.execute(
        "DELETE FROM simulator_domains WHERE host_uuid = $1 AND vm_uuid = $2", host.uuid, vm_uuid
    )


async def _description(conn: Connection, host: Host, vm_uuid: str) -> list[str] | None:
    """What the console of a domain tells of it; None when it does not run."""
    row = await conn.fetchrow(
        """
        SELECT name, power, cpu_num, memory_size, starts FROM simulator_domains
        WHERE host_uuid = $1 AND vm_uuid = $2 AND power <> 'Stopped'
        """,
        host.uuid,
        vm_uuid,
    )
    if row is None:
        return None
    return [
        row["name"],
        vm_uuid,
        f"{row['power']}, starts: {row['starts']}",
        f"CPUs: {row['cpu_num']}   memory: {row['memory_size'] >> 20} MiB",
        "A simulated VM: it has no guest.",
    ]


async def _domains(conn: Connection, host: Host) -> dict[str, Power]:
    rows = await conn.fetch("SELECT vm_uuid, power FROM simulator_domains WHERE host_uuid = $1", host.uuid)
    return {row["vm_uuid"]: row["power"] for row in rows}
