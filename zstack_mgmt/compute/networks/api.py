"""The APIs of L2 and L3 networks, their address ranges and their DNS servers."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from zstack_mgmt.compute.networks import ownership, store
from zstack_mgmt.compute.networks.model import (
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
from zstack_mgmt.compute.places import require, zone_of_cluster
from zstack_mgmt.core.errors import (
    DuplicateResource,
    InvalidArgument,
    OperationError,
    ResourceNotFound,
)
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.requests import DeleteRequest, StateRequest, UpdateRequest
from zstack_mgmt.core.values import Description, Reference, ResourceName, ResourceUuid, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.sharing.owners import found, own, owners_of, tag
from zstack_mgmt.query.declare import query_api

L2_JAVA = "org.zstack.header.network.l2"
L3_JAVA = "org.zstack.header.network.l3"
L3_ACTIONS = "PUT /v1/l3-networks/{uuid}/actions"
Interface = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Text = Annotated[str, StringConstraints(max_length=255)]
Uuids = Annotated[list[Reference], Field(max_length=1000)]
l2_job = partial(api, mode="job", access="admin", java=L2_JAVA, category="l2Network")
l3_job = partial(api, mode="job", access="admin", java=L3_JAVA, category="l3Network")


class CreateL2NoVlanNetwork(ApiRequest):
    """Create an L2 network without a VLAN number in a zone.

    Source: ZStack's L2 network API.
    """

    name: ResourceName
    description: Description | None = None
    zone_uuid: Reference
    physical_interface: Interface
    resource_uuid: ResourceUuid | None = None


@l2_job(
    CreateL2NoVlanNetwork,
    http="POST /v1/l2-networks/no-vlan",
    returns=L2Network,
    raises=(ResourceNotFound, DuplicateResource),
    shared=("zone_uuid",),
)
async def create_l2_no_vlan_network(call: Call, conn: Connection, request: CreateL2NoVlanNetwork) -> Any:
    return await _create(conn, request, None)


class CreateL2VlanNetwork(ApiRequest):
    """Create an L2 network with a VLAN number in a zone.

    Source: ZStack's L2 network API.
    """

    name: ResourceName
    description: Description | None = None
    zone_uuid: Reference
    physical_interface: Interface
    vlan: Annotated[int, Field(ge=1, le=4094)]
    resource_uuid: ResourceUuid | None = None


@l2_job(
    CreateL2VlanNetwork,
    http="POST /v1/l2-networks/vlan",
    returns=L2VlanNetwork,
    raises=(ResourceNotFound, DuplicateResource),
    shared=("zone_uuid",),
)
async def create_l2_vlan_network(call: Call, conn: Connection, request: CreateL2VlanNetwork) -> Any:
    return await _create(conn, request, request.vlan)


async def _create(
    conn: Connection, request: CreateL2NoVlanNetwork | CreateL2VlanNetwork, vlan: int | None
) -> L2Network | L2VlanNetwork:
    await require(conn, "zone", request.zone_uuid)
    l2 = await store.insert_l2(
        conn,
        request.resource_uuid or new_uuid(),
        request.name,
        request.description,
        request.zone_uuid,
        request.physical_interface,
        vlan,
    )
    await tag(conn, l2.uuid, request)
    return l2


class UpdateL2Network(UpdateRequest):
    """Change an L2 network's name or description.

    Source: ZStack's L2 network API.
    """


@l2_job(
    UpdateL2Network, http="PUT /v1/l2-networks/{uuid}/actions", returns=L2Network, raises=(ResourceNotFound,)
)
async def update_l2_network(call: Call, conn: Connection, request: UpdateL2Network) -> Any:
    return found(
        await store.update_l2(conn, request.uuid, request.name, request.description),
        "L2 network",
        request.uuid,
    )


class DeleteL2Network(DeleteRequest):
    """Delete an L2 network with its L3 networks; VMs lose their NICs on them. One that is gone is no error.

    Source: ZStack's L2 network API.
    """


@l2_job(DeleteL2Network, http="DELETE /v1/l2-networks/{uuid}", raises=(ResourceNotFound,))
async def delete_l2_network(call: Call, conn: Connection, request: DeleteL2Network) -> None:
    uuid = request.uuid_of("L2 network")
    await store.delete_l2(conn, uuid)


class AttachL2NetworkToCluster(ApiRequest):
    """Attach an L2 network to a cluster of its zone, so that VMs there can use it.

    Source: ZStack's L2 network API.
    """

    l2_network_uuid: Reference
    cluster_uuid: Reference


@l2_job(
    AttachL2NetworkToCluster,
    http="POST /v1/l2-networks/{l2NetworkUuid}/clusters/{clusterUuid}",
    returns=L2Network,
    raises=(ResourceNotFound, InvalidArgument, OperationError),
)
async def attach_l2_network_to_cluster(
    call: Call, conn: Connection, request: AttachL2NetworkToCluster
) -> Any:
    uuid, cluster_uuid = request.l2_network_uuid, request.cluster_uuid
    l2 = found(await store.get_l2(conn, uuid), "L2 network", uuid)
    zone_uuid = found(await zone_of_cluster(conn, cluster_uuid), "cluster", cluster_uuid)
    if zone_uuid != l2.zone_uuid:
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


@l2_job(
    DetachL2NetworkFromCluster,
    http="DELETE /v1/l2-networks/{l2NetworkUuid}/clusters/{clusterUuid}",
    returns=L2Network,
    raises=(ResourceNotFound,),
)
async def detach_l2_network_from_cluster(
    call: Call, conn: Connection, request: DetachL2NetworkFromCluster
) -> Any:
    uuid = request.l2_network_uuid
    found(await store.get_l2(conn, uuid), "L2 network", uuid)
    await store.detach_l2(conn, uuid, request.cluster_uuid)
    return await store.get_l2(conn, uuid)


class CreateL3Network(ApiRequest):
    """Create an enabled L3 network on an L2 network. Share it, so that other accounts can use it.

    Source: ZStack's L3 network API.
    """

    name: ResourceName
    description: Description | None = None
    l2_network_uuid: Reference
    type: Text = "L3BasicNetwork"
    category: Category = "Private"
    system: bool = False
    dns_domain: Text | None = None
    resource_uuid: ResourceUuid | None = None


@l3_job(
    CreateL3Network,
    http="POST /v1/l3-networks",
    returns=L3Network,
    raises=(ResourceNotFound, DuplicateResource),
    shared=("l2_network_uuid",),
)
async def create_l3_network(call: Call, conn: Connection, request: CreateL3Network) -> L3Network:
    l2 = found(await store.get_l2(conn, request.l2_network_uuid), "L2 network", request.l2_network_uuid)
    l3 = await store.insert_l3(
        conn,
        request.resource_uuid or new_uuid(),
        request.name,
        request.description,
        l2,
        request.type,
        request.category,
        request.dns_domain,
        system=request.system,
    )
    await own(conn, l3.uuid, call.account_uuid, request)
    return l3


class UpdateL3Network(UpdateRequest):
    """Change an L3 network's name, description, DNS domain or category.

    Source: ZStack's L3 network API.
    """

    dns_domain: Text | None = None
    category: Category | None = None


@l3_job(UpdateL3Network, http=L3_ACTIONS, returns=L3Network, raises=(ResourceNotFound,))
async def update_l3_network(call: Call, conn: Connection, request: UpdateL3Network) -> L3Network:
    l3 = await store.update_l3(
        conn, request.uuid, request.name, request.description, None, request.dns_domain, request.category
    )
    return found(l3, "L3 network", request.uuid)


class ChangeL3NetworkState(StateRequest):
    """Enable or disable an L3 network. No VM gets a NIC on a disabled one.

    Source: ZStack's L3 network API.
    """


@l3_job(ChangeL3NetworkState, http=L3_ACTIONS, returns=L3Network, raises=(ResourceNotFound,))
async def change_l3_network_state(call: Call, conn: Connection, request: ChangeL3NetworkState) -> L3Network:
    return found(
        await store.update_l3(conn, request.uuid, None, None, request.state), "L3 network", request.uuid
    )


class DeleteL3Network(DeleteRequest):
    """Delete an L3 network with its ranges and VIPs; VMs lose their NICs on it. One that is gone is no error.

    Source: ZStack's L3 network API.
    """


@l3_job(DeleteL3Network, http="DELETE /v1/l3-networks/{uuid}", raises=(ResourceNotFound,))
async def delete_l3_network(call: Call, conn: Connection, request: DeleteL3Network) -> None:
    uuid = request.uuid_of("L3 network")
    await store.delete_l3(conn, uuid)


class AddIpRange(ApiRequest):
    """Let an L3 network give out the addresses from `startIp` to `endIp`.

    Source: ZStack's L3 network API.
    """

    l3_network_uuid: Reference
    name: ResourceName
    description: Description | None = None
    start_ip: Text
    end_ip: Text
    netmask: Text
    gateway: Text
    resource_uuid: ResourceUuid | None = None


@l3_job(
    AddIpRange,
    http="POST /v1/l3-networks/{l3NetworkUuid}/ip-ranges",
    returns=IpRange,
    raises=(ResourceNotFound, InvalidArgument, DuplicateResource),
)
async def add_ip_range(call: Call, conn: Connection, request: AddIpRange) -> IpRange:
    text = parse_range(request.start_ip, request.end_ip, request.netmask, request.gateway)
    return await _add_range(conn, request, text)


class AddIpRangeByNetworkCidr(ApiRequest):
    """Let an L3 network give out a whole subnet but its first address, which is the gateway.

    Source: ZStack's L3 network API.
    """

    l3_network_uuid: Reference
    name: ResourceName
    description: Description | None = None
    network_cidr: Text
    resource_uuid: ResourceUuid | None = None


@l3_job(
    AddIpRangeByNetworkCidr,
    http="POST /v1/l3-networks/{l3NetworkUuid}/ip-ranges/by-cidr",
    returns=IpRange,
    raises=(ResourceNotFound, InvalidArgument, DuplicateResource),
)
async def add_ip_range_by_network_cidr(
    call: Call, conn: Connection, request: AddIpRangeByNetworkCidr
) -> IpRange:
    return await _add_range(conn, request, range_of_cidr(request.network_cidr))


async def _add_range(
    conn: Connection, request: AddIpRange | AddIpRangeByNetworkCidr, text: RangeText
) -> IpRange:
    """Add the range to the network; it belongs to the network's owner."""
    uuid = request.l3_network_uuid
    found(await store.get_l3(conn, uuid), "L3 network", uuid)
    conflict = await store.conflicting_range(conn, uuid, text)
    if conflict is not None:
        raise InvalidArgument(conflict)
    made = await store.insert_range(
        conn, request.resource_uuid or new_uuid(), uuid, request.name, request.description, text
    )
    owner, _ = (await owners_of(conn, [uuid]))[uuid]
    await own(conn, made.uuid, owner, request)
    return made


