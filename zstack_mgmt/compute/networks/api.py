"""The APIs of L2 and L3 networks, their ranges and DNS servers; those of addresses are in `addresses`."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import Field, StringConstraints

from zstack_mgmt.compute.networks import addresses, store
from zstack_mgmt.compute.networks.model import (
    Capacity,
    Category,
    IpRange,
    L2Network,
    L2VlanNetwork,
    L3Network,
    RangeText,
    address,
    parse_range,
    range_of_cidr,
)
from zstack_mgmt.compute.places import zone_of_cluster
from zstack_mgmt.core.errors import (
    DuplicateResource,
    InvalidArgument,
    OperationError,
    ResourceNotFound,
)
from zstack_mgmt.core.inventory import Inventory
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.requests import CreateRequest, UpdateRequest
from zstack_mgmt.core.values import ExistingUuid, Reference, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.owners import own, owners_of
from zstack_mgmt.resources.tags import tag

T = TypeVar("T", bound=Inventory)
L2_JAVA = "org.zstack.header.network.l2"
L3_JAVA = "org.zstack.header.network.l3"
Interface = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Text = Annotated[str, StringConstraints(max_length=255)]
Uuids = Annotated[list[Reference], Field(max_length=1000)]


def l2_resource(kind: type[T], path: str) -> Resource[T]:
    """L2 networks have a path for each of their two types, and one for both."""
    source = "ZStack's L2 network API"
    return Resource(kind, path, java=L2_JAVA, category="l2Network", access="admin", source=source)


def l3_resource(kind: type[T], path: str) -> Resource[T]:
    """What belongs to L3 networks."""
    source = "ZStack's L3 network API"
    return Resource(kind, path, java=L3_JAVA, category="l3Network", access="admin", source=source)


no_vlan_networks = l2_resource(L2Network, "/v1/l2-networks/no-vlan")
vlan_networks = l2_resource(L2VlanNetwork, "/v1/l2-networks/vlan")
l2_networks = l2_resource(L2Network, "/v1/l2-networks")
l3_networks = l3_resource(L3Network, "/v1/l3-networks")
ip_ranges = l3_resource(IpRange, "/v1/l3-networks/ip-ranges")


class CreateL2NoVlanNetwork(CreateRequest):
    """Create an L2 network without a VLAN number in a zone.

    Source: ZStack's L2 network API.
    """

    zone_uuid: ExistingUuid
    physical_interface: Interface


class CreateL2VlanNetwork(CreateL2NoVlanNetwork):
    """Create an L2 network with a VLAN number in a zone.

    Source: ZStack's L2 network API.
    """

    vlan: Annotated[int, Field(ge=1, le=4094)]


async def l2_type(call: Call, conn: Connection, request: CreateL2NoVlanNetwork) -> dict[str, str]:
    """The type follows from the API."""
    return {"type": "L2VlanNetwork" if isinstance(request, CreateL2VlanNetwork) else "L2NoVlanNetwork"}


no_vlan_networks.create(CreateL2NoVlanNetwork, values=l2_type)
vlan_networks.create(CreateL2VlanNetwork, values=l2_type)


class UpdateL2Network(UpdateRequest):
    """Change an L2 network's name or description.

    Source: ZStack's L2 network API.
    """


@l2_networks.action(UpdateL2Network, "PUT /v1/l2-networks/{uuid}/actions", raises=(ResourceNotFound,))
async def update_l2_network(call: Call, conn: Connection, request: UpdateL2Network) -> Any:
    given = request.model_dump(include={"name", "description"}, exclude_none=True)
    await rows.update(conn, L2Network, request.uuid, given)
    return await store.get_l2(conn, request.uuid)


l2_networks.delete(
    "Delete an L2 network with its L3 networks; VMs lose their NICs on them. One that is gone is no error."
)


class AttachL2NetworkToCluster(ApiRequest):
    """Attach an L2 network to a cluster of its zone, so that VMs there can use it.

    Source: ZStack's L2 network API.
    """

    l2_network_uuid: Reference
    cluster_uuid: Reference


@l2_networks.action(
    AttachL2NetworkToCluster,
    "POST /v1/l2-networks/{l2NetworkUuid}/clusters/{clusterUuid}",
    raises=(ResourceNotFound, InvalidArgument, OperationError),
)
async def attach_l2_network_to_cluster(
    call: Call, conn: Connection, request: AttachL2NetworkToCluster
) -> Any:
    uuid, cluster_uuid = request.l2_network_uuid, request.cluster_uuid
    l2 = await store.get_l2(conn, uuid)
    if await zone_of_cluster(conn, cluster_uuid) != l2.zone_uuid:
        raise InvalidArgument("the L2 network and the cluster are in different zones")
    if cluster_uuid in l2.attached_cluster_uuids:
        raise InvalidArgument("the L2 network is attached to the cluster already")
    vlan = l2.vlan if isinstance(l2, L2VlanNetwork) else None
    if await store.same_l2_in_cluster(conn, cluster_uuid, l2.physical_interface, vlan):
        raise OperationError("the cluster has another L2 network on that interface with that VLAN number")
    await store.attach_l2(conn, uuid, cluster_uuid)
    return await store.get_l2(conn, uuid)


class DetachL2NetworkFromCluster(ApiRequest):
    """Detach an L2 network from a cluster. VMs that run keep their NICs on it until they are stopped.

    Source: ZStack's L2 network API.
    """

    l2_network_uuid: Reference
    cluster_uuid: Reference


@l2_networks.action(
    DetachL2NetworkFromCluster,
    "DELETE /v1/l2-networks/{l2NetworkUuid}/clusters/{clusterUuid}",
    raises=(ResourceNotFound,),
)
async def detach_l2_network_from_cluster(
    call: Call, conn: Connection, request: DetachL2NetworkFromCluster
) -> Any:
    uuid = request.l2_network_uuid
    await rows.get(conn, L2Network, uuid)
    await store.detach_l2(conn, uuid, request.cluster_uuid)
    return await store.get_l2(conn, uuid)


class CreateL3Network(CreateRequest):
    """Create an enabled L3 network on an L2 network. Share it, so that other accounts can use it.

    Source: ZStack's L3 network API.
    """

    l2_network_uuid: ExistingUuid
    type: Text = "L3BasicNetwork"
    category: Category = "Private"
    system: bool = False
    dns_domain: Text | None = None


async def zone_of_l2(call: Call, conn: Connection, request: CreateL3Network) -> dict[str, str]:
    """An L3 network is in the zone of its L2 network."""
    return {"zone_uuid": (await rows.get(conn, L2Network, request.l2_network_uuid)).zone_uuid}


class UpdateL3Network(UpdateRequest):
    """Change an L3 network's name, description, DNS domain, category, or whether it is the system's.

    Source: ZStack's L3 network API.
    """

    dns_domain: Text | None = None
    category: Category | None = None
    system: bool | None = None


l3_networks.create(CreateL3Network, values=zone_of_l2)
l3_networks.update(UpdateL3Network)
l3_networks.change_state("Enable or disable an L3 network. No VM gets a NIC on a disabled one.")
l3_networks.delete(
    "Delete an L3 network with its ranges and VIPs; VMs lose their NICs on it. One that is gone is no error."
)


class AddIpRange(CreateRequest):
    """Let an L3 network give out the addresses from `startIp` to `endIp`.

    Source: ZStack's L3 network API.
    """

    l3_network_uuid: Reference
    start_ip: Text
    end_ip: Text
    netmask: Text
    gateway: Text


@ip_ranges.action(
    AddIpRange,
    "POST /v1/l3-networks/{l3NetworkUuid}/ip-ranges",
    raises=(ResourceNotFound, InvalidArgument, DuplicateResource),
)
async def add_ip_range(call: Call, conn: Connection, request: AddIpRange) -> IpRange:
    text = parse_range(request.start_ip, request.end_ip, request.netmask, request.gateway)
    return await _add_range(conn, request, text)


class AddIpRangeByNetworkCidr(CreateRequest):
    """Let an L3 network give out a whole subnet but its gateway: the first address, or the last if so said.

    Source: ZStack's L3 network API.
    """

    l3_network_uuid: Reference
    network_cidr: Text
    gateway: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None


@ip_ranges.action(
    AddIpRangeByNetworkCidr,
    "POST /v1/l3-networks/{l3NetworkUuid}/ip-ranges/by-cidr",
    raises=(ResourceNotFound, InvalidArgument, DuplicateResource),
)
async def add_ip_range_by_network_cidr(
    call: Call, conn: Connection, request: AddIpRangeByNetworkCidr
) -> IpRange:
    return await _add_range(conn, request, range_of_cidr(request.network_cidr, request.gateway))


async def _add_range(
    conn: Connection, request: AddIpRange | AddIpRangeByNetworkCidr, text: RangeText
) -> IpRange:
    """Add the range to the network; it belongs to the network's owner."""
    l3_uuid = request.l3_network_uuid
    await rows.get(conn, L3Network, l3_uuid)
    conflict = await store.conflicting_range(conn, l3_uuid, text)
    if conflict is not None:
        raise InvalidArgument(conflict)
    values = {
        "uuid": request.resource_uuid or new_uuid(),
        "l3_network_uuid": l3_uuid,
        "name": request.name,
        "description": request.description,
        "start_ip": str(text.start),
        "end_ip": str(text.end),
        "netmask": str(text.netmask),
        "gateway": str(text.gateway),
        "network_cidr": str(text.network),
        "start_value": int(text.start),
        "end_value": int(text.end),
        "next_value": int(text.start),
    }
    made = await rows.insert(conn, IpRange, values)
    owner, _ = (await owners_of(conn, [l3_uuid]))[l3_uuid]
    await own(conn, owner, made.uuid)
    await tag(conn, made.uuid, request)
    return made


