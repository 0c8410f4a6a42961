"""The APIs of hosts. Those of clusters and candidates are in modules of that name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from zstack_mgmt.compute.hosts import candidates, clusters
from zstack_mgmt.compute.hosts.model import Cluster, Host
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
    existing,
)
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.requests import CreateRequest, UpdateRequest, UuidRequest
from zstack_mgmt.core.values import ExistingUuid, Secret
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers import protocol as drivers
from zstack_mgmt.drivers.protocol import Capacity, Driver, DriverError, derived_uuid
from zstack_mgmt.drivers.simulator import DEFAULT_CPUS, DEFAULT_MEMORY
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.tags import tag

ACTIONS = "PUT /v1/hosts/{uuid}/actions"
Address = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Amount = Annotated[int, Field(ge=0, le=2**62)]
adding = partial(
    api,
    mode="job",
    access="admin",
    category="host",
    returns=Host,
    raises=(ResourceNotFound, InvalidArgument, OperationError, DuplicateResource),
    outside=True,
    shared=("cluster_uuid",),
)
hosts = Resource(
    Host,
    "/v1/hosts",
    java="org.zstack.header.host",
    category="host",
    access="admin",
    source="ZStack's host API",
)


class AddKVMHost(CreateRequest):
    """Connect to a KVM host and add it, enabled, to a cluster.

    With the setting `KVM_DRIVER` at `simulator` nothing is contacted, and its VMs are only rows.

    Source: ZStack's host API.
    """

    management_ip: Address
    cluster_uuid: ExistingUuid
    username: Annotated[str, StringConstraints(max_length=255)]
    password: Annotated[str, StringConstraints(max_length=255), Secret("sealed")]
    ssh_port: Annotated[int, Field(ge=1, le=65535)] = 22


@adding(AddKVMHost, http="POST /v1/hosts/kvm", java="org.zstack.kvm")
async def add_kvm_host(call: Call, work: Outside, request: AddKVMHost) -> Host:
    login = (request.username, request.password, request.ssh_port)
    return await _add_host(call, work, request, "KVM", login, None)


class AddSimulatorHost(CreateRequest):
    """Add a simulated host, enabled, to a cluster. Memory in bytes; CPUs as many as VMs may have in all.

    Source: ZStack's host API.
    """

    management_ip: Address
    cluster_uuid: ExistingUuid
    memory_capacity: Amount = DEFAULT_MEMORY
    cpu_capacity: Amount = DEFAULT_CPUS


@adding(AddSimulatorHost, http="POST /v1/hosts/simulators", java="org.zstack.header.simulator")
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
        made = await rows.find(conn, Host, work.token, by="made_by", lock=None)
        return Plan(_site(call, work, row), None) if made is None else Done(made)

    async def act(driver: Driver, host: drivers.Host, _: None) -> drivers.Capacity:
        return await driver.capacity(host)

    async def conclude(conn: Connection, _: None, report: Report) -> Host | ApiError:
        if report.failure is not None:
            return OperationError(f"the host cannot be connected: {report.failure}")
        has = capacity or report.value
        cluster = await rows.get(conn, Cluster, request.cluster_uuid)
        if cluster.hypervisor_type != kind:
            raise InvalidArgument(f"clusterUuid: the cluster is for {cluster.hypervisor_type} hosts")
        values = {
            **row,
            "name": request.name,
            "description": request.description,
            "zone_uuid": cluster.zone_uuid,
            "cluster_uuid": cluster.uuid,
            "made_by": work.token,
            "status": "Connected",
            "cpu_sockets": has.cpu_sockets,
            "cpu_num": min(has.cpu_num, 2**31 - 1),
            "total_cpu_capacity": has.cpu_num,
            "available_cpu_capacity": has.cpu_num,
            "total_memory_capacity": has.memory_size,
            "available_memory_capacity": has.memory_size,
        }
        host = await rows.insert(conn, Host, values)
        await tag(conn, uuid, request)
        return host

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


hosts.update(UpdateHost, raises=(ResourceNotFound, InvalidArgument))


class ChangeHostState(ApiRequest):
    """Enable or disable a host, or take it into maintenance, for which its VMs are stopped.

    Source: ZStack's host API.
    """

    uuid: ExistingUuid
    state_event: Literal["enable", "disable", "maintain"]


@hosts.action(ChangeHostState, ACTIONS, raises=(ResourceNotFound,), outside=True)
async def change_host_state(call: Call, work: Outside, request: ChangeHostState) -> Host:
    states = {"enable": "Enabled", "disable": "Disabled", "maintain": "PreMaintenance"}
    async with work.transaction() as conn:
        host = await rows.update(conn, Host, request.uuid, {"state": states[request.state_event]})
    if request.state_event != "maintain":
        return host
    await clear_host(call, work, request.uuid)
    async with work.transaction() as conn:
        return await rows.update(conn, Host, request.uuid, {"state": "Maintenance"})


class ReconnectHost(UuidRequest):
    """Ask a host for a sign of life now; its VMs get the states that it reports.

    Source: ZStack's host API.
    """


@hosts.action(ReconnectHost, ACTIONS, raises=(ResourceNotFound, OperationError), outside=True)
async def reconnect_host(call: Call, work: Outside, request: ReconnectHost) -> Host:
    async with work.transaction() as conn:
        row = existing(await host_row(conn, request.uuid), "host", request.uuid)
    if not await check_host(call.services, work.transaction, row):
        raise OperationError(f"the host {request.uuid} does not answer")
    async with work.transaction() as conn:
        return await rows.get(conn, Host, request.uuid, lock=None)


async def empty_host(call: Call, conn: Connection, uuid: str) -> None:
    """Stop the VMs of a host, which takes no new ones any more."""
    if await rows.find(conn, Host, uuid, lock="NO KEY UPDATE") is not None:
        await rows.update(conn, Host, uuid, {"state": "Disabled"})
        await leave_host(conn, uuid)


hosts.delete("Delete a host; the VMs on it are Stopped. One that is gone is no error.", first=empty_host)
hosts.query(access="user")

SUBMODULES = (candidates, clusters)
"""Imported for what they declare."""
