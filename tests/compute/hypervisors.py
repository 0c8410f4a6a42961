"""The hypervisors that the libvirt driver is tested on: libvirt's own imitation, QEMU where it is installed.

LIBVIRT_TEST_URIS, separated by commas, chooses others. QEMU emulates, as test machines have no KVM.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import libvirt  # pyright: ignore[reportMissingImports]

IMITATION, QEMU = "test:///default", "qemu:///system"
BRIDGE = "br_eth0"  # of the small cloud's network
NETWORK = f"<network><name>zstack-test</name><bridge name='{BRIDGE}' stp='off'/></network>"
MIB = 1024**2
_NEEDED = (1 << 12) | (1 << 21)  # CAP_NET_ADMIN, CAP_SYS_ADMIN

libvirt.registerErrorHandler(lambda *_: None, None)


@dataclass
class Hypervisor:
    """One of them, with the connection that keeps the imitation's memory while others come and go."""

    uri: str
    held: Any
    folder: Path
    made: list[Path] = field(default_factory=list)

    @property
    def is_real(self) -> bool:
        return not self.uri.startswith("test:")

    @property
    def virt_type(self) -> str:
        return "qemu" if self.is_real else "auto"

    def domain(self, uuid: str) -> Any:
        return self.held.lookupByName(uuid)

    def disk_file(self, path: str | Path, boot: bytes = b"") -> str:
        """The file of a disk, which whoever runs the hosts has to provide; with a boot sector it boots."""
        if self.is_real:
            path = Path(path)
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            if boot:
                raw = self.folder / "boot.raw"
                raw.write_bytes((boot.ljust(510, b"\0") + b"\x55\xaa").ljust(16 * MIB, b"\0"))
                subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path], check=True)
                raw.unlink()
            else:
                subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "16M"], check=True)
            self.made.append(path)
        return str(path)

    def processes(self, uuid: str) -> int:
        """How many processes run a VM."""
        lines = (_read(path) for path in Path("/proc").glob("[0-9]*/cmdline"))
        return sum(f"guest={uuid},".encode() in line for line in lines)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has just ended
        return b""


def answers(uri: str) -> bool:
    """Whether the hypervisor can be reached."""
    try:
        libvirt.open(uri).close()
    except libvirt.libvirtError:
        return False
    return True


def uris() -> list[str]:
    """Those asked for; else those at hand."""
    if chosen := os.environ.get("LIBVIRT_TEST_URIS"):
        return chosen.split(",")
    installed = all(shutil.which(name) for name in ("libvirtd", "virtlogd", "qemu-img", "qemu-system-x86_64"))
    return [IMITATION, QEMU] if answers(QEMU) or (installed and _may_run_libvirtd()) else [IMITATION]


def _may_run_libvirtd() -> bool:
    """Whether this is a root that may make bridges and mount namespaces; in most containers it may not."""
    status = Path("/proc/self/status").read_text()
    capabilities = int(status.partition("CapEff:")[2].split()[0], 16)
    return Path("/dev/net/tun").exists() and capabilities & _NEEDED == _NEEDED


@contextmanager
def daemons() -> Iterator[None]:
    """libvirt's daemons, where no service manager runs them."""
    with ExitStack() as stack:
        if not answers(QEMU):
            _share_kvm()
            for name in ("virtlogd", "libvirtd"):
                process = stack.enter_context(
                    subprocess.Popen([name, "-f", "/dev/null"], stderr=subprocess.DEVNULL)
                )
                stack.callback(process.terminate)
        until = time.monotonic() + 30
        while not answers(QEMU):
            assert time.monotonic() < until, "libvirtd does not answer"
            time.sleep(0.1)
        yield


def _share_kvm() -> None:
    """What udev would do. A libvirtd that can use KVM while its QEMU cannot probes QEMU anew at each call."""
    with suppress(OSError, LookupError):
        shutil.chown("/dev/kvm", group="kvm")
        Path("/dev/kvm").chmod(0o660)


@contextmanager
def hypervisor(uri: str) -> Iterator[Hypervisor]:
    """A connection, a folder for disks and a bridge for NICs; no VM is left behind."""
    held = libvirt.open(uri)
    folder = Path(tempfile.mkdtemp(prefix="zstack-disks-"))
    folder.chmod(0o755)
    found = Hypervisor(uri, held, folder)
    network, before = None, {domain.name() for domain in held.listAllDomains(0)}
    try:
        if found.is_real and not Path(f"/sys/class/net/{BRIDGE}").exists():
            network = held.networkCreateXML(NETWORK)
        yield found
    finally:
        for domain in held.listAllDomains(0):
            if domain.name() not in before:
                _remove(domain)
        if network is not None:
            network.destroy()
        held.close()
        for path in found.made:
            path.unlink(missing_ok=True)
            for parent in list(path.parents)[:-1]:
                if parent == folder.parent or any(parent.iterdir()):
                    break
                parent.rmdir()
        shutil.rmtree(folder, ignore_errors=True)


def _remove(domain: Any) -> None:
    if domain.isActive():
        domain.destroy()
    if domain.isPersistent():
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