class UpdateIpRange(UpdateRequest):
    """Change a range's name or description. Its addresses stay.

    Source: ZStack's L3 network API.
    """


@l3_job(
    UpdateIpRange,
    http="PUT /v1/l3-networks/ip-ranges/{uuid}/actions",
    returns=IpRange,
    raises=(ResourceNotFound,),
)
async def update_ip_range(call: Call, conn: Connection, request: UpdateIpRange) -> IpRange:
    row = await store.update_range(conn, request.uuid, request.name, request.description)
    return found(row, "IP range", request.uuid)


class DeleteIpRange(DeleteRequest):
    """Delete a range that no NIC or VIP has an address of. One that is gone is no error.

    Source: ZStack's L3 network API; the refusal is ours: the product takes the NICs away.
    """


@l3_job(
    DeleteIpRange, http="DELETE /v1/l3-networks/ip-ranges/{uuid}", raises=(ResourceNotFound, OperationError)
)
async def delete_ip_range(call: Call, conn: Connection, request: DeleteIpRange) -> None:
    uuid = request.uuid_of("IP range")
    used = await store.delete_range(conn, uuid)
    if used:
        raise OperationError(f"{used} addresses of the range are in use")


class AddDnsToL3Network(ApiRequest):
    """Add a DNS server to an L3 network.

    Source: ZStack's L3 network API.
    """

    l3_network_uuid: Reference
    dns: Text


