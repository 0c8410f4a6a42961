"""The APIs of clusters."""

from __future__ import annotations

from typing import Any

from zstack_mgmt.errors import DuplicateResource, ResourceNotFound
from zstack_mgmt.hosts import store
from zstack_mgmt.hosts.model import Cluster, HypervisorType
from zstack_mgmt.query.declare import query_api
from zstack_mgmt.registry import ApiRequest, Call, api
from zstack_mgmt.sharing.owners import found, tag
from zstack_mgmt.values import (
    DeleteMode,
    Description,
    Reference,
    ResourceName,
    ResourceUuid,
    StateEvent,
    is_uuid,
    new_uuid,
)
from zstack_mgmt.vms.cascade import leave_host

JAVA = "org.zstack.header.cluster"
ACTIONS = "PUT /v1/clusters/{uuid}/actions"


class CreateCluster(ApiRequest):
    """Create an enabled cluster in a zone.

    Source: ZStack's cluster API.
    """

    zone_uuid: Reference
    name: ResourceName
    description: Description | None = None
    hypervisor_type: HypervisorType
    resource_uuid: ResourceUuid | None = None


@api(
    CreateCluster,
    http="POST /v1/clusters",
    mode="job",
    access="admin",
    java=JAVA,
    category="host",
    returns=Cluster,
    raises=(ResourceNotFound, DuplicateResource),
    shared=("zone_uuid",),
)
async def create_cluster(call: Call, conn: Any, request: CreateCluster) -> Cluster:
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


class UpdateCluster(ApiRequest):
    """Change a cluster's name or description.

    Source: ZStack's cluster API.
    """

    uuid: Reference
    name: ResourceName | None = None
    description: Description | None = None


@api(
    UpdateCluster,
    http=ACTIONS,
    mode="job",
    access="admin",
    java=JAVA,
    category="host",
    returns=Cluster,
    raises=(ResourceNotFound,),
)
async def update_cluster(call: Call, conn: Any, request: UpdateCluster) -> Cluster:
    row = await store.update_cluster(conn, request.uuid, request.name, request.description, None)
    return found(row, "cluster", request.uuid)


class ChangeClusterState(ApiRequest):
    """Enable or disable a cluster and its hosts. No VM starts in a disabled one; those that run go on.

    Source: ZStack's cluster API.
    """

    uuid: Reference
    state_event: StateEvent


@api(
    ChangeClusterState,
    http=ACTIONS,
    mode="job",
    access="admin",
    java=JAVA,
    category="host",
    returns=Cluster,
    raises=(ResourceNotFound,),
)
async def change_cluster_state(call: Call, conn: Any, request: ChangeClusterState) -> Cluster:
    state = "Enabled" if request.state_event == "enable" else "Disabled"
    cluster = found(
        await store.update_cluster(conn, request.uuid, None, None, state), "cluster", request.uuid
    )
    await store.set_states_in(conn, zone_uuid=None, cluster_uuid=request.uuid, state=state)
    return cluster


class DeleteCluster(ApiRequest):
    """Delete a cluster with its hosts; the VMs on them are Stopped. One that is gone is no error.

    Source: ZStack's cluster API.
    """

    uuid: Reference
    delete_mode: DeleteMode = "Permissive"


@api(
    DeleteCluster,
    http="DELETE /v1/clusters/{uuid}",
    mode="job",
    access="admin",
    java=JAVA,
    category="host",
    raises=(ResourceNotFound,),
)
async def delete_cluster(call: Call, conn: Any, request: DeleteCluster) -> None:
    if not is_uuid(request.uuid):
        raise ResourceNotFound(f"no cluster has the uuid {request.uuid}")
    for host_uuid in await store.lock_hosts_in(conn, request.uuid):
        await leave_host(conn, host_uuid)
    await store.delete_cluster(conn, request.uuid)


query_cluster = query_api(Cluster, http="GET /v1/clusters", access="user", category="host", java=JAVA)
