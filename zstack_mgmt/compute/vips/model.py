"""VIPs and EIPs as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from zstack_mgmt.core.inventory import Inventory, Link, inventory

EnabledState = Literal["Enabled", "Disabled"]


@inventory(
    "org.zstack.network.service.vip.VipInventory",
    table="vips",
    noun="VIP",
    owned=True,
    links=(
        Link("l3Network", "L3Network", "l3_network_uuid", "uuid"),
        Link("peerL3Network", "L3Network", "peer_l3_network_uuid", "uuid"),
        Link("eip", "Eip", "uuid", "vip_uuid"),
    ),
)
class Vip(Inventory):
    """An address that a network service uses. Source: ZStack's VIP API."""

    uuid: str
    name: str
    description: str | None
    l3_network_uuid: str
    ip: str
    state: EnabledState
    gateway: str
    netmask: str
    service_provider: str | None
    peer_l3_network_uuid: str | None
    use_for: str | None
    create_date: datetime
    last_op_date: datetime


@inventory(
    "org.zstack.network.service.eip.EipInventory",
    table="eips",
    noun="EIP",
    owned=True,
    links=(Link("vip", "Vip", "vip_uuid", "uuid"), Link("vmNic", "VmNic", "vm_nic_uuid", "uuid")),
    aliases={"ip": "vipIp"},
    computed={"guest_ip": "(SELECT n.ip FROM vm_nics n WHERE n.uuid = {row}.vm_nic_uuid)"},
)
class Eip(Inventory):
    """A public address that leads to a NIC. Source: ZStack's EIP API.

    The alias `ip` is the manual's overview.
    """

    uuid: str
    name: str
    description: str | None
    vm_nic_uuid: str | None
    vip_uuid: str
    state: EnabledState
    vip_ip: str
    guest_ip: str | None
    create_date: datetime
    last_op_date: datetime
