"""The APIs of clusters."""

from __future__ import annotations

from zstack_mgmt.compute.hosts import store
from zstack_mgmt.compute.hosts.model import Cluster, HypervisorType
from zstack_mgmt.compute.images.model import Architecture
from zstack_mgmt.compute.vms.evacuation import leave_host
from zstack_mgmt.core.registry import Call
from zstack_mgmt.core.requests import CreateRequest
from zstack_mgmt.core.values import ExistingUuid
from zstack_mgmt.db import Connection
from zstack_mgmt.resources.declare import Resource

clusters = Resource(
    Cluster,
    "/v1/clusters",
    java="org.zstack.header.cluster",
    category="host",
    access="admin",
    source="ZStack's cluster API",
)


class CreateCluster(CreateRequest):
    """Create an enabled cluster in a zone. One of an architecture runs VMs of that alone.

    Source: ZStack's cluster API.
    """

    zone_uuid: ExistingUuid
    hypervisor_type: HypervisorType
    architecture: Architecture | None = None


async def set_states_inside(call: Call, conn: Connection, cluster: Cluster) -> None:
    """The hosts follow their cluster."""
    await store.set_states_in(conn, zone_uuid=None, cluster_uuid=cluster.uuid, state=cluster.state)


async def leave_hosts(call: Call, conn: Connection, uuid: str) -> None:
    """Stop the VMs on the hosts of a cluster."""
    for host_uuid in await store.lock_hosts_in(conn, uuid):
        await leave_host(conn, host_uuid)


clusters.create(CreateCluster)
clusters.update("Change a cluster's name or description.")
clusters.change_state(
    "Enable or disable a cluster and its hosts. No VM starts in a disabled one; those that run go on.",
    then=set_states_inside,
)
clusters.delete(
    "Delete a cluster with its hosts; the VMs on them are Stopped. One that is gone is no error.",
    first=leave_hosts,
)
clusters.query(access="user")
