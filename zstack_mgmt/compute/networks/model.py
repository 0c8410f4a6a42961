"""L2 and L3 networks, address ranges, VIPs and EIPs as clients see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import Annotated, Any, Literal, LiteralString

from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from zstack_mgmt.core.errors import InvalidArgument
from zstack_mgmt.core.inventory import Inventory, Link, ListColumn, inventory
from zstack_mgmt.doc import Doc

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
_COMPUTED: dict[str, LiteralString] = {
    "isolated": "coalesce(false)",
    "v_switch_type": "coalesce('LinuxBridge'::text)",
    "virtual_network_id": "coalesce({row}.vlan, 0)",
}
_ATTACHED = ListColumn("attachedClusterUuids", "l2_network_clusters", "l2_network_uuid", "cluster_uuid")


@inventory(
    "org.zstack.header.network.l2.L2NetworkInventory",
    table="l2_networks",
    noun="L2 network",
    links=_L2_LINKS,
    lists=(_ATTACHED,),
    computed=_COMPUTED,
)
class L2Network(Inventory):
    """A broadcast domain of a zone. Source: ZStack's L2 network API."""

    uuid: str
    name: str
    description: str | None
    zone_uuid: str
    physical_interface: str
    type: Annotated[Literal["L2NoVlanNetwork", "L2VlanNetwork"], Doc("with or without a VLAN")]
    v_switch_type: str
    virtual_network_id: int
    isolated: Annotated[bool, Doc("always false")]
    create_date: datetime
    last_op_date: datetime
    attached_cluster_uuids: Annotated[list[str], Doc("clusters whose hosts have the network")]


@inventory(
    "org.zstack.header.network.l2.L2VlanNetworkInventory",
    table="l2_vlan_networks",
    noun="L2 network",
    resource_type="L2NetworkVO",
    links=_L2_LINKS,
    lists=(_ATTACHED,),
    computed=_COMPUTED,
)
class L2VlanNetwork(Inventory):
    """A broadcast domain with a VLAN number. Source: ZStack's L2 network API."""

    uuid: str
    name: str
    description: str | None
    zone_uuid: str
    physical_interface: str
    type: Literal["L2VlanNetwork"]
    vlan: Annotated[int, Doc("number of the VLAN, 1 to 4094")]
    v_switch_type: str
    virtual_network_id: int
    isolated: Annotated[bool, Doc("always false")]
    create_date: datetime
    last_op_date: datetime
    attached_cluster_uuids: Annotated[list[str], Doc("clusters whose hosts have the network")]


@inventory(
    "org.zstack.header.network.l3.IpRangeInventory",
    table="ip_ranges",
    noun="IP range",
    hidden=("start_value", "end_value", "next_value"),
    owned=True,
    links=(Link("l3Network", "L3Network", "l3_network_uuid", "uuid"),),
    computed={
        "ip_range_type": "coalesce('Normal'::text)",
        "ip_version": "coalesce(4)",
        "prefix_len": "masklen({row}.network_cidr::cidr)",
    },
)
class IpRange(Inventory):
    """Addresses that an L3 network gives out. Source: ZStack's L3 network API."""

    uuid: str
    l3_network_uuid: str
    name: str
    description: str | None
    start_ip: Annotated[str, Doc("the first address")]
    end_ip: Annotated[str, Doc("the last address")]
    netmask: str
    gateway: str
    network_cidr: Annotated[str, Doc("the subnet, such as 192.168.0.0/24")]
    ip_range_type: Annotated[str, Doc("always Normal")]
    ip_version: int
    prefix_len: int
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
    computed={
        "ip_version": "coalesce(4)",
        "enable_ipam": "coalesce(true)",
        "isolated": "coalesce(false)",
        "host_route": "'[]'::jsonb",
        "network_services": "'[]'::jsonb",
        "reserved_ip_ranges": "'[]'::jsonb",
    },
)
class L3Network(Inventory):
    """A subnet on an L2 network. Source: ZStack's L3 network API."""

    uuid: str
    name: str
    description: str | None
    type: str
    zone_uuid: str
    l2_network_uuid: Annotated[str, Doc("the L2 network that it is on")]
    state: EnabledState
    dns_domain: Annotated[str | None, Doc("domain of the guests' names")]
    system: Annotated[bool, Doc("kept for clients; it has no effect")]
    category: Annotated[Category, Doc("Public ones are for addresses that are seen from outside")]
    ip_version: int
    enable_ipam: Annotated[bool, Doc("always true: the service gives out the addresses")]
    isolated: Annotated[bool, Doc("always false")]
    create_date: datetime
    last_op_date: datetime
    dns: Annotated[list[str], Doc("addresses of name servers")]
    ip_ranges: Annotated[list[IpRange], Doc("the addresses that it gives out")]
    host_route: Annotated[list[Any], Doc("always empty")]
    network_services: Annotated[list[Any], Doc("always empty")]
    reserved_ip_ranges: Annotated[list[Any], Doc("always empty")]


@inventory(
    "org.zstack.header.network.l3.UsedIpInventory",
    table="used_addresses",
    noun="address",
    account_column="account_uuid",
    links=(
        Link("l3Network", "L3Network", "l3_network_uuid", "uuid"),
        Link("ipRange", "IpRange", "ip_range_uuid", "uuid"),
        Link("vmNic", "VmNic", "vm_nic_uuid", "uuid"),
    ),
)
class UsedIp(Inventory):
    """An address that a NIC or a VIP has taken. Source: ZStack's L3 network API."""

    uuid: Annotated[str, Doc("of the NIC or VIP that has taken it")]
    ip_range_uuid: str
    l3_network_uuid: str
    ip_version: int
    ip: str
    netmask: str
    gateway: str
    used_for: Annotated[str | None, Doc("`Vip`, or nothing for a NIC")]
    ip_in_long: Annotated[int, Doc("the address as a number")]
    vm_nic_uuid: Annotated[str | None, Doc("the NIC that has taken it, if one has")]
    create_date: datetime
    last_op_date: datetime


@inventory("org.zstack.header.network.l3.FreeIpInventory", table="")
class FreeIp(Inventory):
    """An address that nobody has taken. Source: ZStack's L3 network API."""

    ip_range_uuid: str
    ip: str
    netmask: str
    gateway: str


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


def range_of_cidr(cidr: str, gateway: str | None = None) -> RangeText:
    """The range of a whole subnet: its first address, or the last if that is said, is the gateway; the
    others are given out.
    """
    try:
        network = ip_network(cidr, strict=False)
    except ValueError:
        raise InvalidArgument(f"networkCidr: {cidr!r} is no subnet such as 192.168.1.0/24") from None
    if not isinstance(network, IPv4Network) or network.prefixlen > 30:
        raise InvalidArgument("networkCidr must be an IPv4 subnet of at least four addresses")
    first, last = network.network_address + 1, network.broadcast_address - 1
    gate = first if gateway is None else address(gateway, "gateway")
    if gate not in (first, last):
        raise InvalidArgument(f"gateway: it must be {first} or {last}, the first or last address")
    start, end = (first + 1, last) if gate == first else (first, last - 1)
    _check_usable(start, end, gate)
    return RangeText(start, end, network.netmask, gate, network)


class Capacity(TypedDict):
    """How many addresses there are."""

    totalCapacity: int
    availableCapacity: int
    usedIpAddressNumber: int
