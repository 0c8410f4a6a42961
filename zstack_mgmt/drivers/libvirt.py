"""The driver of real hypervisors, through libvirt. It needs the optional extra `libvirt`.

libvirt's calls block, so each runs in a thread of the driver's own, with a connection for itself, and a host
has a few threads at most: one that hangs holds up no other. No thread waits for a guest. A domain bears the
VM's uuid as its name, lives on one host, and is undefined there when the VM stops.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from typing import Any, Protocol, TypeVar
from xml.etree import ElementTree as ET

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

T = TypeVar("T")
_NAMESPACE = "urn:zstack-mgmt:job"
_SOFT_STOP_S = 40.0
_UNPLUG_S = 5.0  # that a guest has to let go of a device, after the five that libvirt gives it
_LOOK_AGAIN_S = 0.5
_THREADS_PER_HOST = 4
_THREADS = 512
_LINES = 128  # serial consoles of one process; each has two threads, one for each direction


def _load() -> Any:
    try:
        libvirt: Any = import_module("libvirt")
    except ImportError:
        raise DriverError(
            "KVM hosts need libvirt-python: install the extra `libvirt`, or set KVM_DRIVER=simulator"
        ) from None
    libvirt.registerErrorHandler(_ignore, None)
    return libvirt


def _ignore(_context: Any, _error: Any) -> None:
    """libvirt's own report of an error, which is raised as well."""


class Hypervisor(Protocol):
    """What is used of libvirt's connections, which come without types."""

    def getInfo(self) -> list[Any]: ...
    def getType(self) -> str: ...
    def getCapabilities(self) -> str: ...
    def lookupByName(self, name: str) -> Any: ...
    def listAllDomains(self, flags: int) -> list[Any]: ...
    def defineXML(self, xml: str) -> Any: ...
    def newStream(self, flags: int) -> Any: ...
    def close(self) -> int: ...


