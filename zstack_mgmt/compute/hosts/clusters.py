"""The APIs of clusters."""

from __future__ import annotations

from functools import partial

from zstack_mgmt.compute.hosts import store
from zstack_mgmt.compute.hosts.model import Cluster, HypervisorType
from zstack_mgmt.compute.vms.evacuation import leave_host
from zstack_mgmt.core.errors import DuplicateResource, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.requests import DeleteRequest, StateRequest, UpdateRequest
from zstack_mgmt.core.values import Description, Reference, ResourceName, ResourceUuid, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.sharing.owners import found, tag
from zstack_mgmt.query.declare import query_api

JAVA = "org.zstack.header.cluster"
ACTIONS = "PUT /v1/clusters/{uuid}/actions"
job = partial(api, mode="job", access="admin", java=JAVA, category="host")


class CreateCluster(ApiRequest):
    """Create an enabled cluster in a zone.

    Source: ZStack's cluster API.
    """

    zone_uuid: Reference
    name: ResourceName
    description: Description | None = None
    hypervisor_type: HypervisorType
    resource_uuid: ResourceUuid | None = None


@job(
    CreateCluster,
    http="POST /v1/clusters",
    returns=Cluster,
    raises=(ResourceNotFound, DuplicateResource),
    shared=("zone_uuid",),
)
async def create_cluster(call: Call, conn: Connection, request: CreateCluster) -> Cluster:
    if not await store.exists(conn, "zone", request.zone_uuid):
        raise ResourceNotFound(f"no zone has the uuid {request.zone_uuid}")
    cluster = await store.insert_cluster(
        conn,
        request.resource_uuid or new_uuid(),
        request.name,
        request.description,
        request.zone_uuid,
        request.hypervisor_type,
    )
    await tag(conn, cluster.uuid, request)
    return cluster


class UpdateCluster(UpdateRequest):
    """Change a cluster's name or description.

    Source: ZStack's cluster API.
    """


@job(UpdateCluster, http=ACTIONS, returns=Cluster, raises=(ResourceNotFound,))
async def update_cluster(call: Call, conn: Connection, request: UpdateCluster) -> Cluster:
    row = await store.update_cluster(conn, request.uuid, request.name, request.description, None)
    return found(row, "cluster", request.uuid)


class ChangeClusterState(StateRequest):
    """Enable or disable a cluster and its hosts. No VM starts in a disabled one; those that run go on.

    Source: ZStack's cluster API.
    """


@job(ChangeClusterState, http=ACTIONS, returns=Cluster, raises=(ResourceNotFound,))
async def change_cluster_state(call: Call, conn: Connection, request: ChangeClusterState) -> Cluster:
    cluster = found(
        await store.update_cluster(conn, request.uuid, None, None, request.state), "cluster", request.uuid
    )
    await store.set_states_in(conn, zone_uuid=None, cluster_uuid=request.uuid, state=request.state)
    return cluster


class DeleteCluster(DeleteRequest):
    """Delete a cluster with its hosts; the VMs on them are Stopped. One that is gone is no error.

    Source: ZStack's cluster API.
    """


@job(DeleteCluster, http="DELETE /v1/clusters/{uuid}", raises=(ResourceNotFound,))
async def delete_cluster(call: Call, conn: Connection, request: DeleteCluster) -> None:
    uuid = request.uuid_of("cluster")
    for host_uuid in await store.lock_hosts_in(conn, uuid):
        await leave_host(conn, host_uuid)
    await store.delete_cluster(conn, uuid)


query_cluster = query_api(Cluster, http="GET /v1/clusters", access="user", category="host", java=JAVA)
