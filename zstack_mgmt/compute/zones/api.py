"""The APIs of zones."""

from __future__ import annotations

from zstack_mgmt.compute.hosts.store import lock_hosts_in, set_states_in
from zstack_mgmt.compute.vms.evacuation import delete_in_zone
from zstack_mgmt.compute.zones.model import Zone
from zstack_mgmt.core.registry import Call
from zstack_mgmt.core.requests import CreateRequest
from zstack_mgmt.db import Connection
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource

zones = Resource(
    Zone,
    "/v1/zones",
    java="org.zstack.header.zone",
    category="zone",
    access="admin",
    source="ZStack's zone API, in the pattern of the manual's overview",
)


class CreateZone(CreateRequest):
    """Create an enabled zone.

    Source: manual, "Overview > basic workflow".
    """


async def set_states_inside(call: Call, conn: Connection, zone: Zone) -> None:
    """The clusters and hosts follow their zone."""
    await set_states_in(conn, zone_uuid=zone.uuid, cluster_uuid=None, state=zone.state)


async def empty_zone(call: Call, conn: Connection, uuid: str) -> None:
    """Delete the VMs of a zone. From now on nothing comes into it; what is on its way there is waited for."""
    await rows.find(conn, Zone, uuid, lock="UPDATE")
    await lock_hosts_in(conn, uuid)
    await delete_in_zone(conn, uuid)


zones.create(CreateZone)
zones.update("Change a zone's name or description.")
zones.change_state(
    "Enable or disable a zone with its clusters and hosts.\n\n"
    "No VM starts in a disabled one; those that run go on.",
    then=set_states_inside,
)
zones.delete(
    "Delete a zone with all that is in it: clusters, hosts, networks and VMs.\n\n"
    "One that is gone already is no error.",
    first=empty_zone,
)
zones.query(access="user")