@l3_job(
    AddDnsToL3Network,
    http="POST /v1/l3-networks/{l3NetworkUuid}/dns",
    returns=L3Network,
    raises=(ResourceNotFound, InvalidArgument),
)
async def add_dns_to_l3_network(call: Call, conn: Connection, request: AddDnsToL3Network) -> L3Network:
    uuid = request.l3_network_uuid
    found(await store.get_l3(conn, uuid), "L3 network", uuid)
    await store.add_dns(conn, uuid, str(address(request.dns, "dns")))
    return found(await store.get_l3(conn, uuid), "L3 network", uuid)


class RemoveDnsFromL3Network(ApiRequest):
    """Remove a DNS server from an L3 network. One that it has not is no error.

    Source: ZStack's L3 network API.
    """

    l3_network_uuid: Reference
    dns: Text


@l3_job(
    RemoveDnsFromL3Network,
    http="DELETE /v1/l3-networks/{l3NetworkUuid}/dns/{dns}",
    returns=L3Network,
    raises=(ResourceNotFound,),
    exclusive=("l3_network_uuid",),
)
async def remove_dns_from_l3_network(
    call: Call, conn: Connection, request: RemoveDnsFromL3Network
) -> L3Network:
    uuid = request.l3_network_uuid
    found(await store.get_l3(conn, uuid), "L3 network", uuid)
    await store.remove_dns(conn, uuid, request.dns)
    return found(await store.get_l3(conn, uuid), "L3 network", uuid)


