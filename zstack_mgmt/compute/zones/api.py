"""The APIs of zones."""

from __future__ import annotations

from functools import partial

from zstack_mgmt.compute.hosts.store import lock_hosts_in, set_states_in
from zstack_mgmt.compute.vms.evacuation import delete_in_zone
from zstack_mgmt.compute.zones import store
from zstack_mgmt.compute.zones.model import Zone
from zstack_mgmt.core.errors import DuplicateResource, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.requests import DeleteRequest, StateRequest, UpdateRequest
from zstack_mgmt.core.values import Description, ResourceName, ResourceUuid, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.sharing.owners import tag
from zstack_mgmt.query.declare import query_api

JAVA = "org.zstack.header.zone"
job = partial(api, mode="job", access="admin", java=JAVA, category="zone")


class CreateZone(ApiRequest):
    """Create an enabled zone.

    Source: manual, "Overview > basic workflow".
    """

    name: ResourceName
    description: Description | None = None
    resource_uuid: ResourceUuid | None = None


@job(CreateZone, http="POST /v1/zones", returns=Zone, raises=(DuplicateResource,))
async def create_zone(call: Call, conn: Connection, request: CreateZone) -> Zone:
    uuid = request.resource_uuid or new_uuid()
    zone = await store.insert_zone(conn, uuid, request.name, request.description)
    await tag(conn, uuid, request)
    return zone


class UpdateZone(UpdateRequest):
    """Change a zone's name or description.

    Source: ZStack's zone API, in the pattern of the manual's overview.
    """


@job(UpdateZone, http="PUT /v1/zones/{uuid}/actions", returns=Zone, raises=(ResourceNotFound,))
async def update_zone(call: Call, conn: Connection, request: UpdateZone) -> Zone:
    return _found(
        await store.update_zone(conn, request.uuid, request.name, request.description, None), request.uuid
    )


class ChangeZoneState(StateRequest):
    """Enable or disable a zone with its clusters and hosts.

    No VM starts in a disabled one; those that run go on.

    Source: ZStack's zone API, in the pattern of the manual's overview.
    """


@job(ChangeZoneState, http="PUT /v1/zones/{uuid}/actions", returns=Zone, raises=(ResourceNotFound,))
async def change_zone_state(call: Call, conn: Connection, request: ChangeZoneState) -> Zone:
    zone = _found(await store.update_zone(conn, request.uuid, None, None, request.state), request.uuid)
    await set_states_in(conn, zone_uuid=request.uuid, cluster_uuid=None, state=request.state)
    return zone


class DeleteZone(DeleteRequest):
    """Delete a zone with all that is in it: clusters, hosts, networks and VMs.

    One that is gone already is no error.

    Source: ZStack's zone API, in the pattern of the manual's overview.
    """


@job(DeleteZone, http="DELETE /v1/zones/{uuid}", raises=(ResourceNotFound,))
async def delete_zone(call: Call, conn: Connection, request: DeleteZone) -> None:
    uuid = request.uuid_of("zone")
    await store.lock_zone(conn, uuid)
    await lock_hosts_in(conn, uuid)
    await delete_in_zone(conn, uuid)
    await store.delete_zone(conn, uuid)


def _found(zone: Zone | None, uuid: str) -> Zone:
    if zone is None:
        raise ResourceNotFound(f"no zone has the uuid {uuid}")
    return zone


query_zone = query_api(Zone, http="GET /v1/zones", access="user", category="zone", java=JAVA)
