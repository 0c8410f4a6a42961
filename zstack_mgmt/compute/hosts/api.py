"""The APIs of hosts. Those of clusters are in `clusters`, imported here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from zstack_mgmt.compute.hosts import clusters, store
from zstack_mgmt.compute.hosts.model import Host
from zstack_mgmt.compute.placement.sites import Site, site_of
from zstack_mgmt.compute.placement.store import host_row
from zstack_mgmt.compute.steps import Done, Plan, Report, run_step
from zstack_mgmt.compute.vms.evacuation import clear_host, leave_host
from zstack_mgmt.compute.vms.reconcile import check_host
from zstack_mgmt.core.errors import (
    ApiError,
    DuplicateResource,
    InvalidArgument,
    OperationError,
    ResourceNotFound,
)
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.requests import DeleteRequest, UpdateRequest, UuidRequest
from zstack_mgmt.core.values import Description, Reference, ResourceName, ResourceUuid, Secret
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers import protocol as drivers
from zstack_mgmt.drivers.protocol import Capacity, Driver, DriverError, derived_uuid
from zstack_mgmt.drivers.simulator import DEFAULT_CPUS, DEFAULT_MEMORY
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.identity.sharing.owners import found, tag
from zstack_mgmt.query.declare import query_api

JAVA = "org.zstack.header.host"
ACTIONS = "PUT /v1/hosts/{uuid}/actions"
Address = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Amount = Annotated[int, Field(ge=0, le=2**62)]
job = partial(api, mode="job", access="admin", java=JAVA, category="host")


class AddKVMHost(ApiRequest):
    """Connect to a KVM host and add it, enabled, to a cluster.

    With the setting `KVM_DRIVER` at `simulator` nothing is contacted, and its VMs are only rows.

    Source: ZStack's host API.
    """

    name: ResourceName
    description: Description | None = None
    management_ip: Address
    cluster_uuid: Reference
    username: Annotated[str, StringConstraints(max_length=255)]
    password: Annotated[str, StringConstraints(max_length=255), Secret("sealed")]
    ssh_port: Annotated[int, Field(ge=1, le=65535)] = 22
    resource_uuid: ResourceUuid | None = None


@job(
    AddKVMHost,
    http="POST /v1/hosts/kvm",
    java="org.zstack.kvm",
    returns=Host,
    raises=(ResourceNotFound, InvalidArgument, OperationError, DuplicateResource),
    outside=True,
    shared=("cluster_uuid",),
)
async def add_kvm_host(call: Call, work: Outside, request: AddKVMHost) -> Host:
    login = (request.username, request.password, request.ssh_port)
    return await _add_host(call, work, request, "KVM", login, None)


class AddSimulatorHost(ApiRequest):
    """Add a simulated host, enabled, to a cluster. Memory in bytes; CPUs as many as VMs may have in all.

    Source: ZStack's host API.
    """

    name: ResourceName
    description: Description | None = None
    management_ip: Address
    cluster_uuid: Reference
    memory_capacity: Amount = DEFAULT_MEMORY
    cpu_capacity: Amount = DEFAULT_CPUS
    resource_uuid: ResourceUuid | None = None


@job(
    AddSimulatorHost,
    http="POST /v1/hosts/simulators",
    java="org.zstack.header.simulator",
    returns=Host,
    raises=(ResourceNotFound, InvalidArgument, OperationError, DuplicateResource),
    outside=True,
    shared=("cluster_uuid",),
)
async def add_simulator_host(call: Call, work: Outside, request: AddSimulatorHost) -> Host:
    capacity = Capacity(1, request.cpu_capacity, request.memory_capacity)
    return await _add_host(call, work, request, "Simulator", (None, None, None), capacity)


async def _add_host(
    call: Call,
    work: Outside,
    request: AddKVMHost | AddSimulatorHost,
    kind: str,
    login: tuple[str | None, str | None, int | None],
    capacity: Capacity | None,
) -> Host:
    """Ask the host for its capacity, then insert it."""
    uuid = request.resource_uuid or derived_uuid(work.token, "host")
    row = {
        "uuid": uuid,
        "hypervisor_type": kind,
        "management_ip": request.management_ip,
        "username": login[0],
        "password": login[1],
        "ssh_port": login[2],
    }

    async def intend(conn: Connection) -> Plan[None] | Done[Host]:
        made = await store.host_of_job(conn, uuid, work.token)
        return Plan(_site(call, work, row), None) if made is None else Done(made)

    async def act(driver: Driver, host: drivers.Host, _: None) -> drivers.Capacity:
        return await driver.capacity(host)

    async def conclude(conn: Connection, _: None, report: Report) -> Host | ApiError:
        if report.failure is not None:
            return OperationError(f"the host cannot be connected: {report.failure}")
        has = capacity or report.value
        cluster = found(await store.get_cluster(conn, request.cluster_uuid), "cluster", request.cluster_uuid)
        if cluster.hypervisor_type != kind:
            raise InvalidArgument(f"clusterUuid: the cluster is for {cluster.hypervisor_type} hosts")
        await store.insert_host(
            conn, uuid, request.name, request.description, cluster, request.management_ip, login, work.token
        )
        await tag(conn, uuid, request)
        cpu_num = min(has.cpu_num, 2**31 - 1)
        host = await store.set_capacity(conn, uuid, has.cpu_sockets, cpu_num, has.cpu_num, has.memory_size)
        return found(host, "host", uuid)

    return await run_step(work, intend, act, conclude)


def _site(call: Call, work: Outside, row: Mapping[str, Any]) -> Site:
    try:
        return site_of(call.services, row, work.connection)
    except DriverError as failure:
        raise OperationError(f"the host cannot be connected: {failure}") from None


class UpdateHost(UpdateRequest):
    """Change a host's name, description or address.

    Source: ZStack's host API.
    """

    management_ip: Address | None = None


@job(UpdateHost, http=ACTIONS, returns=Host, raises=(ResourceNotFound, InvalidArgument))
async def update_host(call: Call, conn: Connection, request: UpdateHost) -> Host:
    host = await store.update_host(
        conn, request.uuid, request.name, request.description, management_ip=request.management_ip
    )
    return found(host, "host", request.uuid)


class ChangeHostState(ApiRequest):
    """Enable or disable a host, or take it into maintenance, for which its VMs are stopped.

    Source: ZStack's host API.
    """

    uuid: Reference
    state_event: Literal["enable", "disable", "maintain"]


@job(ChangeHostState, http=ACTIONS, returns=Host, raises=(ResourceNotFound,), outside=True)
async def change_host_state(call: Call, work: Outside, request: ChangeHostState) -> Host:
    states = {"enable": "Enabled", "disable": "Disabled", "maintain": "PreMaintenance"}
    async with work.transaction() as conn:
        host = await store.update_host(conn, request.uuid, state=states[request.state_event])
        host = found(host, "host", request.uuid)
    if request.state_event != "maintain":
        return host
    await clear_host(call, work, request.uuid)
    async with work.transaction() as conn:
        return found(await store.update_host(conn, request.uuid, state="Maintenance"), "host", request.uuid)


class ReconnectHost(UuidRequest):
    """Ask a host for a sign of life now; its VMs get the states that it reports.

    Source: ZStack's host API.
    """


@job(ReconnectHost, http=ACTIONS, returns=Host, raises=(ResourceNotFound, OperationError), outside=True)
async def reconnect_host(call: Call, work: Outside, request: ReconnectHost) -> Host:
    async with work.transaction() as conn:
        row = found(await host_row(conn, request.uuid), "host", request.uuid)
    if not await check_host(call.services, work.transaction, row):
        raise OperationError(f"the host {request.uuid} does not answer")
    async with work.transaction() as conn:
        return found(await store.get_host(conn, request.uuid), "host", request.uuid)


class DeleteHost(DeleteRequest):
    """Delete a host; the VMs on it are Stopped. One that is gone is no error.

    Source: ZStack's host API.
    """


@job(DeleteHost, http="DELETE /v1/hosts/{uuid}", raises=(ResourceNotFound,))
async def delete_host(call: Call, conn: Connection, request: DeleteHost) -> None:
    uuid = request.uuid_of("host")
    if await store.update_host(conn, uuid, state="Disabled") is not None:
        await leave_host(conn, uuid)
        await store.delete_host(conn, uuid)


query_host = query_api(Host, http="GET /v1/hosts", access="user", category="host", java=JAVA)

SUBMODULES = (clusters,)
"""Imported for what they declare."""
