"""The APIs of zones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zstack_mgmt.compute.hosts.store import lock_hosts_in, set_states_in
from zstack_mgmt.compute.vms.evacuation import delete_in_zone
from zstack_mgmt.compute.zones import store
from zstack_mgmt.compute.zones.model import Zone
from zstack_mgmt.core.registry import Call
from zstack_mgmt.core.requests import CreateRequest, UpdateRequest
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
    """Create an enabled zone. Of all zones one at most is the default: the last that was made it.

    Source: manual, "Overview > basic workflow"; `isDefault` is later ZStack's.
    """

    is_default: bool = False


class UpdateZone(UpdateRequest):
    """Change a zone's name or description, or whether it is the default one.

    Source: ZStack's zone API, in the pattern of the manual's overview.
    """

    is_default: bool | None = None


async def be_default(call: Call, conn: Connection, request: CreateZone | UpdateZone) -> Mapping[str, Any]:
    """No other zone is the default if this one is to be."""
    if request.is_default:
        await store.clear_default(conn)
    return {}


async def set_states_inside(call: Call, conn: Connection, zone: Zone) -> None:
    """The clusters and hosts follow their zone."""
    await set_states_in(conn, zone_uuid=zone.uuid, cluster_uuid=None, state=zone.state)


async def empty_zone(call: Call, conn: Connection, uuid: str) -> None:
    """Delete the VMs of a zone. From now on nothing comes into it; what is on its way there is waited for."""
    await rows.find(conn, Zone, uuid, lock="UPDATE")
    await lock_hosts_in(conn, uuid)
    await delete_in_zone(conn, uuid)


zones.create(CreateZone, values=be_default)
zones.update(UpdateZone, values=be_default)
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