async def check_unused(call: Call, conn: Connection, uuid: str) -> None:
    """No NIC or VIP has an address of a range that goes. The product takes the NICs away; we refuse."""
    if used := await store.addresses_in_use(conn, uuid):
        raise OperationError(f"{used} addresses of the range are in use")


ip_ranges.update("Change a range's name or description. Its addresses stay.")
ip_ranges.delete(
    "Delete a range that no NIC or VIP has an address of. One that is gone is no error.",
    first=check_unused,
    raises=(ResourceNotFound, OperationError),
)


class AddDnsToL3Network(ApiRequest):
    """Add a DNS server to an L3 network.

    Source: ZStack's L3 network API.
    """

    l3_network_uuid: Reference
    dns: Text


@l3_networks.action(
    AddDnsToL3Network,
    "POST /v1/l3-networks/{l3NetworkUuid}/dns",
    raises=(ResourceNotFound, InvalidArgument),
)
async def add_dns_to_l3_network(call: Call, conn: Connection, request: AddDnsToL3Network) -> L3Network:
    uuid = request.l3_network_uuid
    await rows.get(conn, L3Network, uuid)
    await store.add_dns(conn, uuid, str(address(request.dns, "dns")))
    return await rows.get(conn, L3Network, uuid)


class RemoveDnsFromL3Network(ApiRequest):
    """Remove a DNS server from an L3 network. One that it has not is no error.

    Source: ZStack's L3 network API.
    """

    l3_network_uuid: Reference
    dns: Text


