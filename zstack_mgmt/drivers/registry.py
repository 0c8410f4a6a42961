"""Which driver runs the VMs of a host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zstack_mgmt.config import Settings
from zstack_mgmt.core.registry import Sealer, Services
from zstack_mgmt.drivers.protocol import Driver, Host
from zstack_mgmt.drivers.simulator import Simulator, Transaction


def driver_for(hypervisor_type: str, settings: Settings, transaction: Transaction) -> Driver:
    """The driver of a kind of host.

    Args:
        hypervisor_type: `Simulator` or `KVM`; the setting `kvm_driver` says what runs the latter.
        transaction: opens one on our own database, for the simulator's tables.

    Raises:
        DriverError: libvirt-python is not installed.
    """
    if hypervisor_type == "KVM" and settings.kvm_driver == "libvirt":
        from zstack_mgmt.drivers.libvirt import Libvirt

        return Libvirt(settings.libvirt_uri, settings.libvirt_virt_type)
    return Simulator(transaction, settings.simulator_latency_s)


def driver_of(services: Services, hypervisor_type: str, transaction: Transaction) -> Driver:
    """The driver, with the settings of this process."""
    return driver_for(hypervisor_type, services.settings, transaction)


def host_of(row: Mapping[str, Any], sealer: Sealer) -> Host:
    """The host of a row with hypervisor_type, management_ip, username, password (sealed) and ssh_port."""
    sealed = row["password"]
    return Host(
        uuid=row["host_uuid"],
        hypervisor_type=row["hypervisor_type"],
        management_ip=row["management_ip"],
        username=row["username"],
        password=None if sealed is None else sealer.open(sealed, "password"),
        ssh_port=row["ssh_port"],
    )
