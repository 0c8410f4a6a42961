"""The SQL of prices and usage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zstack_mgmt.billing.model import Tariff, Usage
from zstack_mgmt.billing.units import time_unit_ms, unit_bytes
from zstack_mgmt.db import Connection


async def now_ms(conn: Connection) -> int:
    """The database's clock, in ms."""
    return await conn.fetchval("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")


async def tariffs(conn: Connection) -> dict[str, list[Tariff]]:
    """The prices of each resource in their order; of those that begin together the one made last."""
    rows = await conn.fetch(
        """
        SELECT p.*, lead(date_in_long) OVER (PARTITION BY resource_name ORDER BY date_in_long) AS end_ms
        FROM (
            SELECT DISTINCT ON (resource_name, date_in_long)
                   resource_name, resource_unit, time_unit, price, date_in_long
            FROM prices ORDER BY resource_name, date_in_long, seq DESC) p
        ORDER BY resource_name, date_in_long
        """
    )
    found: dict[str, list[Tariff]] = {}
    for row in rows:
        unit = row["resource_unit"]
        found.setdefault(row["resource_name"], []).append(
            Tariff(
                amount=row["price"],
                unit_bytes=unit_bytes(unit) if unit else 0,
                time_unit_ms=time_unit_ms(row["time_unit"]),
                start=row["date_in_long"],
                end=row["end_ms"],
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Use:
    """A resource of one size that may be paid for."""

    kind: str
    resource_uuid: str
    name: str
    cpu_num: int
    size: int  # bytes


async def observe(conn: Connection, paid_by: str | None, *uses: Use, at_ms: int | None = None) -> None:
    """Note who pays for the resources from a moment on, and for what size; None: nobody.

    Saying what is the case already changes nothing. A moment before the present stretch began counts as its
    beginning, so that a clock set back never makes a stretch of negative length.

    Args:
        at_ms: the moment; None: now, by the database's clock.
    """
    await conn.execute(
        """
        WITH seen AS (
            SELECT *, coalesce($2, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS at_ms
            FROM unnest($3::text[], $4::text[], $5::text[], $6::int[], $7::bigint[])
                 AS s (kind, uuid, name, cpu_num, size)
        ), closed AS (
            UPDATE usages u SET ended_at = greatest(started_at, s.at_ms) FROM seen s
            WHERE u.resource_uuid = s.uuid AND u.kind = s.kind AND u.ended_at IS NULL
              AND (u.account_uuid, u.cpu_num, u.size) IS DISTINCT FROM ($1::text, s.cpu_num, s.size)
            RETURNING u.id
        )
        INSERT INTO usages (resource_uuid, kind, started_at, account_uuid, cpu_num, size, resource_name)
        SELECT uuid, kind, at_ms, $1, cpu_num, size, name FROM seen
        WHERE (SELECT count(*) FROM closed) >= 0 AND $1 IS NOT NULL  -- what is closed is closed first
        ON CONFLICT (resource_uuid, kind) WHERE ended_at IS NULL DO NOTHING
        """,
        paid_by,
        at_ms,
        [use.kind for use in uses],
        [use.resource_uuid for use in uses],
        [use.name for use in uses],
        [use.cpu_num for use in uses],
        [use.size for use in uses],
    )


async def hand_over(conn: Connection, account_uuid: str, to_account_uuid: str) -> None:
    """All that an account pays for at this moment is paid for by another one from now on."""
    await conn.execute(
        """
        WITH closed AS (
            UPDATE usages SET ended_at = greatest(started_at, $3) WHERE account_uuid = $1 AND ended_at IS NULL
            RETURNING *)
        INSERT INTO usages (resource_uuid, kind, started_at, account_uuid, cpu_num, size, resource_name)
        SELECT resource_uuid, kind, ended_at, $2, cpu_num, size, resource_name FROM closed
        """,
        account_uuid,
        to_account_uuid,
        await now_ms(conn),
    )


async def was_used(conn: Connection, resource_uuid: str, *, still: bool) -> bool:
    """Whether the resource has been paid for before, or with `still` is being paid for."""
    return bool(
        await conn.fetchval(
            "SELECT true FROM usages WHERE resource_uuid = $1 AND (ended_at IS NULL OR NOT $2) LIMIT 1",
            resource_uuid,
            still,
        )
    )


async def stretches(conn: Connection, account_uuid: str, start: int, end: int, limit: int) -> list[Usage]:
    """The account's stretches inside [start, end) ms, clipped to it; at most `limit` of them, in no order."""
    rows = await conn.fetch(
        """
        SELECT kind, resource_uuid, cpu_num, size, greatest(started_at, $2) AS start,
               least(ended_at, $3) AS end, least(ended_at, $3) - greatest(started_at, $2) AS ms
        FROM usages_within($1, $2, $3) LIMIT $4
        """,
        account_uuid,
        start,
        end,
        limit,
    )
    return [Usage(**dict(row)) for row in rows]


async def sums(conn: Connection, account_uuid: str, edges: Sequence[int]) -> list[Usage]:
    """The stretches between each two neighbours of the moments (ms), added up for each resource and size."""
    rows = await conn.fetch(
        """
        SELECT u.kind, u.resource_uuid, u.cpu_num, u.size,
               min(greatest(u.started_at, e.first)) AS start, max(least(u.ended_at, e.last)) AS end,
               sum(least(u.ended_at, e.last) - greatest(u.started_at, e.first))::bigint AS ms
        FROM unnest($2::bigint[], $3::bigint[]) AS e (first, last)
        CROSS JOIN LATERAL usages_within($1, e.first, e.last) u
        GROUP BY e.first, u.resource_uuid, u.kind, u.cpu_num, u.size
        """,
        account_uuid,
        edges[:-1],
        edges[1:],
    )
    return [Usage(**dict(row)) for row in rows]


async def names(conn: Connection, uuids: Sequence[str]) -> dict[str, str]:
    """The names of resources that were used: the present ones, or the last that were written down."""
    rows = await conn.fetch(
        """
        SELECT n.uuid, coalesce(r.resource_name, (
            SELECT u.resource_name FROM usages u
            WHERE u.resource_uuid = n.uuid ORDER BY u.id DESC LIMIT 1)) AS name
        FROM unnest($1::text[]) AS n (uuid) LEFT JOIN resources r ON r.uuid = n.uuid
        """,
        uuids,
    )
    return {row["uuid"]: row["name"] for row in rows}
