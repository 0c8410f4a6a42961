"""Changes of users and groups of any domain, by who manages it."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import orjson
from pydantic import Field

from zstack_mgmt.auth.passwords import NEVER_FITS
from zstack_mgmt.core.errors import InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.core.registry import Call, api
from zstack_mgmt.core.values import Password
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.domains.store import find_domain
from zstack_mgmt.identity.extras import extended, keep_extras
from zstack_mgmt.identity.groups.model import UserGroup
from zstack_mgmt.identity.logins import end_sessions, password_was_set, retire_password, set_password
from zstack_mgmt.identity.policies.model import DEFAULT_POLICIES
from zstack_mgmt.identity.principals import store
from zstack_mgmt.identity.roles.model import Authority, ScopedRequest
from zstack_mgmt.identity.roles.store import authority_of, check_rank
from zstack_mgmt.identity.users.model import User
from zstack_mgmt.identity.users.store import bind_default_policies, forget_passwords
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.owners import own

change = partial(
    api, http="POST", mode="job", access="session", java="org.openstack.identity", response_key=""
)
NEW: dict[str, Any] = {
    "description": None,
    "email": None,
    "enabled": True,
    "options": {},
    "default_project_uuid": None,
    "extra": {},
}
Strength = Literal["high", "mid", "low"]


class CreateDomainUser(ScopedRequest):
    """Create a user in a domain. Without a password nobody can log in as it.

    Source: Keystone, "POST /v3/users".
    """

    resource_uuid: str
    account_uuid: str
    password: Password | None = None
    strength: Strength | None = None
    values: dict[str, Any]


@change(CreateDomainUser, exclusive=("account_uuid",))
async def create_domain_user(call: Call, conn: Connection, request: CreateDomainUser) -> None:
    await _managed_domain(call, conn, request, request.account_uuid)
    values = {**NEW, **request.values}
    await _check_name(conn, request.account_uuid, values["name"])
    row = {
        "uuid": request.resource_uuid,
        "account_uuid": request.account_uuid,
        "name": values["name"],
        "password_hash": request.password or NEVER_FITS,
    }
    await rows.insert(conn, User, row)
    await own(conn, request.account_uuid, request.resource_uuid)
    await bind_default_policies(conn, request.resource_uuid, request.account_uuid, DEFAULT_POLICIES)
    await store.update_login(conn, request.resource_uuid, values)
    if request.password is not None:
        await password_was_set(
            conn, call.services.settings, request.resource_uuid, strength=request.strength, by_owner=False
        )


class UpdateDomainUser(ScopedRequest):
    """Change a user. A new password, or disabling it, ends its sessions.

    Source: Keystone, "PATCH /v3/users/{user_id}"; EOS, its password rule.
    """

    uuid: str
    password: Password | None = None
    strength: Strength | None = None
    changes: dict[str, Any]

    def takes_rights(self) -> bool:
        return self.password is not None or self.changes.get("enabled") is False


@change(UpdateDomainUser, exclusive=("uuid",), revokes=True)
async def update_domain_user(call: Call, conn: Connection, request: UpdateDomainUser) -> None:
    login = await _managed_login(call, conn, request, request.uuid)
    changes = request.changes
    renames = changes.get("name", login["name"]) != login["name"]
    if login["uuid"] == login["account_uuid"] and (changes.get("enabled") is False or renames):
        raise OperationError("the domain's own login is renamed and disabled with its domain")
    if renames:
        await _check_name(conn, login["account_uuid"], changes["name"])
    options = orjson.loads(login["options"]) | changes.get("options", {})
    values = {
        **dict(login),
        **changes,
        "options": {name: value for name, value in options.items() if value is not None},
        "extra": extended(login["extra"], changes.get("extra", {})),
    }
    await store.update_login(conn, request.uuid, values)
    if changes.get("enabled") is True:
        await store.note_active(conn, request.uuid)
    if changes.get("enabled") is False:
        await end_sessions(conn, request.uuid)
    if request.password is not None:
        await retire_password(conn, request.uuid)
        await set_password(conn, request.uuid, request.password)
        by_owner = request.uuid == call.user_uuid
        await password_was_set(
            conn, call.services.settings, request.uuid, strength=request.strength, by_owner=by_owner
        )


class DeleteDomainUser(ScopedRequest):
    """Delete a user, and end its sessions.

    Source: Keystone, "DELETE /v3/users/{user_id}".
    """

    uuid: str


@change(DeleteDomainUser, exclusive=("uuid",), revokes=True)
async def delete_domain_user(call: Call, conn: Connection, request: DeleteDomainUser) -> None:
    login = await _managed_login(call, conn, request, request.uuid)
    if login["uuid"] == login["account_uuid"]:
        raise OperationError("the domain's own login is deleted with its domain")
    await rows.delete(conn, User, request.uuid)
    await end_sessions(conn, request.uuid)
    await forget_passwords(conn, request.uuid)


class CreateDomainGroup(ScopedRequest):
    """Create a group in a domain.

    Source: Keystone, "POST /v3/groups".
    """

    resource_uuid: str
    account_uuid: str
    name: str
    description: str | None = None
    extra: dict[str, Any] = Field(default_factory=dict)


@change(CreateDomainGroup, exclusive=("account_uuid",))
async def create_domain_group(call: Call, conn: Connection, request: CreateDomainGroup) -> None:
    await _managed_domain(call, conn, request, request.account_uuid)
    row = {
        "uuid": request.resource_uuid,
        "account_uuid": request.account_uuid,
        "name": request.name,
        "description": request.description,
    }
    await rows.insert(conn, UserGroup, row)
    await own(conn, request.account_uuid, request.resource_uuid)
    if request.extra:
        await keep_extras(conn, request.resource_uuid, request.extra)


class UpdateDomainGroup(ScopedRequest):
    """Change a group's name or description.

    Source: Keystone, "PATCH /v3/groups/{group_id}".
    """

    uuid: str
    changes: dict[str, Any]


@change(UpdateDomainGroup, exclusive=("uuid",))
async def update_domain_group(call: Call, conn: Connection, request: UpdateDomainGroup) -> None:
    group = await _managed_group(call, conn, request, request.uuid)
    changes = dict(request.changes)
    if extra := changes.pop("extra", None):
        await keep_extras(conn, request.uuid, extended(group["extra"], extra))
    await rows.update(conn, UserGroup, request.uuid, changes)


class DeleteDomainGroup(ScopedRequest):
    """Delete a group.

    Source: Keystone, "DELETE /v3/groups/{group_id}".
    """

    uuid: str


@change(DeleteDomainGroup, exclusive=("uuid",), revokes=True)
async def delete_domain_group(call: Call, conn: Connection, request: DeleteDomainGroup) -> None:
    await _managed_group(call, conn, request, request.uuid)
    await rows.delete(conn, UserGroup, request.uuid)


class DomainMembership(ScopedRequest):
    """A user in a group of the same domain."""

    uuid: str  # of the group
    user_uuid: str


class AddDomainGroupMember(DomainMembership):
    """Make a user a member of a group. A member stays one.

    Source: Keystone, "PUT /v3/groups/{group_id}/users/{user_id}".
    """


@change(AddDomainGroupMember, exclusive=("uuid",), shared=("user_uuid",))
async def add_domain_group_member(call: Call, conn: Connection, request: AddDomainGroupMember) -> None:
    group = await _managed_group(call, conn, request, request.uuid)
    user = await rows.find(conn, User, request.user_uuid, group["account_uuid"])
    if user is None:
        raise ResourceNotFound(f"no user of the group's domain has the id {request.user_uuid}")
    await rows.link(conn, UserGroup, "user", request.uuid, [request.user_uuid])


class RemoveDomainGroupMember(DomainMembership):
    """End a membership.

    Source: Keystone, "DELETE /v3/groups/{group_id}/users/{user_id}".
    """


@change(RemoveDomainGroupMember, exclusive=("uuid", "user_uuid"), revokes=True)
async def remove_domain_group_member(call: Call, conn: Connection, request: RemoveDomainGroupMember) -> None:
    await _managed_group(call, conn, request, request.uuid)
    if not await store.is_member(conn, request.uuid, request.user_uuid):
        raise ResourceNotFound(f"the user {request.user_uuid} is not in the group")
    await rows.unlink(conn, UserGroup, "user", request.uuid, [request.user_uuid])


async def _check_name(conn: Connection, account_uuid: str, name: str) -> None:
    """Raises InvalidArgument when the domain's own login has the name: one name is one login."""
    domain = await find_domain(conn, account_uuid)
    if domain is not None and domain["name"] == name:
        raise InvalidArgument("the domain's own login has this name")


async def _managed_domain(call: Call, conn: Connection, request: ScopedRequest, uuid: str) -> Any:
    authority = await authority_of(conn, call, request)
    authority.require_manager()
    domain = await find_domain(conn, uuid)
    authority.require_manager_of(domain and domain["uuid"], "domain", uuid)
    return domain


async def _managed_login(call: Call, conn: Connection, request: ScopedRequest, uuid: str) -> Any:
    authority = await authority_of(conn, call, request)
    authority.require_manager()
    login = await store.find_login(conn, uuid)
    authority.require_manager_of(login and login["account_uuid"], "user", uuid)
    await _check_rank(conn, authority, uuid)
    return login


async def _managed_group(call: Call, conn: Connection, request: ScopedRequest, uuid: str) -> Any:
    authority = await authority_of(conn, call, request)
    authority.require_manager()
    group = await store.find_group(conn, uuid)
    authority.require_manager_of(group and group["account_uuid"], "group", uuid)
    await _check_rank(conn, authority, uuid)
    return group


async def _check_rank(conn: Connection, authority: Authority, uuid: str) -> None:
    if not authority.is_platform_admin:
        by_admin = "admin" in authority.names
        await check_rank(conn, uuid, authority.place.domain_uuid, by_admin=by_admin)
