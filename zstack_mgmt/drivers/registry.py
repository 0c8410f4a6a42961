"""Which driver runs the VMs of a host."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from zstack_mgmt.core.registry import Sealer, Services
from zstack_mgmt.drivers.protocol import Driver, Host
from zstack_mgmt.drivers.simulator import Connect, Simulator


def driver_of(services: Services, hypervisor_type: str, connect: Connect) -> Driver:
    """The driver of a kind of host: for KVM the one that the setting `kvm_driver` names, else the simulator.

    Args:
        connect: lends a connection to our own database, for the simulator's tables.

    Raises:
        DriverError: libvirt-python is not installed.
    """
    settings = services.settings
    if hypervisor_type == "KVM" and settings.kvm_driver == "libvirt":
        return _libvirt(settings.libvirt_uri, settings.libvirt_virt_type)
    return Simulator(connect, settings.simulator_latency_s)


@cache
def _libvirt(uri: str, virt_type: str) -> Driver:
    """One for the process, because its threads are for all hosts."""
    from zstack_mgmt.drivers.libvirt import Libvirt

    return Libvirt(uri, virt_type)


def host_of(row: Mapping[str, Any], sealer: Sealer) -> Host:
    """The host of a row with its address and login; the password is sealed."""
    sealed = row["password"]
    return Host(
        uuid=row["uuid"],
        hypervisor_type=row["hypervisor_type"],
        management_ip=row["management_ip"],
        username=row["username"],
        password=None if sealed is None else sealer.open(sealed, "password"),
        ssh_port=row["ssh_port"],
    )
