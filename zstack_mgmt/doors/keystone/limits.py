"""`/v3/registered_limits` and `/v3/limits`: Keystone's unified limits."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from zstack_mgmt.core.errors import BadRequest, ResourceNotFound
from zstack_mgmt.core.registry import MAX_ITEMS
from zstack_mgmt.doors.keystone import shapes
from zstack_mgmt.doors.keystone.asking import Ask, known_id
from zstack_mgmt.doors.keystone.forms import (
    LimitChangeForm,
    LimitForm,
    RegisteredLimitForm,
    read,
)
from zstack_mgmt.doors.keystone.replies import json_reply
from zstack_mgmt.identity.catalog.store import missing_place
from zstack_mgmt.identity.domains.store import find_domain
from zstack_mgmt.identity.limits import store
from zstack_mgmt.identity.projects.store import find_project

_MODEL = {
    "name": "strict_two_level",
    "description": (
        "A domain's limit covers the sum of those of its projects; -1 is any number, and only -1 covers it."
    ),
}


async def show_model(ask: Ask) -> web.Response:
    return json_reply({"model": _MODEL if ask.token else {}})


async def list_registered_limits(ask: Ask) -> web.Response:
    _ = ask.token
    marker, count = ask.page()
    async with ask.connection() as conn:
        rows = await store.list_registered(conn, _filters(ask), marker, count)
    shown = [shapes.registered_limit(row, ask.base) for row in rows]
    return ask.listed("registered_limits", shown)


async def show_registered_limit(ask: Ask) -> web.Response:
    _ = ask.token
    return json_reply({"registered_limit": await _registered(ask, ask.ids[0])})


async def create_registered_limits(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    needed = ("service_id", "resource_name", "default_limit")
    forms = [read(RegisteredLimitForm, one, required=needed) for one in _objects(ask, "registered_limits")]
    for form in forms:
        await _check_places(ask, form.service_id, form.region_id)
    made: list[dict[str, Any]] = [
        {"region_id": None, "description": None, **form.given(), "uuid": ask.new_id(number)}
        for number, form in enumerate(forms)
    ]
    await ask.change("CreateRegisteredLimits", resourceUuid=made[0]["uuid"], limits=made)
    shown = [await _registered(ask, one["uuid"]) for one in made]
    return json_reply({"registered_limits": shown}, 201)


async def update_registered_limit(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    uuid = known_id(ask.ids[0], "registered limit")
    form = read(RegisteredLimitForm, ask.object("registered_limit"))
    changes = form.given()
    if any(changes.get(name, "") is None for name in ("service_id", "resource_name", "default_limit")):
        raise BadRequest("service_id, resource_name and default_limit must not be null")
    await _check_places(ask, form.service_id, form.region_id)
    await ask.change("UpdateRegisteredLimit", uuid=uuid, changes=changes)
    return json_reply({"registered_limit": await _registered(ask, uuid)})


async def delete_registered_limit(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    await ask.change("DeleteRegisteredLimit", uuid=known_id(ask.ids[0], "registered limit"))
    return web.Response(status=204)


async def list_limits(ask: Ask) -> web.Response:
    """All limits, those of the domain and its projects, or those of the project: as far as the token sees."""
    filters = _filters(ask, *_seen(ask))
    marker, count = ask.page()
    async with ask.connection() as conn:
        rows = await store.list_limits(conn, filters, marker, count)
    return ask.listed("limits", [shapes.limit(row, ask.base) for row in rows])


async def show_limit(ask: Ask) -> web.Response:
    return json_reply({"limit": shapes.limit(await _limit(ask, ask.ids[0]), ask.base)})


async def create_limits(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    forms = [read(LimitForm, one) for one in _objects(ask, "limits")]
    made: list[dict[str, Any]] = []
    accounts: set[str] = set()
    for number, form in enumerate(forms):
        await _check_places(ask, form.service_id, form.region_id)
        project_uuid, domain_uuid, account_uuid = await _whose(ask, form)
        accounts.add(account_uuid)
        made.append(
            {
                "uuid": ask.new_id(number),
                "service_id": form.service_id,
                "region_id": form.region_id,
                "resource_name": form.resource_name,
                "value": form.resource_limit,
                "project_uuid": project_uuid,
                "domain_uuid": domain_uuid,
                "description": form.description,
            }
        )
    parameters = {"resourceUuid": made[0]["uuid"], "accountUuids": sorted(accounts), "limits": made}
    await ask.change("CreateLimits", **parameters)
    shown = [shapes.limit(await _limit(ask, one["uuid"]), ask.base) for one in made]
    return json_reply({"limits": shown}, 201)


async def update_limit(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    row = await _limit(ask, ask.ids[0])
    given = read(LimitChangeForm, ask.object("limit")).given()
    if given.get("resource_limit", 0) is None:
        raise BadRequest("resource_limit must not be null")
    changes = {"value" if name == "resource_limit" else name: value for name, value in given.items()}
    await ask.change("UpdateLimit", uuid=row["uuid"], accountUuid=row["account_uuid"], changes=changes)
    return json_reply({"limit": shapes.limit(await _limit(ask, row["uuid"]), ask.base)})


async def delete_limit(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    row = await _limit(ask, ask.ids[0])
    await ask.change("DeleteLimit", uuid=row["uuid"], accountUuid=row["account_uuid"])
    return web.Response(status=204)


def _filters(ask: Ask, account_uuid: str | None = None, project_uuid: str | None = None) -> store.Filters:
    domain = ask.text("domain_id")
    return store.Filters(
        service_id=ask.text("service_id"),
        region_id=ask.text("region_id"),
        resource_name=ask.text("resource_name"),
        project_uuid=ask.text("project_id"),
        domain_uuid=None if domain is None else shapes.account_of(domain),
        within_account=account_uuid,
        within_project=project_uuid,
    )


def _seen(ask: Ask) -> tuple[str | None, str | None]:
    """The domain and the project whose limits the token sees; None: all. Raises PermissionDenied."""
    place = ask.authority.place
    if place.kind == "project" and not ask.authority.is_manager:
        return place.domain_uuid, place.uuid
    return ask.authority.readable, None


async def _registered(ask: Ask, uuid: str) -> dict[str, Any]:
    async with ask.connection() as conn:
        row = await store.find_registered(conn, uuid)
    if row is None:
        raise ResourceNotFound(f"no registered limit has the id {uuid[:64]}")
    return shapes.registered_limit(row, ask.base)


async def _limit(ask: Ask, uuid: str) -> Any:
    account_uuid, project_uuid = _seen(ask)
    async with ask.connection() as conn:
        row = await store.find_limit(conn, uuid)
    if (
        row is None
        or account_uuid not in (None, row["account_uuid"])
        or project_uuid not in (None, row["project_uuid"])
    ):
        raise ResourceNotFound(f"no limit has the id {uuid[:64]}")
    return row


def _objects(ask: Ask, name: str) -> list[Any]:
    values = ask.body.get(name)
    if not isinstance(values, list) or not values or not all(isinstance(one, dict) for one in values):  # pyright: ignore[reportUnknownVariableType]
        raise BadRequest(f"the body must have a list {name!r} of objects")
    if len(values) > MAX_ITEMS:  # pyright: ignore[reportUnknownArgumentType]
        raise BadRequest(f"{name}: List should have at most {MAX_ITEMS} items")
    return values  # pyright: ignore[reportUnknownVariableType]


async def _check_places(ask: Ask, service_id: str | None, region_id: str | None) -> None:
    async with ask.connection() as conn:
        if missing := await missing_place(conn, service_id, region_id, ask.service.settings.region):
            raise BadRequest(missing)


async def _whose(ask: Ask, form: LimitForm) -> tuple[str | None, str | None, str]:
    """The project or the domain of the limit, and the account of either. A domain is a project too."""
    if (form.project_id is None) == (form.domain_id is None):
        raise BadRequest("a limit has either project_id or domain_id")
    async with ask.connection() as conn:
        project = await find_project(conn, form.project_id or "")
        if project is not None:
            return project["uuid"], None, project["account_uuid"]
        domain = await find_domain(conn, shapes.account_of(form.domain_id or form.project_id or ""))
    if domain is None:
        name = "domain_id" if form.project_id is None else "project_id"
        raise BadRequest(f"{name}: it does not exist")
    return None, domain["uuid"], domain["uuid"]
