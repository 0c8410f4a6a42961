"""Changes of projects."""

from __future__ import annotations

from functools import partial
from typing import Any

from zstack_mgmt.core.errors import OperationError, ResourceNotFound
from zstack_mgmt.core.registry import Call, api
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.extras import extended
from zstack_mgmt.identity.projects import store
from zstack_mgmt.identity.projects.model import MAX_PROJECT_TAGS
from zstack_mgmt.identity.roles.model import ScopedRequest
from zstack_mgmt.identity.roles.store import authority_of

change = partial(
    api, http="POST", mode="job", access="session", java="org.openstack.identity", response_key=""
)
NEW: dict[str, Any] = {"description": "", "enabled": True, "tags": [], "extra": {}}


class CreateProject(ScopedRequest):
    """Create a project inside a domain.

    Source: Keystone, "POST /v3/projects".
    """

    resource_uuid: str
    account_uuid: str
    parent_uuid: str | None = None
    values: dict[str, Any]


@change(CreateProject, exclusive=("account_uuid",))
async def create_project(call: Call, conn: Connection, request: CreateProject) -> None:
    authority = await authority_of(conn, call, request)
    authority.require_manager()
    known = await conn.fetchval("SELECT uuid FROM accounts WHERE uuid = $1", request.account_uuid)
    authority.require_manager_of(known, "domain", request.account_uuid)
    if request.parent_uuid is not None:
        parent = await store.find_project(conn, request.parent_uuid)
        above = authority.require_manager_of(
            parent and parent["account_uuid"], "project", request.parent_uuid
        )
        if above != request.account_uuid:
            raise OperationError("the parent is in another domain")
    values = {**NEW, **request.values}
    await store.insert_project(conn, request.resource_uuid, request.account_uuid, request.parent_uuid, values)


class UpdateProject(ScopedRequest):
    """Change a project. Disabling one ends the tokens that are scoped to it.

    Source: Keystone, "PATCH /v3/projects/{project_id}".
    """

    uuid: str
    changes: dict[str, Any]

    def takes_rights(self) -> bool:
        return self.changes.get("enabled") is False


@change(UpdateProject, exclusive=("uuid",), revokes=True)
async def update_project(call: Call, conn: Connection, request: UpdateProject) -> None:
    project = await _managed(call, conn, request, request.uuid)
    values = {name: project[name] for name in ("name", "description", "enabled", "tags")}
    extra = extended(project["extra"], request.changes.get("extra", {}))
    await store.update_project(conn, request.uuid, {**values, **request.changes, "extra": extra})
    if request.changes.get("enabled") is False:
        await store.end_tokens_of(conn, request.uuid)


class DeleteProject(ScopedRequest):
    """Delete a project without projects inside it.

    Source: Keystone, "DELETE /v3/projects/{project_id}".
    """

    uuid: str


@change(DeleteProject, exclusive=("uuid",), revokes=True)
async def delete_project(call: Call, conn: Connection, request: DeleteProject) -> None:
    project = await _managed(call, conn, request, request.uuid)
    if project["is_first"]:
        raise OperationError("the project was made with its domain and is deleted with it")
    if await store.has_children(conn, request.uuid):
        raise OperationError("the project has projects inside it")
    await store.delete_project(conn, request.uuid)
    await store.end_tokens_of(conn, request.uuid)


class ProjectTag(ScopedRequest):
    """A tag of a project."""

    uuid: str
    tag: str


class AddProjectTag(ProjectTag):
    """Give a project a tag. One that it has stays.

    Source: Keystone, "PUT /v3/projects/{project_id}/tags/{value}".
    """


@change(AddProjectTag, exclusive=("uuid",))
async def add_project_tag(call: Call, conn: Connection, request: AddProjectTag) -> None:
    project = await _managed(call, conn, request, request.uuid)
    if request.tag not in project["tags"]:
        if len(project["tags"]) >= MAX_PROJECT_TAGS:
            raise OperationError(f"a project has at most {MAX_PROJECT_TAGS} tags")
        await store.set_tags(conn, request.uuid, [*project["tags"], request.tag])


class RemoveProjectTag(ProjectTag):
    """Take a tag from a project.

    Source: Keystone, "DELETE /v3/projects/{project_id}/tags/{value}".
    """


@change(RemoveProjectTag, exclusive=("uuid",))
async def remove_project_tag(call: Call, conn: Connection, request: RemoveProjectTag) -> None:
    project = await _managed(call, conn, request, request.uuid)
    if request.tag not in project["tags"]:
        raise ResourceNotFound("the project has no such tag")
    await store.set_tags(conn, request.uuid, [tag for tag in project["tags"] if tag != request.tag])


async def _managed(call: Call, conn: Connection, request: ScopedRequest, uuid: str) -> Any:
    authority = await authority_of(conn, call, request)
    authority.require_manager()
    project = await store.find_project(conn, uuid)
    authority.require_manager_of(project and project["account_uuid"], "project", uuid)
    return project
