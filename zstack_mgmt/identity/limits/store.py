"""The SQL of registered limits, and of the limits of projects and domains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zstack_mgmt.db import Connection
from zstack_mgmt.identity.domain_quotas.model import ITEMS, NO_LIMIT


@dataclass(frozen=True, slots=True)
class Filters:
    """Which limits are listed; None: any."""

    service_id: str | None = None
    region_id: str | None = None
    resource_name: str | None = None
    project_uuid: str | None = None
    domain_uuid: str | None = None
    within_account: str | None = None  # of this domain and its projects
    within_project: str | None = None


async def find_registered(conn: Connection, uuid: str) -> Any:
    """The registered limit's row, or None."""
    return await conn.fetchrow("SELECT * FROM registered_limits WHERE uuid = $1", uuid)


async def lock_registered(
    conn: Connection, service_id: str, region_id: str | None, resource_name: str
) -> Any:
    """The registered limit of the resource, which stays until the transaction ends; None: there is none."""
    return await conn.fetchrow(
        """
        SELECT uuid AS registered_uuid, resource_name, default_limit FROM registered_limits
        WHERE service_id = $1 AND region_id IS NOT DISTINCT FROM $2 AND resource_name = $3 FOR SHARE
        """,
        service_id,
        region_id,
        resource_name,
    )


async def list_registered(conn: Connection, filters: Filters, since: str, limit: int) -> list[Any]:
    """Registered limits by uuid, from the given one on."""
    return await conn.fetch(
        """
        SELECT * FROM registered_limits
        WHERE ($1::text IS NULL OR service_id = $1) AND ($2::text IS NULL OR region_id = $2)
          AND ($3::text IS NULL OR resource_name = $3) AND uuid >= $4
        ORDER BY uuid LIMIT $5
        """,
        filters.service_id,
        filters.region_id,
        filters.resource_name,
        since,
        limit,
    )


async def insert_registered(conn: Connection, values: Mapping[str, Any]) -> None:
    """A new registered limit."""
    await conn.execute(
        """
        INSERT INTO registered_limits (uuid, service_id, region_id, resource_name, default_limit, description)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        values["uuid"],
        values["service_id"],
        values["region_id"],
        values["resource_name"],
        values["default_limit"],
        values["description"],
    )


async def update_registered(conn: Connection, uuid: str, values: Mapping[str, Any]) -> None:
    """Set all of a registered limit."""
    await conn.execute(
        """
        UPDATE registered_limits
        SET service_id = $2, region_id = $3, resource_name = $4, default_limit = $5, description = $6
        WHERE uuid = $1
        """,
        uuid,
        values["service_id"],
        values["region_id"],
        values["resource_name"],
        values["default_limit"],
        values["description"],
    )


async def is_overridden(conn: Connection, uuid: str) -> bool:
    """Whether a project or domain has a limit of its own for what the registered one is for; locks it."""
    await conn.execute("SELECT FROM registered_limits WHERE uuid = $1 FOR UPDATE", uuid)
    return bool(await conn.fetchval("SELECT true FROM limits WHERE registered_uuid = $1 LIMIT 1", uuid))


async def delete_registered(conn: Connection, uuid: str) -> None:
    """Delete a registered limit that no limit overrides."""
    await conn.execute("DELETE FROM registered_limits WHERE uuid = $1", uuid)


async def find_limit(conn: Connection, uuid: str) -> Any:
    """The limit as `list_limits` gives it, or None."""
    return next(iter(await list_limits(conn, Filters(), "", 1, uuid=uuid)), None)


async def list_limits(
    conn: Connection, filters: Filters, since: str, limit: int, *, uuid: str | None = None
) -> list[Any]:
    """Limits by uuid, from the given one on, with what they are for.

    That of a domain is the domain's quota, where the item is one of those.
    """
    return await conn.fetch(
        """
        SELECT l.uuid, l.project_uuid, l.domain_uuid, l.description, l.registered_uuid, r.service_id,
               r.region_id, r.resource_name, r.default_limit,
               coalesce(l.domain_uuid, p.account_uuid) AS account_uuid,
               CASE WHEN l.domain_uuid IS NULL OR m.item IS NULL THEN l.value
                    WHEN q.value = $12 THEN -1
                    ELSE coalesce(trunc(q.value / m.unit), trunc(d.value), -1) END::bigint AS value
        FROM limits l JOIN registered_limits r ON r.uuid = l.registered_uuid
        LEFT JOIN projects p ON p.uuid = l.project_uuid
        LEFT JOIN unnest($9::text[], $10::text[], $11::bigint[]) AS m (item, quota, unit)
               ON m.item = r.resource_name
        LEFT JOIN quotas q ON q.identity_uuid = l.domain_uuid AND q.name = m.quota
        LEFT JOIN domain_quotas d ON d.account_uuid = l.domain_uuid AND d.item = m.item
        WHERE ($1::text IS NULL OR r.service_id = $1) AND ($2::text IS NULL OR r.region_id = $2)
          AND ($3::text IS NULL OR r.resource_name = $3) AND ($4::text IS NULL OR l.project_uuid = $4)
          AND ($5::text IS NULL OR l.domain_uuid = $5)
          AND ($6::text IS NULL OR coalesce(l.domain_uuid, p.account_uuid) = $6)
          AND ($7::text IS NULL OR l.project_uuid = $7) AND ($8::text IS NULL OR l.uuid = $8)
          AND l.uuid >= $13
        ORDER BY l.uuid LIMIT $14
        """,
        filters.service_id,
        filters.region_id,
        filters.resource_name,
        filters.project_uuid,
        filters.domain_uuid,
        filters.within_account,
        filters.within_project,
        uuid,
        list(ITEMS),
        [item.quotas[0] if item.quotas else None for item in ITEMS.values()],
        [item.unit for item in ITEMS.values()],
        NO_LIMIT,
        since,
        limit,
    )


async def insert_limit(conn: Connection, values: Mapping[str, Any]) -> None:
    """A new limit of a project or a domain."""
    await conn.execute(
        """
        INSERT INTO limits (uuid, registered_uuid, project_uuid, domain_uuid, value, description)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        values["uuid"],
        values["registered_uuid"],
        values["project_uuid"],
        values["domain_uuid"],
        values["value"],
        values["description"],
    )


async def update_limit(conn: Connection, uuid: str, value: int, description: str | None) -> None:
    """Set what can change of a limit."""
    await conn.execute(
        "UPDATE limits SET value = $2, description = $3 WHERE uuid = $1", uuid, value, description
    )


async def delete_limit(conn: Connection, uuid: str) -> None:
    """Delete a limit."""
    await conn.execute("DELETE FROM limits WHERE uuid = $1", uuid)


async def limit_of_domain(conn: Connection, registered_uuid: str, account_uuid: str) -> int | None:
    """The domain's own limit for this, or None."""
    return await conn.fetchval(
        "SELECT value FROM limits WHERE registered_uuid = $1 AND domain_uuid = $2",
        registered_uuid,
        account_uuid,
    )