class GetIpAddressCapacity(ApiRequest):
    """How many addresses the L3 networks have, and how many of them are free.

    Source: ZStack's L3 network API.
    """

    l3_network_uuids: Uuids = []  # noqa: RUF012 (pydantic copies it)
    zone_uuids: Uuids = []  # noqa: RUF012 (pydantic copies it)
    ip_range_uuids: Uuids = []  # noqa: RUF012 (pydantic copies it)
    all: bool = False


@api(
    GetIpAddressCapacity,
    http="GET /v1/ip-capacity",
    mode="sync",
    access="admin",
    java=L3_JAVA,
    category="l3Network",
    is_read=True,
    response_key="",
    raises=(InvalidArgument,),
)
async def get_ip_address_capacity(
    call: Call, conn: Connection, request: GetIpAddressCapacity
) -> dict[str, int]:
    if not request.all and not (request.l3_network_uuids or request.zone_uuids or request.ip_range_uuids):
        raise InvalidArgument("name networks, zones or ranges, or set all")
    return await store.address_capacity(
        conn, request.l3_network_uuids, request.zone_uuids, request.ip_range_uuids, everything=request.all
    )


query_ip_range = query_api(
    IpRange, http="GET /v1/l3-networks/ip-ranges", access="user", category="l3Network", java=L3_JAVA
)
query_l3_network = query_api(
    L3Network, http="GET /v1/l3-networks", access="user", category="l3Network", java=L3_JAVA
)
query_l2_vlan_network = query_api(
    L2VlanNetwork, http="GET /v1/l2-networks/vlan", access="user", category="l2Network", java=L2_JAVA
)
query_l2_network = query_api(
    L2Network, http="GET /v1/l2-networks", access="user", category="l2Network", java=L2_JAVA
)

SUBMODULES = (ownership,)
"""Imported for what they declare."""
