"""`/v3/roles`, and who has which role where."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from zstack_mgmt.core.errors import BadRequest, PermissionDenied, ResourceNotFound
from zstack_mgmt.doors.keystone import shapes
from zstack_mgmt.doors.keystone.asking import Ask, known_id
from zstack_mgmt.doors.keystone.forms import RoleForm, read
from zstack_mgmt.doors.keystone.replies import json_reply
from zstack_mgmt.identity.domains.store import find_domain
from zstack_mgmt.identity.principals.store import find_actor
from zstack_mgmt.identity.projects.store import find_project
from zstack_mgmt.identity.roles import store

_PARTS = 5  # of a role assignment's place in the list


async def list_roles(ask: Ask) -> web.Response:
    _ = ask.authority.readable
    if ask.text("domain_id") not in (None, "", "null", "None"):
        return ask.listed("roles", [])  # there are no roles of one domain
    marker, count = ask.page()
    async with ask.connection() as conn:
        rows = await store.list_roles(conn, ask.text("name"), marker, count)
    return ask.listed("roles", [shapes.role(row, ask.base) for row in rows])


async def show_role(ask: Ask) -> web.Response:
    _ = ask.authority.readable
    return json_reply({"role": shapes.role(await role_of(ask, ask.ids[0]), ask.base)})


async def role_of(ask: Ask, uuid: str) -> Any:
    """The role's row. Raises ResourceNotFound."""
    async with ask.connection() as conn:
        row = await store.find_role(conn, uuid)
    if row is None:
        raise ResourceNotFound(f"no role has the id {uuid[:64]}")
    return row


async def create_role(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    form = read(RoleForm, ask.object("role"), required=("name",))
    if form.domain_id is not None:
        raise BadRequest("domain_id: roles of one domain are not supported")
    uuid = ask.new_id()
    await ask.change(
        "CreateKeystoneRole",
        resourceUuid=uuid,
        name=form.name,
        description=form.description,
        extra=form.extras,
    )
    return json_reply({"role": shapes.role(await role_of(ask, uuid), ask.base)}, 201)


async def update_role(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    uuid = known_id(ask.ids[0], "role")
    form = read(RoleForm, ask.object("role"))
    changes = form.given("name", "description")
    if changes.get("name", "") is None:
        raise BadRequest("name must not be null")
    form.check_extras((await role_of(ask, uuid))["extra"])
    await ask.change("UpdateKeystoneRole", uuid=uuid, changes={**changes, "extra": form.extras})
    return json_reply({"role": shapes.role(await role_of(ask, uuid), ask.base)})


async def delete_role(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    await ask.change("DeleteKeystoneRole", uuid=known_id(ask.ids[0], "role"))
    return web.Response(status=204)


def _parameters(ask: Ask) -> dict[str, Any]:
    """What the path names: `/{projects|domains}/{id}/{users|groups}/{id}/roles/{id}`, or `/system/…`."""
    parts = ask.request.path.removeprefix("/v3/").removeprefix("OS-INHERIT/").strip("/").split("/")
    kind, ids = parts[0], list(ask.ids)
    place = None if kind == "system" else ids.pop(0)
    actors = parts[1] if kind == "system" else parts[2]
    return {
        "projectUuid": known_id(place or "", "project") if kind == "projects" else None,
        "domainUuid": known_id(shapes.account_of(place or ""), "domain") if kind == "domains" else None,
        "uuid": known_id(ids[0], actors.removesuffix("s")),
        "isGroup": actors == "groups",
        "roleUuid": known_id(ids[1], "role") if len(ids) > 1 else "",
    }


async def assign(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    await ask.change("AssignRole", **_parameters(ask))
    return web.Response(status=204)


async def unassign(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    await ask.change("UnassignRole", **_parameters(ask))
    return web.Response(status=204)


async def check_assigned(ask: Ask) -> web.Response:
    named, rows = await given(ask)
    if named["roleUuid"] not in [row["uuid"] for row in rows]:
        raise ResourceNotFound("the role is not assigned there")
    return web.Response(status=204)


async def list_assigned(ask: Ask) -> web.Response:
    _, rows = await given(ask)
    return ask.listed_from("roles", [shapes.role(row, ask.base) for row in rows])


async def given(ask: Ask) -> tuple[dict[str, Any], list[Any]]:
    """The roles that the actor of the path has there, if the token may read both the place and the actor."""
    readable = ask.authority.readable
    named = _parameters(ask)
    async with ask.connection() as conn:
        owners: list[Any] = [await find_actor(conn, named["uuid"], is_group=named["isGroup"])]
        if named["projectUuid"] is not None:
            owners.append(await find_project(conn, named["projectUuid"]))
        elif named["domainUuid"] is not None:
            domain = await find_domain(conn, named["domainUuid"])
            owners.append(domain and {"account_uuid": domain["uuid"]})
        elif readable is not None:
            raise PermissionDenied("only who may read all domains may read the roles on the system")
        if any(owner is None or readable not in (None, owner["account_uuid"]) for owner in owners):
            raise ResourceNotFound(f"no such project, domain or actor as {named['uuid']}")
        return named, await store.roles_given(conn, named["uuid"], named["projectUuid"], named["domainUuid"])


async def list_assignments(ask: Ask) -> web.Response:
    """`/v3/role_assignments`. Inherited ones do not exist here."""
    readable = ask.authority.readable
    if ask.has("scope.OS-INHERIT:inherited_to"):
        raise BadRequest("inherited role assignments are not supported")
    effective, with_names = bool(ask.flag("effective")), bool(ask.flag("include_names"))
    if effective and ask.text("group.id") is not None:
        raise BadRequest("effective lists have users, not groups: leave group.id out")
    domain = ask.text("scope.domain.id")
    filters = (
        ask.text("user.id"),
        ask.text("group.id"),
        ask.text("role.id"),
        ask.text("scope.project.id"),
        None if domain is None else shapes.account_of(domain),
    )
    marker, count = ask.page()
    async with ask.connection() as conn:
        rows = await store.list_assignments(
            conn,
            filters,
            effective=effective,
            system=ask.has("scope.system"),
            within=readable,
            since=_place_of(marker),
            limit=count,
        )
    shown = [shapes.assignment(row, ask.base, with_names=with_names) for row in rows]
    markers = {id(one): ".".join(row["place"]) for one, row in zip(shown, rows, strict=True)}
    return ask.listed("role_assignments", shown, lambda one: markers[id(one)])


def _place_of(marker: str) -> list[str] | None:
    """Where the list goes on: an assignment has no id, so that a marker names all its parts."""
    parts = marker.split(".")
    if marker and len(parts) != _PARTS:
        raise ResourceNotFound(f"marker: the list has no {marker[:64]}; follow links.next")
    return parts if marker else None
