"""The APIs of L2 networks.

Those of L3 networks are in `l3_api`, of VIPs and EIPs in `vip_api`, imported here.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from zstack_mgmt.compute.hosts.store import exists, get_cluster
from zstack_mgmt.compute.networks import l3_api, movers, store, vip_api
from zstack_mgmt.compute.networks.model import L2Network, L2VlanNetwork
from zstack_mgmt.core.errors import DuplicateResource, InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.requests import DeleteRequest, UpdateRequest
from zstack_mgmt.core.values import Description, Reference, ResourceName, ResourceUuid, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.sharing.owners import found, tag
from zstack_mgmt.query.declare import query_api

JAVA = "org.zstack.header.network.l2"
Interface = Annotated[str, StringConstraints(min_length=1, max_length=128)]
job = partial(api, mode="job", access="admin", java=JAVA, category="l2Network")


class CreateL2NoVlanNetwork(ApiRequest):
    """Create an L2 network without a VLAN number in a zone.

    Source: ZStack's L2 network API.
    """

    name: ResourceName
    description: Description | None = None
    zone_uuid: Reference
    physical_interface: Interface
    resource_uuid: ResourceUuid | None = None


@job(
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


@job(
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
    if not await exists(conn, "zone", request.zone_uuid):
        raise ResourceNotFound(f"no zone has the uuid {request.zone_uuid}")
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


@job(
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


@job(DeleteL2Network, http="DELETE /v1/l2-networks/{uuid}", raises=(ResourceNotFound,))
async def delete_l2_network(call: Call, conn: Connection, request: DeleteL2Network) -> None:
    uuid = request.uuid_of("L2 network")
    await store.delete_l2(conn, uuid)


class AttachL2NetworkToCluster(ApiRequest):
    """Attach an L2 network to a cluster of its zone, so that VMs there can use it.

    Source: ZStack's L2 network API.
    """

    l2_network_uuid: Reference
    cluster_uuid: Reference


@job(
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
    cluster = found(await get_cluster(conn, cluster_uuid), "cluster", cluster_uuid)
    if cluster.zone_uuid != l2.zone_uuid:
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


@job(
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


query_l2_vlan_network = query_api(
    L2VlanNetwork, http="GET /v1/l2-networks/vlan", access="user", category="l2Network", java=JAVA
)
query_l2_network = query_api(
    L2Network, http="GET /v1/l2-networks", access="user", category="l2Network", java=JAVA
)

SUBMODULES = (l3_api, movers, vip_api)
"""Imported for what they declare."""