class Libvirt:
    """The driver of hosts with libvirt.

    Args:
        uri: of a host, with the places `{username}`, `{ip}` and `{port}`.
        virt_type: of new domains: `kvm`, `qemu` for emulation, `auto` for the best that the host offers.
        soft_stop_s: that a guest has to shut itself down, before its power is cut.

    Raises:
        DriverError: libvirt-python is not installed.
    """

    def __init__(self, uri: str, virt_type: str = "auto", soft_stop_s: float = _SOFT_STOP_S) -> None:
        self._uri = uri
        self._virt_type = virt_type
        self._soft_stop_s = soft_stop_s
        self._libvirt = _load()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="libvirt")
        self._turns: dict[str, asyncio.Semaphore] = {}  # of each host
        self._line_threads = ThreadPoolExecutor(2 * _LINES, thread_name_prefix="serial")
        self._lines = 0  # that are open

    async def capacity(self, host: Host) -> Capacity:
        def ask(conn: Hypervisor) -> Capacity:
            _, memory_mib, cpus, _, _, sockets, _, _ = conn.getInfo()
            return Capacity(sockets, cpus, memory_mib * 1024**2)

        return await self._run(host, ask)

    async def define(self, host: Host, domain: Domain, token: str) -> None:
        def keep(conn: Hypervisor) -> set[str]:
            held = self._surplus(conn, domain)
            if not held:
                self._keep(conn, host, domain)
            return held

        def change(conn: Hypervisor) -> set[str]:
            self._plug(conn, domain)
            return keep(conn)

        loop = asyncio.get_running_loop()
        held, until = await self._run(host, change), loop.time() + _UNPLUG_S
        while held:
            if loop.time() > until:
                raise DriverError(f"the guest does not let go of the {', the '.join(sorted(held))}")
            await asyncio.sleep(_LOOK_AGAIN_S)
            held = await self._run(host, keep)

    async def start(self, host: Host, domain: Domain, token: str) -> None:
        def act(conn: Hypervisor) -> None:
            known = self._find(conn, domain.vm_uuid)
            if known is not None and known.isActive():
                return
            kept = self._keep(conn, host, domain)
            try:
                kept.create()
            except self._libvirt.libvirtError:
                if not kept.isActive():  # else a worker that was killed had asked for it, and now it runs
                    raise

        await self._run(host, act)

    async def stop(self, host: Host, vm_uuid: str, token: str, *, hard: bool) -> None:
        def shut_down(conn: Hypervisor) -> None:
            domain = self._find(conn, vm_uuid)
            if domain is not None and domain.isActive():
                domain.shutdown()

        def runs(conn: Hypervisor) -> bool:
            domain = self._find(conn, vm_uuid)
            return domain is not None and bool(domain.isActive())

        if not hard:
            await self._run(host, shut_down)
            for _ in range(int(self._soft_stop_s / _LOOK_AGAIN_S)):
                if not await self._run(host, runs):
                    break
                await asyncio.sleep(_LOOK_AGAIN_S)
        await self.destroy(host, vm_uuid, token)

    async def reboot(self, host: Host, vm_uuid: str, token: str) -> None:
        def act(conn: Hypervisor) -> None:
            domain = self._get(conn, vm_uuid)
            if self._token_of(domain) == token:
                return
            domain.reboot(0)
            # Written afterwards: a worker that dies in between reboots the guest twice rather than never.
            element = self._libvirt.VIR_DOMAIN_METADATA_ELEMENT
            domain.setMetadata(element, f"<job token='{token}'/>", "zstack", _NAMESPACE, 0)

        await self._run(host, act)

    async def pause(self, host: Host, vm_uuid: str, token: str) -> None:
        def act(conn: Hypervisor) -> None:
            domain = self._get(conn, vm_uuid)
            if self._power_of(domain) == "Running":
                domain.suspend()

        await self._run(host, act)

    async def resume(self, host: Host, vm_uuid: str, token: str) -> None:
        def act(conn: Hypervisor) -> None:
            domain = self._get(conn, vm_uuid)
            if self._power_of(domain) == "Paused":
                domain.resume()

        await self._run(host, act)

    async def destroy(self, host: Host, vm_uuid: str, token: str) -> None:
        def act(conn: Hypervisor) -> None:
            domain = self._find(conn, vm_uuid)
            if domain is not None:
                self._remove(domain)

        await self._run(host, act)

    async def snapshot(self, host: Host, vm_uuid: str, disk: Disk, snapshot_uuid: str, token: str) -> None:
        """An internal snapshot of the whole domain: a running guest's disks and memory belong together."""

        def act(conn: Hypervisor) -> None:
            domain = self._get(conn, vm_uuid)
            if snapshot_uuid not in domain.snapshotListNames(0):
                domain.snapshotCreateXML(f"<domainsnapshot><name>{snapshot_uuid}</name></domainsnapshot>", 0)

        await self._run(host, act)

    async def delete_snapshot(
        self, host: Host, vm_uuid: str, disk: Disk, snapshot_uuid: str, token: str
    ) -> None:

        def act(conn: Hypervisor) -> None:
            domain = self._get(conn, vm_uuid)
            if snapshot_uuid in domain.snapshotListNames(0):
                domain.snapshotLookupByName(snapshot_uuid, 0).delete(0)

        await self._run(host, act)

    async def console_endpoint(self, host: Host, vm_uuid: str) -> Endpoint:
        def ask(conn: Hypervisor) -> Endpoint:
            graphics = ET.fromstring(self._get(conn, vm_uuid).XMLDesc(0)).find("./devices/graphics")  # noqa: S314
            port = -1 if graphics is None else int(graphics.get("port", "-1"))
            if port < 0:
                raise DriverError(f"the VM {vm_uuid} has no console")
            return Endpoint("vnc", host.management_ip, port)

        return await self._run(host, ask)

    async def open_console(self, host: Host, vm_uuid: str, kind: ConsoleKind) -> Console:
        if kind == "serial":
            return await self._open_serial(host, vm_uuid)
        endpoint = await self.console_endpoint(host, vm_uuid)
        try:
            return Console(*await asyncio.open_connection(endpoint.host, endpoint.port))
        except OSError as error:
            raise HostLost(
                f"the console at {endpoint.host}:{endpoint.port} does not answer: {error}"
            ) from None

    async def list(self, host: Host) -> Mapping[str, Power]:
        def ask(conn: Hypervisor) -> dict[str, Power]:
            powers: dict[str, Power] = {}
            for domain in conn.listAllDomains(0):
                try:
                    powers[domain.name()] = self._power_of(domain)
                except self._libvirt.libvirtError as error:
                    if not self._is_gone(error):  # else it went while we looked
                        raise
            return powers

        return await self._run(host, ask)

    async def _open_serial(self, host: Host, vm_uuid: str) -> Console:
        """The guest's first serial line, over the connection to libvirt. Whoever had it before loses it."""
        if self._lines >= _LINES:
            raise DriverError(f"{_LINES} serial consoles are open already")
        self._lines += 1
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(self._threads, self._line, host, vm_uuid)
        try:
            conn, stream = await asyncio.shield(opening)
        except BaseException:
            self._lines -= 1
            opening.add_done_callback(_hang_up)
            raise
        ours, theirs = socket.socketpair()
        both = (
            loop.run_in_executor(self._line_threads, self._from_guest, stream, theirs),
            loop.run_in_executor(self._line_threads, self._to_guest, stream, theirs),
        )

        async def serve() -> None:
            await asyncio.wait(both)  # the end of one ends the other
            theirs.close()
            conn.close()
            self._lines -= 1

        serving = asyncio.ensure_future(serve())
        return Console(*await asyncio.open_connection(sock=ours), serving)

    def _line(self, host: Host, vm_uuid: str) -> tuple[Hypervisor, Any]:
        try:
            conn: Hypervisor = self._open(host)
        except self._libvirt.libvirtError as error:
            raise HostLost(f"the host {host.management_ip} cannot be reached: {error}") from None
        try:
            stream: Any = conn.newStream(0)
            self._get(conn, vm_uuid).openConsole(None, stream, self._libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        except self._libvirt.libvirtError as error:
            conn.close()
            raise DriverError(f"libvirt: {error}") from None
        except DriverError:
            conn.close()
            raise
        return conn, stream

    def _from_guest(self, stream: Any, line: socket.socket) -> None:
        with suppress(self._libvirt.libvirtError, OSError):
            while data := stream.recv(4096):
                line.sendall(data)
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    def _to_guest(self, stream: Any, line: socket.socket) -> None:
        with suppress(self._libvirt.libvirtError, OSError):
            while data := line.recv(4096):
                while data:
                    data = data[stream.send(data) :]
        with suppress(self._libvirt.libvirtError):
            stream.abort()

    async def _run(self, host: Host, act: Callable[[Hypervisor], T]) -> T:
        """Run the calls in a thread. The host's turn is over when they are, even if nobody waits any more."""
        turn = self._turns.setdefault(host.uuid, asyncio.Semaphore(_THREADS_PER_HOST))
        await turn.acquire()
        try:
            running = asyncio.get_running_loop().run_in_executor(self._threads, self._act, host, act)
        except BaseException:
            turn.release()
            raise
        running.add_done_callback(lambda _: turn.release())
        return await asyncio.shield(running)

    def _act(self, host: Host, act: Callable[[Hypervisor], T]) -> T:
        try:
            conn: Hypervisor = self._open(host)
        except (self._libvirt.libvirtError, OSError) as error:
            raise HostLost(f"the host {host.management_ip} cannot be reached: {error}") from None
        try:
            return act(conn)
        except self._libvirt.libvirtError as error:
            lost = error.get_error_domain() in (self._libvirt.VIR_FROM_RPC, self._libvirt.VIR_FROM_REMOTE)
            raise (HostLost if lost else DriverError)(f"libvirt: {error}") from None
        except OSError as error:  # a timeout too
            raise HostLost(f"the host {host.management_ip} was lost: {error}") from None
        finally:
            conn.close()

    def _open(self, host: Host) -> Any:
        uri = self._uri.format(
            username=host.username or "root", ip=host.management_ip, port=host.ssh_port or 22
        )
        if host.password is None:
            return self._libvirt.open(uri)
        kinds = [self._libvirt.VIR_CRED_PASSPHRASE, self._libvirt.VIR_CRED_NOECHOPROMPT]

        def answer(credentials: Any, password: str) -> int:
            for credential in credentials:
                credential[4] = password
            return 0

        return self._libvirt.openAuth(uri, [kinds, answer, host.password], 0)

    def _find(self, conn: Hypervisor, vm_uuid: str) -> Any:
        try:
            return conn.lookupByName(vm_uuid)
        except self._libvirt.libvirtError as error:
            if self._is_gone(error):
                return None
            raise

    def _is_gone(self, error: Any) -> bool:
        return error.get_error_code() == self._libvirt.VIR_ERR_NO_DOMAIN

    def _get(self, conn: Hypervisor, vm_uuid: str) -> Any:
        domain = self._find(conn, vm_uuid)
        if domain is None:
            raise DriverError(f"the host knows no VM {vm_uuid}")
        return domain

    def _remove(self, domain: Any) -> None:
        if domain.isActive():
            domain.destroy()
        if domain.isPersistent():
            # A snapshot's content stays in the image; only the host's note of it goes.
            domain.undefineFlags(self._libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)

    def _power_of(self, domain: Any) -> Power:
        state, _ = domain.state()
        if state in (self._libvirt.VIR_DOMAIN_PAUSED, self._libvirt.VIR_DOMAIN_PMSUSPENDED):
            return "Paused"
        return "Running" if domain.isActive() else "Stopped"

    def _token_of(self, domain: Any) -> str | None:
        try:
            text = domain.metadata(self._libvirt.VIR_DOMAIN_METADATA_ELEMENT, _NAMESPACE, 0)
        except self._libvirt.libvirtError:  # it has none
            return None
        return ET.fromstring(text).get("token")  # noqa: S314 (we wrote it)

    def _keep(self, conn: Hypervisor, host: Host, domain: Domain) -> Any:
        """Make the host know the domain as it should be from its next start on."""
        kind = virtualisation(conn) if self._virt_type == "auto" else self._virt_type
        return conn.defineXML(domain_xml(domain, kind, host.management_ip))

    def _plug(self, conn: Hypervisor, wanted: Domain) -> None:
        """Give a running domain the devices that it lacks, and ask it for those that it should not have."""
        domain = self._find(conn, wanted.vm_uuid)
        if domain is None or not domain.isActive():
            return
        present = {key_of(device): device for device in devices_in(domain.XMLDesc(0))}
        target = {key_of(device): device for device in devices_of(wanted)}
        live = self._libvirt.VIR_DOMAIN_AFFECT_LIVE
        for key in sorted(target.keys() - present.keys()):
            domain.attachDeviceFlags(ET.tostring(target[key], "unicode"), live)
        for key in sorted(present.keys() - target.keys()):
            domain.detachDeviceFlags(ET.tostring(present[key], "unicode"), live)

    def _surplus(self, conn: Hypervisor, wanted: Domain) -> set[str]:
        """The devices that a running domain should not have, and has until its guest lets go of them."""
        domain = self._find(conn, wanted.vm_uuid)
        if domain is None or not domain.isActive():
            return set()
        return {key_of(device) for device in devices_in(domain.XMLDesc(0))} - {
            key_of(device) for device in devices_of(wanted)
        }


def _hang_up(opening: asyncio.Future[tuple[Hypervisor, Any]]) -> None:
    """Close a connection that came too late."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].close()


def virtualisation(conn: Hypervisor) -> str:
    """The kind of domain that the host runs best."""
    if conn.getType() == "Test":
        return "test"
    return "kvm" if "<domain type='kvm'" in conn.getCapabilities() else "qemu"


def domain_xml(domain: Domain, kind: str, listen: str) -> str:
    """The domain as libvirt describes one."""
    root = ET.Element("domain", type=kind)
    _text(root, "name", domain.vm_uuid)
    _text(root, "uuid", domain.vm_uuid)
    _text(root, "title", "".join(c for c in domain.name if c.isprintable()))
    _text(root, "memory", str(domain.memory_size // 1024), unit="KiB")
    _text(root, "vcpu", str(domain.cpu_num))
    system = ET.SubElement(root, "os")
    _text(system, "type", "hvm")
    features = ET.SubElement(root, "features")
    ET.SubElement(features, "acpi")
    _text(root, "on_reboot", "restart")
    devices = ET.SubElement(root, "devices")
    devices.extend(devices_of(domain))
    graphics = ET.SubElement(devices, "graphics", type="vnc", port="-1", autoport="yes")
    ET.SubElement(graphics, "listen", type="address", address=listen)
    for name in ("serial", "console"):  # of one line
        ET.SubElement(devices, name, type="pty")
    return ET.tostring(root, "unicode")


def devices_of(domain: Domain) -> list[ET.Element]:
    """The disks and NICs of a domain."""
    devices: list[ET.Element] = []
    for disk in domain.disks:
        element = ET.Element("disk", type="file", device="disk")
        ET.SubElement(element, "driver", name="qemu", type=disk.format)
        ET.SubElement(element, "source", file=disk.path)
        ET.SubElement(element, "target", dev=disk_name(disk.device_id), bus="virtio")
        _text(element, "serial", disk.volume_uuid)
        devices.append(element)
    for nic in domain.nics:
        element = ET.Element("interface", type="bridge")
        ET.SubElement(element, "mac", address=nic.mac)
        ET.SubElement(element, "source", bridge=nic.bridge)
        ET.SubElement(element, "model", type="virtio")
        devices.append(element)
    return devices


def disk_name(device_id: int) -> str:
    """What a guest calls its disk: letters that count like the columns of a spreadsheet.

    >>> disk_name(0), disk_name(25), disk_name(26), disk_name(701), disk_name(702)
    ('vda', 'vdz', 'vdaa', 'vdzz', 'vdaaa')
    """
    letters = ""
    while device_id >= 0:
        device_id, letter = device_id // 26 - 1, device_id % 26
        letters = chr(ord("a") + letter) + letters
    return f"vd{letters}"


def devices_in(xml: str) -> list[ET.Element]:
    """The disks and NICs in a description by libvirt."""
    root = ET.fromstring(xml)  # noqa: S314 (from the hypervisor, over an authenticated connection)
    return root.findall("./devices/disk") + root.findall("./devices/interface")


def key_of(device: ET.Element) -> str:
    """What tells a disk or a NIC from others: the volume or the MAC."""
    if device.tag == "disk":
        return f"disk {device.findtext('serial')}"
    mac = device.find("mac")
    return f"nic {'' if mac is None else mac.get('address')}"


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text
