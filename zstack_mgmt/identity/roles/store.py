"""The SQL of roles, their assignments, and the places where they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from zstack_mgmt.core.errors import InvalidSession, OperationError
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.roles.model import NOWHERE, Authority, Place, ScopedRequest

SYSTEM = Place("system", of_platform=True)


async def find_project_place(conn: Connection, uuid: str) -> Place | None:
    """The enabled project of an enabled domain, as a place."""
    row = await conn.fetchrow(
        """
        SELECT p.uuid, p.name, a.uuid AS domain_uuid, a.name AS domain_name, a.type = 'SystemAdmin'
        FROM projects p JOIN accounts a ON a.uuid = p.account_uuid
        WHERE p.uuid = $1 AND p.enabled AND a.enabled
        """,
        uuid,
    )
    return None if row is None else Place("project", *row)


async def find_domain_place(conn: Connection, uuid: str) -> Place | None:
    """The enabled domain, as a place."""
    row = await conn.fetchrow(
        "SELECT uuid, name, uuid, name, type = 'SystemAdmin' FROM accounts WHERE uuid = $1 AND enabled", uuid
    )
    return None if row is None else Place("domain", *row)


async def find_place(conn: Connection, kind: str | None, uuid: str | None) -> Place | None:
    """The place that a session is scoped to, if it is still there and enabled."""
    match kind:
        case "project":
            return await find_project_place(conn, uuid or "")
        case "domain":
            return await find_domain_place(conn, uuid or "")
        case "system":
            return SYSTEM
        case _:
            return NOWHERE


async def authority_in(
    conn: Connection, account_uuid: str, login_uuid: str, place: Place | None
) -> Authority | None:
    """The login with its roles in the place; None when it has none there, or the place is gone."""
    if place is None:
        return None
    if place.kind == "unscoped":
        return Authority(login_uuid, account_uuid, place, ())
    rows = await conn.fetch(
        """
        SELECT DISTINCT r.uuid, r.name FROM role_grants g JOIN roles r ON r.uuid = g.role_uuid
        WHERE g.login_uuid = $1 AND g.project_uuid IS NOT DISTINCT FROM $2
          AND g.domain_uuid IS NOT DISTINCT FROM $3
        ORDER BY r.name
        """,
        login_uuid,
        place.uuid if place.kind == "project" else None,
        place.uuid if place.kind == "domain" else None,
    )
    if not rows:
        return None
    return Authority(login_uuid, account_uuid, place, tuple((row["uuid"], row["name"]) for row in rows))


async def authority_of(conn: Connection, call: Call, request: ScopedRequest) -> Authority:
    """The caller with the roles that count for the call now. Raises InvalidSession when there are none."""
    place = await find_place(conn, request.scope_kind, request.scope_uuid)
    found = await authority_in(conn, call.account_uuid, call.user_uuid, place)
    if found is None:
        raise InvalidSession("the token's scope is gone, or the user has no role in it any more")
    return found


async def check_rank(conn: Connection, actor_uuid: str, domain_uuid: str, *, by_admin: bool) -> None:
    """Nobody takes over a login or group that may do more than he may himself, who manages the one domain.

    Args:
        by_admin: whether he has the role admin in the domain.

    Raises:
        OperationError: it has a role on the system, admin or manager outside the domain, or admin in it.
    """
    above = await conn.fetchval(
        """
        SELECT true FROM role_grants g JOIN roles r ON r.uuid = g.role_uuid
        LEFT JOIN projects p ON p.uuid = g.project_uuid
        WHERE g.login_uuid = $1 AND CASE coalesce(g.domain_uuid, p.account_uuid)
            WHEN $2 THEN r.name = 'admin' AND NOT $3
            ELSE r.name IN ('admin', 'manager') OR g.domain_uuid IS NULL AND g.project_uuid IS NULL END
        LIMIT 1
        """,
        actor_uuid,
        domain_uuid,
        by_admin,
    )
    if above:
        raise OperationError("the user or group has roles where you do not have them")


async def find_role(conn: Connection, uuid: str) -> Any:
    """The role's row, or None."""
    return await conn.fetchrow("SELECT * FROM roles WHERE uuid = $1", uuid)


async def list_roles(conn: Connection, name: str | None, after: str, limit: int) -> list[Any]:
    """All roles, or that of the name, by uuid, after the given one."""
    return await conn.fetch(
        """
        SELECT * FROM roles WHERE ($1::text IS NULL OR name = $1) AND uuid > $2 ORDER BY uuid LIMIT $3
        """,
        name,
        after,
        limit,
    )


async def insert_role(
    conn: Connection, uuid: str, name: str, description: str | None, extra: dict[str, Any]
) -> None:
    """A new role, which allows nothing by itself."""
    await conn.execute(
        "INSERT INTO roles (uuid, name, description, extra) VALUES ($1, $2, $3, $4::text::jsonb)",
        uuid,
        name,
        description,
        orjson.dumps(extra).decode(),
    )


async def update_role(
    conn: Connection, uuid: str, name: str, description: str | None, extra: dict[str, Any]
) -> None:
    """Set what can change of a role."""
    await conn.execute(
        "UPDATE roles SET name = $2, description = $3, extra = $4::text::jsonb WHERE uuid = $1",
        uuid,
        name,
        description,
        orjson.dumps(extra).decode(),
    )


async def delete_role(conn: Connection, uuid: str) -> None:
    """Delete a role and take it from all who have it."""
    await conn.execute("DELETE FROM roles WHERE uuid = $1", uuid)