@l3_networks.action(
    RemoveDnsFromL3Network,
    "DELETE /v1/l3-networks/{l3NetworkUuid}/dns/{dns}",
    raises=(ResourceNotFound,),
    exclusive=("l3_network_uuid",),
)
async def remove_dns_from_l3_network(
    call: Call, conn: Connection, request: RemoveDnsFromL3Network
) -> L3Network:
    uuid = request.l3_network_uuid
    await rows.get(conn, L3Network, uuid)
    await store.remove_dns(conn, uuid, request.dns)
    return await rows.get(conn, L3Network, uuid)


class GetIpAddressCapacity(ApiRequest):
    """How many addresses the L3 networks have, and how many of them are free.

    Source: ZStack's L3 network API.
    """

    l3_network_uuids: Uuids = []  # noqa: RUF012 (pydantic copies it)
    zone_uuids: Uuids = []  # noqa: RUF012 (pydantic copies it)
    ip_range_uuids: Uuids = []  # noqa: RUF012 (pydantic copies it)
    all: bool = False


@l3_networks.action(
    GetIpAddressCapacity,
    "GET /v1/ip-capacity",
    mode="sync",
    returns=None,
    is_read=True,
    response_key="",
    raises=(InvalidArgument,),
)
async def get_ip_address_capacity(call: Call, conn: Connection, request: GetIpAddressCapacity) -> Capacity:
    if not request.all and not (request.l3_network_uuids or request.zone_uuids or request.ip_range_uuids):
        raise InvalidArgument("name networks, zones or ranges, or set all")
    return await store.address_capacity(
        conn, request.l3_network_uuids, request.zone_uuids, request.ip_range_uuids, everything=request.all
    )


for kept in (ip_ranges, l3_networks, vlan_networks, l2_networks):
    kept.query(access="user")

SUBMODULES = (addresses,)
"""Imported for what they declare."""
