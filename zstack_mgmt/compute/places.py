"""Zones, clusters and hosts as places that a request names."""

from __future__ import annotations

from typing import Literal

from zstack_mgmt.core.errors import ResourceNotFound, existing
from zstack_mgmt.db import Connection

_TYPES = {"zone": "ZoneVO", "cluster": "ClusterVO", "host": "HostVO"}


async def require(conn: Connection, kind: Literal["zone", "cluster", "host"], uuid: str | None) -> None:
    """Raise ResourceNotFound unless there is such a place, or none is named."""
    if uuid is not None and not await conn.fetchval(
        "SELECT true FROM resources WHERE uuid = $1 AND resource_type = $2", uuid, _TYPES[kind]
    ):
        raise ResourceNotFound(f"no {kind} has the uuid {uuid}")


async def zone_of_cluster(conn: Connection, uuid: str) -> str:
    """The zone of a cluster, which cannot be deleted until the transaction ends; raises ResourceNotFound."""
    zone_uuid = await conn.fetchval("SELECT zone_uuid FROM clusters WHERE uuid = $1 FOR KEY SHARE", uuid)
    return existing(zone_uuid, "cluster", uuid)
