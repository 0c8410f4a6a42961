"""Where a VM could start: the rules of placement, asked and not acted on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from zstack_mgmt.compute.hosts.model import Cluster, Host
from zstack_mgmt.compute.vms.model import VmInstance
from zstack_mgmt.core.errors import ResourceNotFound
from zstack_mgmt.core.registry import Call, api
from zstack_mgmt.core.requests import UuidRequest
from zstack_mgmt.db import Connection
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.owners import scope_of


class GetVmStartingCandidateClustersHosts(UuidRequest):
    """List the hosts that have room for a VM and may run it, the emptiest first, and their clusters.

    Another VM may take the room before this one starts.

    Source: ZStack's VM API.
    """


def _classes(body: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{name}[{i}]": kind.meta.java_class
        for name, kind in (("hosts", Host), ("clusters", Cluster))
        for i in range(len(body[name]))
    }


class StartingCandidates(TypedDict):
    """Where a VM can be started."""

    hosts: list[Host]
    clusters: list[Cluster]


@api(
    GetVmStartingCandidateClustersHosts,
    http="GET /v1/vm-instances/{uuid}/starting-target-hosts",
    mode="sync",
    access="user",
    java="org.zstack.header.vm",
    category="instance",
    is_read=True,
    response_key="",
    raises=(ResourceNotFound,),
    describe=_classes,
)
async def get_starting_candidates(
    call: Call, conn: Connection, request: GetVmStartingCandidateClustersHosts
) -> StartingCandidates:
    vm = await rows.get(conn, VmInstance, request.uuid, scope_of(call), lock=None)
    fitting = await conn.fetch("SELECT * FROM fitting_hosts($1, NULL, NULL, true)", vm.uuid)
    found = [await rows.find(conn, Host, row[0], lock=None) for row in fitting]
    hosts = [host for host in found if host is not None]
    uuids = dict.fromkeys(host.cluster_uuid for host in hosts)
    clusters = [await rows.find(conn, Cluster, uuid, lock=None) for uuid in uuids]
    return {"hosts": hosts, "clusters": [cluster for cluster in clusters if cluster is not None]}