async def assign(
    conn: Connection, actor_uuid: str, role_uuid: str, project_uuid: str | None, domain_uuid: str | None
) -> None:
    """Give the role. One that is there stays."""
    await conn.execute(
        """
        INSERT INTO role_assignments (actor_uuid, role_uuid, project_uuid, domain_uuid)
        VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
        """,
        actor_uuid,
        role_uuid,
        project_uuid,
        domain_uuid,
    )


async def unassign(
    conn: Connection, actor_uuid: str, role_uuid: str, project_uuid: str | None, domain_uuid: str | None
) -> bool:
    """Take the role. False when it was not given."""
    done = await conn.fetchval(
        """
        DELETE FROM role_assignments
        WHERE actor_uuid = $1 AND role_uuid = $2 AND project_uuid IS NOT DISTINCT FROM $3
          AND domain_uuid IS NOT DISTINCT FROM $4
        RETURNING true
        """,
        actor_uuid,
        role_uuid,
        project_uuid,
        domain_uuid,
    )
    return bool(done)


async def roles_given(
    conn: Connection, actor_uuid: str, project_uuid: str | None, domain_uuid: str | None
) -> list[Any]:
    """The roles that were given to the actor itself in the place."""
    return await conn.fetch(
        """
        SELECT r.* FROM roles r WHERE r.uuid IN (
            SELECT a.role_uuid FROM role_assignments a
            WHERE a.actor_uuid = $1 AND a.project_uuid IS NOT DISTINCT FROM $2
              AND a.domain_uuid IS NOT DISTINCT FROM $3
            UNION ALL
            SELECT g.role_uuid FROM role_grants g
            WHERE g.login_uuid = $1 AND g.given_to = $1 AND g.project_uuid IS NOT DISTINCT FROM $2
              AND g.domain_uuid IS NOT DISTINCT FROM $3)
        ORDER BY r.uuid
        """,
        actor_uuid,
        project_uuid,
        domain_uuid,
    )


async def projects_of(conn: Connection, login_uuid: str) -> list[str]:
    """The projects where the login has a role."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT project_uuid FROM role_grants
        WHERE login_uuid = $1 AND project_uuid IS NOT NULL ORDER BY project_uuid
        """,
        login_uuid,
    )
    return [row[0] for row in rows]


async def domains_of(conn: Connection, login_uuid: str) -> list[str]:
    """The domains where the login has a role."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT domain_uuid FROM role_grants
        WHERE login_uuid = $1 AND domain_uuid IS NOT NULL ORDER BY domain_uuid
        """,
        login_uuid,
    )
    return [row[0] for row in rows]


async def has_system_role(conn: Connection, login_uuid: str) -> bool:
    """Whether the login may have a token for the system."""
    return bool(
        await conn.fetchval(
            """
            SELECT true FROM role_grants
            WHERE login_uuid = $1 AND project_uuid IS NULL AND domain_uuid IS NULL LIMIT 1
            """,
            login_uuid,
        )
    )


async def list_assignments(
    conn: Connection,
    filters: Sequence[str | None],
    *,
    effective: bool,
    system: bool,
    within: str | None,
    after: Sequence[str] | None,
    limit: int,
) -> list[Any]:
    """Who has which role where, with names, by `place`, which tells each from all others.

    Args:
        filters: user, group, role, project, domain; None: any.
        effective: members of groups stand for their groups.
        within: only places of this domain; None: all.
        after: the `place` of the last that is known already; None: none is.
    """
    return await conn.fetch(
        """
        WITH given AS (
            SELECT login_uuid, role_uuid, project_uuid, domain_uuid, given_to,
                   ARRAY[login_uuid, role_uuid, coalesce(project_uuid, ''), coalesce(domain_uuid, ''),
                         given_to] AS place
            FROM role_grants WHERE $6 OR login_uuid = given_to)
        SELECT g.role_uuid, r.name AS role_name, g.login_uuid, coalesce(l.name, ug.name) AS actor_name,
               ug.uuid IS NOT NULL AS is_group, coalesce(l.account_uuid, ug.account_uuid) AS actor_domain,
               aa.name AS actor_domain_name, g.project_uuid, p.name AS project_name,
               coalesce(g.domain_uuid, p.account_uuid) AS domain_uuid, da.name AS domain_name, g.place
        FROM given g JOIN roles r ON r.uuid = g.role_uuid
        LEFT JOIN logins l ON l.uuid = g.login_uuid
        LEFT JOIN user_groups ug ON ug.uuid = g.login_uuid
        LEFT JOIN accounts aa ON aa.uuid = coalesce(l.account_uuid, ug.account_uuid)
        LEFT JOIN projects p ON p.uuid = g.project_uuid
        LEFT JOIN accounts da ON da.uuid = coalesce(g.domain_uuid, p.account_uuid)
        WHERE ($1::text IS NULL OR g.login_uuid = $1) AND ($2::text IS NULL OR g.login_uuid = $2)
          AND ($3::text IS NULL OR g.role_uuid = $3) AND ($4::text IS NULL OR g.project_uuid = $4)
          AND ($5::text IS NULL OR (g.domain_uuid = $5 AND g.project_uuid IS NULL))
          AND (NOT $6 OR ug.uuid IS NULL)
          AND (NOT $7 OR (g.project_uuid IS NULL AND g.domain_uuid IS NULL))
          AND ($8::text IS NULL OR coalesce(g.domain_uuid, p.account_uuid) = $8)
          AND ($9::text[] IS NULL OR g.place > $9)
        ORDER BY g.place LIMIT $10
        """,
        *filters,
        effective,
        system,
        within,
        after,
        limit,
    )
