"""The SQL of roles, their assignments, and the places where they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

import orjson

from zstack_mgmt.core.errors import InvalidSession, OperationError
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.identity.roles.model import NOWHERE, Authority, Place, ScopedRequest

SYSTEM = Place("system", of_platform=True)


AUTHORITY: LiteralString = """
    scope.kind AS scope_kind, coalesce(p.uuid, d.uuid) AS place_uuid, coalesce(p.name, d.name) AS place_name,
    d.uuid AS domain_uuid, d.name AS domain_name, d.type = 'SystemAdmin' AS of_platform,
    held.uuids AS role_uuids, held.names AS role_names, c.name AS credential_name, c.unrestricted
"""
"""The columns that `authority_from` reads, of a FROM that ends with AUTHORITY_OF_SCOPE."""

AUTHORITY_OF_SCOPE: LiteralString = """
    LEFT JOIN projects p ON scope.kind = 'project' AND p.uuid = scope.uuid AND p.enabled
    LEFT JOIN accounts d ON d.enabled
      AND d.uuid = CASE scope.kind WHEN 'project' THEN p.account_uuid WHEN 'domain' THEN scope.uuid END
    LEFT JOIN application_credentials c
      ON c.uuid = scope.credential_uuid AND c.login_uuid = scope.login_uuid AND c.project_uuid = p.uuid
    CROSS JOIN LATERAL (
        SELECT array_agg(r.uuid ORDER BY r.name) AS uuids, array_agg(r.name ORDER BY r.name) AS names
        FROM roles r
        WHERE (d.uuid IS NOT NULL OR scope.kind = 'system')
          AND (scope.credential_uuid IS NULL OR r.uuid = ANY (c.role_uuids))
          AND r.uuid IN (
            SELECT g.role_uuid FROM role_grants g
            WHERE g.login_uuid = scope.login_uuid AND g.project_uuid IS NOT DISTINCT FROM p.uuid
              AND g.domain_uuid IS NOT DISTINCT FROM CASE scope.kind WHEN 'domain' THEN d.uuid END)) held
"""
"""Joins to `scope` (login_uuid, kind, uuid, credential_uuid) the enabled project of an enabled domain, or the
enabled domain, that it names, and the login's roles there: with an application credential, that one's only.
"""


def authority_from(row: Any, login_uuid: str, account_uuid: str) -> Authority | None:
    """The login with its roles in the scope; None when it has none there, or the scope is gone."""
    kind = row["scope_kind"]
    if kind not in ("project", "domain", "system"):
        return Authority(login_uuid, account_uuid, NOWHERE, ())
    if not row["role_uuids"]:
        return None
    place = SYSTEM
    if kind != "system":
        domain = (row["domain_uuid"], row["domain_name"], row["of_platform"])
        place = Place(kind, row["place_uuid"], row["place_name"], *domain)
    roles = tuple(zip(row["role_uuids"], row["role_names"], strict=True))
    return Authority(login_uuid, account_uuid, place, roles, restricted=row["unrestricted"] is False)


async def authority_in(
    conn: Connection,
    login_uuid: str,
    account_uuid: str,
    kind: str | None,
    uuid: str | None,
    credential_uuid: str | None = None,
) -> Authority | None:
    """The login with its roles in a project, a domain or the system; None when it has none there.

    Args:
        credential_uuid: the application credential that it comes with; only that one's roles count.
    """
    row = await fetch_one(
        conn,
        f"""
        SELECT {AUTHORITY}
        FROM (SELECT $1::text AS login_uuid, $2::text AS kind, $3::text AS uuid, $4::text AS credential_uuid)
        scope {AUTHORITY_OF_SCOPE}
        """,  # noqa: S608 (all of it is written above)
        login_uuid,
        kind,
        uuid,
        credential_uuid,
    )
    return authority_from(row, login_uuid, account_uuid)


async def authority_of(conn: Connection, call: Call, request: ScopedRequest) -> Authority:
    """The caller with the roles that count for the call now. Raises InvalidSession when there are none."""
    scope = (request.scope_kind, request.scope_uuid, request.credential_uuid)
    found = await authority_in(conn, call.user_uuid, call.account_uuid, *scope)
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


async def list_roles(conn: Connection, name: str | None, since: str, limit: int) -> list[Any]:
    """All roles, or that of the name, by uuid, from the given one on."""
    return await conn.fetch(
        """
        SELECT * FROM roles WHERE ($1::text IS NULL OR name = $1) AND uuid >= $2 ORDER BY uuid LIMIT $3
        """,
        name,
        since,
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
    since: Sequence[str] | None,
    limit: int,
) -> list[Any]:
    """Who has which role where, with names, by `place`, which tells each from all others.

    Args:
        filters: user, group, role, project, domain; None: any.
        effective: members of groups stand for their groups.
        within: only places of this domain; None: all.
        since: the `place` of the first; None: from the beginning.
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
          AND ($9::text[] IS NULL OR g.place >= $9)
        ORDER BY g.place LIMIT $10
        """,
        *filters,
        effective,
        system,
        within,
        since,
        limit,
    )
