"""L2 and L3 networks, address ranges, VIPs and EIPs as clients see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import Literal

from zstack_mgmt.core.errors import InvalidArgument
from zstack_mgmt.core.inventory import Inventory, Link, ListColumn, inventory

Category = Literal["Public", "Private", "System"]
EnabledState = Literal["Enabled", "Disabled"]

_L2_LINKS = (
    Link("zone", "Zone", "zone_uuid", "uuid"),
    Link("l3Network", "L3Network", "uuid", "l2_network_uuid"),
    Link(
        "cluster",
        "Cluster",
        "uuid",
        "uuid",
        through=("l2_network_clusters", "l2_network_uuid", "cluster_uuid"),
    ),
)
_ATTACHED = ListColumn("attachedClusterUuids", "l2_network_clusters", "l2_network_uuid", "cluster_uuid")


@inventory(
    "org.zstack.header.network.l2.L2NetworkInventory",
    table="l2_networks",
    noun="L2 network",
    links=_L2_LINKS,
    lists=(_ATTACHED,),
)
class L2Network(Inventory):
    """A broadcast domain of a zone. Source: ZStack's L2 network API."""

    uuid: str
    name: str
    description: str | None
    zone_uuid: str
    physical_interface: str
    type: Literal["L2NoVlanNetwork", "L2VlanNetwork"]
    create_date: datetime
    last_op_date: datetime
    attached_cluster_uuids: list[str]


@inventory(
    "org.zstack.header.network.l2.L2VlanNetworkInventory",
    table="l2_vlan_networks",
    noun="L2 network",
    resource_type="L2NetworkVO",
    links=_L2_LINKS,
    lists=(_ATTACHED,),
)
class L2VlanNetwork(Inventory):
    """A broadcast domain with a VLAN number. Source: ZStack's L2 network API."""

    uuid: str
    name: str
    description: str | None
    zone_uuid: str
    physical_interface: str
    type: Literal["L2VlanNetwork"]
    vlan: int
    create_date: datetime
    last_op_date: datetime
    attached_cluster_uuids: list[str]


@inventory(
    "org.zstack.header.network.l3.IpRangeInventory",
    table="ip_ranges",
    noun="IP range",
    hidden=("start_value", "end_value", "next_value"),
    owned=True,
    links=(Link("l3Network", "L3Network", "l3_network_uuid", "uuid"),),
)
class IpRange(Inventory):
    """Addresses that an L3 network gives out. Source: ZStack's L3 network API."""

    uuid: str
    l3_network_uuid: str
    name: str
    description: str | None
    start_ip: str
    end_ip: str
    netmask: str
    gateway: str
    network_cidr: str
    create_date: datetime
    last_op_date: datetime


@inventory(
    "org.zstack.header.network.l3.L3NetworkInventory",
    table="l3_networks",
    noun="L3 network",
    owned=True,
    links=(
        Link("zone", "Zone", "zone_uuid", "uuid"),
        Link("l2Network", "L2Network", "l2_network_uuid", "uuid"),
        Link("vmNic", "VmNic", "uuid", "l3_network_uuid"),
        Link("vip", "Vip", "uuid", "l3_network_uuid"),
        Link("ipRanges", "IpRange", "uuid", "l3_network_uuid", order_by="create_date"),
    ),
    lists=(ListColumn("dns", "l3_network_dns", "l3_network_uuid", "dns", order_by="id"),),
    nested={"ipRanges": "ipRanges"},
)
class L3Network(Inventory):
    """A subnet on an L2 network. Source: ZStack's L3 network API."""

    uuid: str
    name: str
    description: str | None
    type: str
    zone_uuid: str
    l2_network_uuid: str
    state: EnabledState
    dns_domain: str | None
    system: bool
    category: Category
    create_date: datetime
    last_op_date: datetime
    dns: list[str]
    ip_ranges: list[IpRange]


@dataclass(frozen=True, slots=True)
class RangeText:
    """The checked addresses of a range."""

    start: IPv4Address
    end: IPv4Address
    netmask: IPv4Address
    gateway: IPv4Address
    network: IPv4Network


def address(text: str, name: str) -> IPv4Address:
    """An IPv4 address; raises InvalidArgument."""
    try:
        return IPv4Address(text)
    except ValueError:
        raise InvalidArgument(f"{name}: {text!r} is not an IPv4 address") from None


_UNUSABLE = (
    ("0.0.0.0/8", "addresses of this network"),
    ("127.0.0.0/8", "loopback addresses"),
    ("169.254.0.0/16", "link-local addresses"),
    ("224.0.0.0/4", "multicast addresses"),
    ("240.0.0.0/4", "reserved addresses"),
)


def _check_usable(start: IPv4Address, end: IPv4Address, gateway: IPv4Address) -> None:
    """Refuse what no guest can have. Raises InvalidArgument."""
    for text, what in _UNUSABLE:
        network = IPv4Network(text)
        if (start <= network.broadcast_address and end >= network.network_address) or gateway in network:
            raise InvalidArgument(f"{what} ({text}) cannot be given out")


def parse_range(start_ip: str, end_ip: str, netmask: str, gateway: str) -> RangeText:
    """Check a range: one subnet, in order, without the gateway, the subnet's own and unusable addresses.

    Raises:
        InvalidArgument: SYS.1007; says which rule is broken.
    """
    start, end = address(start_ip, "startIp"), address(end_ip, "endIp")
    mask, gate = address(netmask, "netmask"), address(gateway, "gateway")
    try:
        network = IPv4Network(f"{start}/{mask}", strict=False)
    except ValueError:
        raise InvalidArgument(f"netmask: {netmask!r} is no netmask") from None
    if str(network.netmask) != str(mask) or network.prefixlen == 0:
        raise InvalidArgument(f"netmask: {netmask!r} is no netmask")
    if network.prefixlen > 30:
        raise InvalidArgument("netmask: the subnet has no room for a gateway and a guest")
    if start > end:
        raise InvalidArgument("startIp is behind endIp")
    if end not in network or gate not in network:
        raise InvalidArgument(f"startIp, endIp and gateway must be in one subnet, {network}")
    if start <= gate <= end:
        raise InvalidArgument("the gateway must not be one of the addresses given out")
    for ip, name in ((start, "startIp"), (end, "endIp")):
        if ip in (network.network_address, network.broadcast_address):
            raise InvalidArgument(f"{name}: {ip} is the subnet's network or broadcast address")
    _check_usable(start, end, gate)
    return RangeText(start, end, mask, gate, network)


def range_of_cidr(cidr: str) -> RangeText:
    """The range of a whole subnet: the first address is the gateway, the others are given out."""
    try:
        network = ip_network(cidr, strict=False)
    except ValueError:
        raise InvalidArgument(f"networkCidr: {cidr!r} is no subnet such as 192.168.1.0/24") from None
    if not isinstance(network, IPv4Network) or network.prefixlen > 30:
        raise InvalidArgument("networkCidr must be an IPv4 subnet of at least four addresses")
    first = network.network_address + 1
    _check_usable(first + 1, network.broadcast_address - 1, first)
    return RangeText(first + 1, network.broadcast_address - 1, network.netmask, first, network)
