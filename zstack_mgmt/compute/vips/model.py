"""VIPs and EIPs as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.doc import Doc

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
    computed={
        "system": "coalesce(false)",
        "prefix_len": (
            "(32 - round(log(2, 4294967296::numeric - ({row}.netmask::inet - '0.0.0.0'::inet))))::int"
        ),
        "peer_l3_network_uuids": ("to_jsonb(array_remove(ARRAY[{row}.peer_l3_network_uuid], NULL))"),
        "services_refs": (
            "(SELECT coalesce(jsonb_agg(jsonb_build_object("
            "'uuid', e.uuid, 'serviceType', 'Eip', 'vipUuid', e.vip_uuid)), '[]')"
            " FROM eips e WHERE e.vip_uuid = {row}.uuid)"
        ),
    },
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
    service_provider: Annotated[str | None, Doc("kept for clients")]
    peer_l3_network_uuid: Annotated[str | None, Doc("the network of the NIC that it leads to")]
    use_for: Annotated[str | None, Doc("Eip once it is used; absent before")]
    system: Annotated[bool, Doc("always false")]
    prefix_len: int
    peer_l3_network_uuids: Annotated[list[str], Doc("the network of the NIC that it leads to, as a list")]
    services_refs: Annotated[list[Any], Doc("the services that use it")]
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
    vm_nic_uuid: Annotated[str | None, Doc("the NIC that it leads to")]
    vip_uuid: Annotated[str, Doc("the VIP whose address it uses")]
    state: EnabledState
    vip_ip: Annotated[str, Doc("the address outside")]
    guest_ip: Annotated[str | None, Doc("the address of the NIC that it leads to")]
    create_date: datetime
    last_op_date: datetime
