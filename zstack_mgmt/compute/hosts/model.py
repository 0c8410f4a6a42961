"""Clusters and hosts as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.doc import Doc

HypervisorType = Literal["KVM", "Simulator"]
HostState = Literal["Enabled", "Disabled", "PreMaintenance", "Maintenance"]
HostStatus = Literal["Connecting", "Connected", "Disconnected"]


@inventory(
    "org.zstack.header.cluster.ClusterInventory",
    table="clusters",
    links=(
        Link("zone", "Zone", "zone_uuid", "uuid"),
        Link("host", "Host", "uuid", "cluster_uuid"),
        Link("vmInstance", "VmInstance", "uuid", "cluster_uuid"),
        Link(
            "l2Network",
            "L2Network",
            "uuid",
            "uuid",
            through=("l2_network_clusters", "cluster_uuid", "l2_network_uuid"),
        ),
        Link(
            "l2VlanNetwork",
            "L2VlanNetwork",
            "uuid",
            "uuid",
            through=("l2_network_clusters", "cluster_uuid", "l2_network_uuid"),
        ),
    ),
)
class Cluster(Inventory):
    """Hosts of one kind that share their networks. Source: ZStack's cluster API."""

    uuid: str
    name: str
    description: str | None
    state: Literal["Enabled", "Disabled"]
    hypervisor_type: HypervisorType
    zone_uuid: str
    type: str
    architecture: str | None
    create_date: datetime
    last_op_date: datetime


@inventory(
    "org.zstack.header.host.HostInventory",
    table="hosts",
    hidden=("username", "password", "ssh_port", "made_by"),
    links=(
        Link("zone", "Zone", "zone_uuid", "uuid"),
        Link("cluster", "Cluster", "cluster_uuid", "uuid"),
        Link("vmInstance", "VmInstance", "uuid", "host_uuid"),
    ),
    computed={
        "architecture": "(SELECT c.architecture FROM clusters c WHERE c.uuid = {row}.cluster_uuid)",
    },
)
class Host(Inventory):
    """A machine that runs VMs. Capacities: virtual CPUs and bytes. Source: ZStack's host API."""

    uuid: str
    name: str
    description: str | None
    zone_uuid: str
    cluster_uuid: str
    management_ip: Annotated[str, Doc("address at which the driver reaches it")]
    hypervisor_type: HypervisorType
    state: Annotated[
        HostState, Doc("a Disabled one takes no new VM; one in Maintenance has given up its VMs")
    ]
    status: Annotated[HostStatus, Doc("whether it answers")]
    total_cpu_capacity: Annotated[int, Doc("virtual CPUs that it can give out")]
    available_cpu_capacity: Annotated[int, Doc("virtual CPUs that are free")]
    cpu_sockets: Annotated[int, Doc("processors of the machine")]
    cpu_num: Annotated[int, Doc("CPUs of the machine")]
    total_memory_capacity: Annotated[int, Doc("bytes that it can give out")]
    available_memory_capacity: Annotated[int, Doc("bytes that are free")]
    architecture: str | None = None
    create_date: datetime
    last_op_date: datetime
