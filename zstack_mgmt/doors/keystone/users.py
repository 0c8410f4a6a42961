"""`/v3/users`."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from zstack_mgmt.core.errors import BadRequest, ResourceNotFound
from zstack_mgmt.doors.keystone import shapes
from zstack_mgmt.doors.keystone.asking import Ask, known_id
from zstack_mgmt.doors.keystone.forms import PasswordForm, UserForm, checked_options, clear_password, read
from zstack_mgmt.doors.keystone.replies import json_reply
from zstack_mgmt.identity.principals import store
from zstack_mgmt.identity.principals.store import Filters
from zstack_mgmt.identity.projects.store import list_projects
from zstack_mgmt.identity.roles.store import projects_of

_WILD = re.compile(r"([\\%_])")
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


async def list_users(ask: Ask) -> web.Response:
    """The users of the domains that the token may read, filtered, a page at a time."""
    return await _list(ask, None)


async def list_members(ask: Ask) -> web.Response:
    """`/v3/groups/{id}/users`."""
    readable = ask.authority.readable
    async with ask.connection() as conn:
        group = await store.find_group(conn, ask.ids[0])
    if group is None or readable not in (None, group["account_uuid"]):
        raise ResourceNotFound(f"no group has the id {ask.ids[0][:64]}")
    return await _list(ask, ask.ids[0])


async def _list(ask: Ask, group_uuid: str | None) -> web.Response:
    readable, wanted = ask.authority.readable, ask.text("domain_id")
    if wanted is not None and not _ID.fullmatch(wanted):
        raise BadRequest("domain_id must be letters, digits and dashes")
    account_uuid = shapes.account_of(wanted) if wanted is not None else readable
    marker, count = ask.page()
    like, like_any_case = _patterns(ask)
    filters = Filters(
        account_uuid=account_uuid,
        enabled=ask.flag("enabled"),
        name=ask.text("name"),
        like=like,
        like_any_case=like_any_case,
        group_uuid=group_uuid,
        default_project_uuid=ask.text("default_project_id"),
        inactive_days=ask.service.settings.user_inactive_days,
        expiry=ask.times("password_expires_at"),
    )
    async with ask.connection() as conn:
        allowed = readable in (None, account_uuid)
        rows = await store.list_logins(conn, filters, marker, count) if allowed else []
    return ask.listed("users", [shapes.user(_seen(ask, row), ask.base) for row in rows])


def _patterns(ask: Ask) -> tuple[list[str], list[str]]:
    """What the name must be like: exactly, and in any case. Wildcards of the client stand for themselves."""
    like: list[str] = []
    like_any_case: list[str] = []
    for key, value in ask.query:
        name, _, comparator = key.partition("__")
        if name != "name":
            continue
        text = _WILD.sub(r"\\\1", value)
        patterns = {"contains": f"%{text}%", "startswith": f"{text}%", "endswith": f"%{text}"}
        if comparator in patterns:
            like.append(patterns[comparator])
        elif comparator.removeprefix("i") in patterns:
            like_any_case.append(patterns[comparator.removeprefix("i")])
    return like, like_any_case


def _seen(ask: Ask, row: Any) -> dict[str, Any]:
    """The user; where it has worked in another domain last is its own to see."""
    readable = None if row["uuid"] == ask.token.user_uuid else ask.authority.readable
    hidden = readable not in (None, row["last_project_in"])
    return {**dict(row), "last_project_uuid": None if hidden else row["last_project_uuid"]}


async def _visible(ask: Ask, uuid: str) -> Any:
    """The user: oneself, or one of a domain that the token may read."""
    token = ask.token
    readable = token.account_uuid if uuid == token.user_uuid else ask.authority.readable
    async with ask.connection() as conn:
        row = await store.find_login(conn, uuid, ask.service.settings.user_inactive_days)
    if row is None or readable not in (None, row["account_uuid"]):
        raise ResourceNotFound(f"no user has the id {uuid[:64]}")
    return row


async def show_user(ask: Ask) -> web.Response:
    row = await _visible(ask, ask.ids[0])
    return json_reply({"user": shapes.user_detail(_seen(ask, row), ask.base)})


async def create_user(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    form = read(UserForm, ask.object("user"), required=("name",))
    values = {
        **form.given("name", "enabled", "email", "description"),
        "options": {k: v for k, v in checked_options(form.options).items() if v is not None},
        "default_project_uuid": form.default_project_id,
        "extra": form.extras,
    }
    if values.get("enabled") is None:
        values["enabled"] = True
    domain = form.domain_id or shapes.domain_id(ask.authority.place.domain_uuid)
    uuid = ask.new_id()
    await ask.change(
        "CreateDomainUser",
        resourceUuid=uuid,
        accountUuid=shapes.account_of(domain or shapes.DEFAULT_ID),
        values=values,
        **_password(ask, form),
    )
    async with ask.connection() as conn:
        row = await store.find_login(conn, uuid, ask.service.settings.user_inactive_days)
    return json_reply({"user": shapes.user_detail(_seen(ask, row), ask.base)}, 201)


async def update_user(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    uuid = known_id(ask.ids[0], "user")
    form = read(UserForm, ask.object("user"))
    if form.id not in (None, uuid):
        raise BadRequest("id: it cannot be changed")
    if form.domain_id is not None:
        row = await _visible(ask, uuid)
        if shapes.account_of(form.domain_id) != row["account_uuid"]:
            raise BadRequest("domain_id: it cannot be changed")
    changes = form.given("name", "enabled", "email", "description")
    if any(changes.get(name, "") is None for name in ("name", "enabled")):
        raise BadRequest("name and enabled must not be null")
    if "default_project_id" in form.model_fields_set:
        changes["default_project_uuid"] = form.default_project_id
    if form.options is not None:
        changes["options"] = checked_options(form.options)
    if form.extras:
        form.check_extras((await _visible(ask, uuid))["extra"])
        changes["extra"] = form.extras
    await ask.change("UpdateDomainUser", uuid=uuid, changes=changes, **_password(ask, form, by_rule=False))
    async with ask.connection() as conn:
        row = await store.find_login(conn, uuid, ask.service.settings.user_inactive_days)
    if row is None:
        raise ResourceNotFound(f"no user has the id {uuid}")
    return json_reply({"user": shapes.changed_user(_seen(ask, row), ask.base)})


def _password(ask: Ask, form: UserForm, *, by_rule: bool = True) -> dict[str, str]:
    if form.password is None:
        return {}
    return clear_password(ask.service.settings, form.password, by_rule=by_rule)


async def delete_user(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    await ask.change("DeleteDomainUser", uuid=known_id(ask.ids[0], "user"))
    return web.Response(status=204)


async def change_password(ask: Ask) -> web.Response:
    """One's own: the present password proves who asks, so no token is needed."""
    form = read(PasswordForm, ask.object("user"), required=("password", "original_password"))
    original = clear_password(ask.service.settings, form.original_password, by_rule=False)["password"]
    parameters = {"uuid": ask.ids[0][:64], "originalPassword": original}
    new = clear_password(ask.service.settings, form.password)
    await ask.call("ChangeOwnPassword", parameters | new, public=True)
    return web.Response(status=204)


async def list_user_projects(ask: Ask) -> web.Response:
    """Where the user has a role; of another's projects only those of the domains that the token may read."""
    row = await _visible(ask, ask.ids[0])
    marker, count = ask.page()
    async with ask.connection() as conn:
        rows = await list_projects(
            conn,
            uuids=await projects_of(conn, row["uuid"]),
            account_uuid=None if row["uuid"] == ask.token.user_uuid else ask.authority.readable,
            since=marker,
            limit=count,
        )
    return ask.listed("projects", [shapes.project(one, ask.base) for one in rows])


async def list_user_groups(ask: Ask) -> web.Response:
    row = await _visible(ask, ask.ids[0])
    marker, count = ask.page()
    async with ask.connection() as conn:
        rows = await store.list_groups(conn, member_uuid=row["uuid"], since=marker, limit=count)
    return ask.listed("groups", [shapes.group(one, ask.base) for one in rows])
