"""The SQL of the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from zstack_mgmt.db import Connection, Lock
from zstack_mgmt.identity.catalog.model import IDENTITY_SERVICE


async def lock(conn: Connection) -> None:
    """Change the catalog in turn, until the transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock($1, 0)", Lock.CATALOG)


async def hold(conn: Connection) -> None:
    """Keep the catalog as it is until the transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock_shared($1, 0)", Lock.CATALOG)


async def missing_place(
    conn: Connection, service_id: str | None, region_id: str | None, own_region: str
) -> str:
    """What is wrong about the service or the region of a limit; empty: nothing. None names nothing."""
    if service_id not in (None, IDENTITY_SERVICE) and await service(conn, service_id or "") is None:
        return f"service_id: no service has the id {service_id}"
    if region_id not in (None, own_region) and await region(conn, region_id or "") is None:
        return "region_id: there is no such region"
    return ""


async def regions(conn: Connection) -> list[Any]:
    """All regions that are stored."""
    return await conn.fetch("SELECT id, parent_id, description, extra FROM catalog_regions ORDER BY id")


async def region(conn: Connection, id: str) -> Any:  # noqa: A002 (the catalog's word)
    """The region's row, or None."""
    return await conn.fetchrow(
        "SELECT id, parent_id, description, extra FROM catalog_regions WHERE id = $1", id
    )


async def insert_region(conn: Connection, values: Mapping[str, Any]) -> None:
    """A new region."""
    await conn.execute(
        """
        INSERT INTO catalog_regions (id, parent_id, description, extra) VALUES ($1, $2, $3, $4::text::jsonb)
        """,
        values["id"],
        values["parent_id"],
        values["description"],
        orjson.dumps(values["extra"]).decode(),
    )


async def need_region(conn: Connection, id: str) -> None:  # noqa: A002
    """Store the region unless it is there."""
    await conn.execute("INSERT INTO catalog_regions (id) VALUES ($1) ON CONFLICT DO NOTHING", id)


async def update_region(conn: Connection, values: Mapping[str, Any]) -> None:
    """Set all of a region but its id."""
    await conn.execute(
        "UPDATE catalog_regions SET parent_id = $2, description = $3, extra = $4::text::jsonb WHERE id = $1",
        values["id"],
        values["parent_id"],
        values["description"],
        orjson.dumps(values["extra"]).decode(),
    )


async def regions_below(conn: Connection, id: str) -> list[str]:  # noqa: A002
    """The region and all that are inside it."""
    rows = await conn.fetch(
        """
        WITH RECURSIVE below AS (
            SELECT id FROM catalog_regions WHERE id = $1
            UNION SELECT r.id FROM catalog_regions r JOIN below b ON r.parent_id = b.id)
        SELECT id FROM below
        """,
        id,
    )
    return [row[0] for row in rows]


async def is_region_used(conn: Connection, ids: list[str]) -> bool:
    """Whether an endpoint or a registered limit is for one of the regions."""
    return await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM catalog_endpoints WHERE region_id = ANY ($1))
            OR EXISTS (SELECT FROM registered_limits WHERE region_id = ANY ($1))
        """,
        ids,
    )


async def delete_region(conn: Connection, id: str) -> None:  # noqa: A002
    """Delete a region and those inside it."""
    await conn.execute("DELETE FROM catalog_regions WHERE id = $1", id)


async def services(conn: Connection) -> list[Any]:
    """All services that are stored."""
    return await conn.fetch(
        "SELECT uuid, type, name, description, enabled, extra FROM catalog_services ORDER BY uuid"
    )


async def service(conn: Connection, uuid: str) -> Any:
    """The service's row, or None."""
    return await conn.fetchrow(
        "SELECT uuid, type, name, description, enabled, extra FROM catalog_services WHERE uuid = $1", uuid
    )


async def insert_service(conn: Connection, values: Mapping[str, Any]) -> None:
    """A new service."""
    await conn.execute(
        """
        INSERT INTO catalog_services (uuid, type, name, description, enabled, extra)
        VALUES ($1, $2, $3, $4, $5, $6::text::jsonb)
        """,
        *_service(values),
    )


async def update_service(conn: Connection, values: Mapping[str, Any]) -> None:
    """Set all of a service but its uuid."""
    await conn.execute(
        """
        UPDATE catalog_services
        SET type = $2, name = $3, description = $4, enabled = $5, extra = $6::text::jsonb WHERE uuid = $1
        """,
        *_service(values),
    )


def _service(values: Mapping[str, Any]) -> list[Any]:
    columns = [values[name] for name in ("uuid", "type", "name", "description", "enabled")]
    return [*columns, orjson.dumps(values["extra"]).decode()]


async def is_service_used(conn: Connection, uuid: str) -> bool:
    """Whether a registered limit is of the service."""
    return await conn.fetchval("SELECT EXISTS (SELECT FROM registered_limits WHERE service_id = $1)", uuid)


async def delete_service(conn: Connection, uuid: str) -> None:
    """Delete a service with its endpoints."""
    await conn.execute("DELETE FROM catalog_services WHERE uuid = $1", uuid)


async def endpoints(conn: Connection) -> list[Any]:
    """All endpoints that are stored, with the type, the name and the state of their services."""
    return await conn.fetch(
        """
        SELECT e.uuid, e.service_uuid, e.region_id, e.interface, e.url, e.enabled, e.extra,
               s.type AS service_type, s.name AS service_name, s.enabled AS service_enabled
        FROM catalog_endpoints e JOIN catalog_services s ON s.uuid = e.service_uuid ORDER BY e.uuid
        """
    )


async def versioned_endpoints(conn: Connection) -> tuple[object, list[Any]]:
    """The version of the catalog, and what `endpoints` says of that version."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        version = await conn.fetchval("SELECT version FROM catalog_versions")
        return version, await endpoints(conn)


async def endpoint(conn: Connection, uuid: str) -> Any:
    """The endpoint's row, or None."""
    return await conn.fetchrow(
        """
        SELECT uuid, service_uuid, region_id, interface, url, enabled, extra FROM catalog_endpoints
        WHERE uuid = $1
        """,
        uuid,
    )


async def insert_endpoint(conn: Connection, values: Mapping[str, Any]) -> None:
    """A new endpoint."""
    await conn.execute(
        """
        INSERT INTO catalog_endpoints (uuid, service_uuid, region_id, interface, url, enabled, extra)
        VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb)
        """,
        *_endpoint(values),
    )


async def update_endpoint(conn: Connection, values: Mapping[str, Any]) -> None:
    """Set all of an endpoint but its uuid."""
    await conn.execute(
        """
        UPDATE catalog_endpoints
        SET service_uuid = $2, region_id = $3, interface = $4, url = $5, enabled = $6, extra = $7::text::jsonb
        WHERE uuid = $1
        """,
        *_endpoint(values),
    )


def _endpoint(values: Mapping[str, Any]) -> list[Any]:
    names = ("uuid", "service_uuid", "region_id", "interface", "url", "enabled")
    return [*(values[name] for name in names), orjson.dumps(values["extra"]).decode()]


async def delete_endpoint(conn: Connection, uuid: str) -> None:
    """Delete an endpoint."""
    await conn.execute("DELETE FROM catalog_endpoints WHERE uuid = $1", uuid)
