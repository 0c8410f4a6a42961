"""What a hypervisor must be able to do for us, and the values that pass between.

Every call is idempotent: repeated after a crash, with the same token, it leaves what one call leaves. No call
is made inside a transaction.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, Protocol

Power = Literal["Running", "Paused", "Stopped"]
ConsoleKind = Literal["vnc", "serial"]
"""A screen that speaks RFB, or a line of text."""


class DriverError(Exception):
    """The hypervisor refused or failed; the message is for the client."""


class HostLost(DriverError):
    """The host does not answer; what became of the action is unknown."""


@dataclass(frozen=True, slots=True)
class Host:
    """Where a hypervisor is, and how to get in."""

    uuid: str
    hypervisor_type: str
    management_ip: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ssh_port: int | None = None


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a host has."""

    cpu_sockets: int
    cpu_num: int
    memory_size: int  # bytes


@dataclass(frozen=True, slots=True)
class Disk:
    """A volume as a domain sees it."""

    volume_uuid: str
    path: str
    format: str
    size: int  # bytes
    device_id: int


@dataclass(frozen=True, slots=True)
class Nic:
    """A NIC as a domain sees it."""

    mac: str
    bridge: str
    device_id: int


@dataclass(frozen=True, slots=True)
class Domain:
    """A VM as a hypervisor should run it."""

    vm_uuid: str
    name: str
    cpu_num: int
    memory_size: int  # bytes
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the console of a running VM listens."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Console:
    """An open connection to a console, in the loop that asked for it. Whoever has it closes it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    serving: asyncio.Future[None] | None = None  # our side of the far end, where that is ours

    async def close(self) -> None:
        """Hang up; nothing that it had is left."""
        self.writer.close()
        with suppress(OSError):  # the far end was quicker
            await self.writer.wait_closed()
        if self.serving is not None:
            await asyncio.wait([self.serving])


class Driver(Protocol):
    """One kind of hypervisor. `token` names the job.

    A method raises DriverError or HostLost and nothing else, so that its errors are not taken for others'.
    """

    async def capacity(self, host: Host) -> Capacity:
        """What the host has; also tells that it answers."""
        ...

    async def define(self, host: Host, domain: Domain, token: str) -> None:
        """Make the host know the domain as it should be.

        A running one gets and loses disks and NICs at once.
        """
        ...

    async def start(self, host: Host, domain: Domain, token: str) -> None:
        """Define a domain and power it on; one that runs already goes on."""
        ...

    async def stop(self, host: Host, vm_uuid: str, token: str, *, hard: bool) -> None:
        """Power it off, softly unless `hard`, and forget it; an unknown one is no error."""
        ...

    async def reboot(self, host: Host, vm_uuid: str, token: str) -> None:
        """Restart its guest, once for each token."""
        ...

    async def pause(self, host: Host, vm_uuid: str, token: str) -> None:
        """Halt its CPUs."""
        ...

    async def resume(self, host: Host, vm_uuid: str, token: str) -> None:
        """Let its CPUs run again."""
        ...

    async def destroy(self, host: Host, vm_uuid: str, token: str) -> None:
        """Power it off at once and forget it; an unknown one is no error."""
        ...

    async def snapshot(self, host: Host, vm_uuid: str, disk: Disk, snapshot_uuid: str, token: str) -> None:
        """Keep the present content of a disk of the VM."""
        ...

    async def delete_snapshot(
        self, host: Host, vm_uuid: str, disk: Disk, snapshot_uuid: str, token: str
    ) -> None:
        """Drop a kept content; an unknown one is no error."""
        ...

    async def console_endpoint(self, host: Host, vm_uuid: str) -> Endpoint:
        """Where its console listens."""
        ...

    async def open_console(self, host: Host, vm_uuid: str, kind: ConsoleKind) -> Console:
        """Connect to its console."""
        ...

    async def list(self, host: Host) -> Mapping[str, Power]:
        """The domains of the host; also tells that it answers."""
        ...


def derived_uuid(token: str, purpose: str) -> str:
    """The uuid of something that a job makes, the same each time the job runs.

    >>> derived_uuid("job", "vm") == derived_uuid("job", "vm")
    True
    """
    digits = hashlib.sha256(f"{token} {purpose}".encode()).hexdigest()
    return f"{digits[:12]}4{digits[13:16]}a{digits[17:32]}"
