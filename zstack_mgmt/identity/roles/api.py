"""Changes of roles and of who has them."""

from __future__ import annotations

from functools import partial
from typing import Any

from zstack_mgmt.core.errors import OperationError, ResourceNotFound, existing
from zstack_mgmt.core.registry import Call, api
from zstack_mgmt.core.values import ADMIN_UUID
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.extras import extended
from zstack_mgmt.identity.principals.store import find_actor
from zstack_mgmt.identity.projects.store import find_project
from zstack_mgmt.identity.roles import store
from zstack_mgmt.identity.roles.model import ADMIN_ROLE, Authority, ScopedRequest

change = partial(
    api, http="POST", mode="job", access="session", java="org.openstack.identity", response_key=""
)


class CreateKeystoneRole(ScopedRequest):
    """Create a role, which allows nothing until a policy or another service gives it a meaning.

    Source: Keystone, "POST /v3/roles".
    """

    resource_uuid: str
    name: str
    description: str | None = None
    extra: dict[str, Any]


@change(CreateKeystoneRole, exclusive=())
async def create_role(call: Call, conn: Connection, request: CreateKeystoneRole) -> None:
    (await store.authority_of(conn, call, request)).require_platform_admin()
    await store.insert_role(conn, request.resource_uuid, request.name, request.description, request.extra)


class UpdateKeystoneRole(ScopedRequest):
    """Change a role that is not built in.

    Source: Keystone, "PATCH /v3/roles/{role_id}".
    """

    uuid: str
    changes: dict[str, Any]


@change(UpdateKeystoneRole, exclusive=("uuid",))
async def update_role(call: Call, conn: Connection, request: UpdateKeystoneRole) -> None:
    role = await _own_role(call, conn, request, request.uuid)
    new = {"name": role["name"], "description": role["description"], **request.changes}
    extra = extended(role["extra"], request.changes.get("extra", {}))
    await store.update_role(conn, request.uuid, new["name"], new["description"], extra)


class DeleteKeystoneRole(ScopedRequest):
    """Delete a role that is not built in.

    Source: Keystone, "DELETE /v3/roles/{role_id}".
    """

    uuid: str


@change(DeleteKeystoneRole, exclusive=("uuid",), revokes=True)
async def delete_role(call: Call, conn: Connection, request: DeleteKeystoneRole) -> None:
    await _own_role(call, conn, request, request.uuid)
    await store.delete_role(conn, request.uuid)


async def _own_role(call: Call, conn: Connection, request: ScopedRequest, uuid: str) -> Any:
    (await store.authority_of(conn, call, request)).require_platform_admin()
    role = existing(await store.find_role(conn, uuid), "role", uuid)
    if role["built_in"]:
        raise OperationError(f"the role {role['name']} is built in")
    return role


class Assignment(ScopedRequest):
    """A role of a user or group in a project or domain; without either, on the system."""

    role_uuid: str
    uuid: str  # of the user or group
    is_group: bool
    project_uuid: str | None = None
    domain_uuid: str | None = None


class AssignRole(Assignment):
    """Give a role.

    Source: Keystone, "PUT /v3/projects/{project_id}/users/{user_id}/roles/{role_id}" and its relatives.
    """


@change(AssignRole, exclusive=("uuid",))
async def assign_role(call: Call, conn: Connection, request: AssignRole) -> None:
    await check_assignment(conn, await store.authority_of(conn, call, request), request)
    await store.assign(conn, request.uuid, request.role_uuid, request.project_uuid, request.domain_uuid)


class UnassignRole(Assignment):
    """Take a role.

    Source: Keystone, "DELETE /v3/projects/{project_id}/users/{user_id}/roles/{role_id}" and its relatives.
    """


@change(UnassignRole, exclusive=("uuid",), revokes=True)
async def unassign_role(call: Call, conn: Connection, request: UnassignRole) -> None:
    await check_assignment(conn, await store.authority_of(conn, call, request), request)
    if request.uuid == ADMIN_UUID and request.role_uuid == ADMIN_ROLE:
        raise OperationError("the built-in admin keeps the role admin")
    taken = await store.unassign(
        conn, request.uuid, request.role_uuid, request.project_uuid, request.domain_uuid
    )
    if not taken:
        raise ResourceNotFound("the role is not assigned there")


async def check_assignment(conn: Connection, authority: Authority, request: Assignment) -> None:
    """Whether the caller may change roles there, and all three exist.

    A manager of one domain gives roles inside it, to its own users and groups, and never the role admin
    unless it has that itself.
    """
    authority.require_manager()
    if request.project_uuid is None and request.domain_uuid is None:
        authority.require_platform_admin()
    if request.project_uuid is not None:
        project = await find_project(conn, request.project_uuid)
        account_uuid = project and project["account_uuid"]
        authority.require_manager_of(account_uuid, "project", request.project_uuid)
    if request.domain_uuid is not None:
        known = await conn.fetchval("SELECT uuid FROM accounts WHERE uuid = $1", request.domain_uuid)
        authority.require_manager_of(known, "domain", request.domain_uuid)
    actor = await find_actor(conn, request.uuid, is_group=request.is_group)
    noun = "group" if request.is_group else "user"
    authority.require_manager_of(actor and actor["account_uuid"], noun, request.uuid)
    role = existing(await store.find_role(conn, request.role_uuid), "role", request.role_uuid)
    if role["name"] == "admin" and "admin" not in authority.names:
        raise OperationError("only the role admin gives the role admin")
