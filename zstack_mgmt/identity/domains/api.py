"""Changes of accounts as domains."""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic import Field

from zstack_mgmt.auth.passwords import NEVER_FITS
from zstack_mgmt.core.errors import InvalidArgument, OperationError, existing
from zstack_mgmt.core.registry import Call, api
from zstack_mgmt.core.values import ADMIN_UUID
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.accounts.making import furnish, remove
from zstack_mgmt.identity.accounts.model import Account
from zstack_mgmt.identity.domains import store
from zstack_mgmt.identity.extras import extended, keep_extras
from zstack_mgmt.identity.roles.model import ScopedRequest
from zstack_mgmt.identity.roles.store import authority_of
from zstack_mgmt.resources import rows

change = partial(
    api, http="POST", mode="job", access="session", java="org.openstack.identity", response_key=""
)


class CreateDomain(ScopedRequest):
    """Create a domain: an account that nobody can log in to until its own login gets a password.

    Source: Keystone, "POST /v3/domains".
    """

    resource_uuid: str
    name: str
    description: str = ""
    enabled: bool = True
    extra: dict[str, Any] = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list)


@change(CreateDomain, exclusive=())
async def create_domain(call: Call, conn: Connection, request: CreateDomain) -> None:
    (await authority_of(conn, call, request)).require_platform_admin()
    values = {
        "uuid": request.resource_uuid,
        "name": request.name,
        "description": request.description,
        "type": "Normal",
        "password_hash": NEVER_FITS,
    }
    await furnish(conn, await rows.insert(conn, Account, values))
    if request.extra or request.tags:
        await keep_extras(conn, request.resource_uuid, request.extra, request.tags)
    if not request.enabled:
        await store.update_domain(
            conn, request.resource_uuid, request.name, request.description, enabled=False
        )


class UpdateDomain(ScopedRequest):
    """Change a domain. Disabling it ends the sessions of all its users.

    Source: Keystone, "PATCH /v3/domains/{domain_id}".
    """

    uuid: str
    changes: dict[str, Any]

    def takes_rights(self) -> bool:
        return self.changes.get("enabled") is False


@change(UpdateDomain, exclusive=("uuid",), revokes=True)
async def update_domain(call: Call, conn: Connection, request: UpdateDomain) -> None:
    domain = await _domain(call, conn, request, request.uuid)
    new = {**domain, **request.changes}
    if request.uuid == ADMIN_UUID and (new["name"] != domain["name"] or not new["enabled"]):
        raise OperationError("the built-in domain can be neither renamed nor disabled")
    if new["name"] != domain["name"] and await store.has_user_named(conn, request.uuid, new["name"]):
        raise InvalidArgument("a user of the domain has this name")
    await store.update_domain(
        conn, request.uuid, new["name"], new["description"], enabled=bool(new["enabled"])
    )
    if "extra" in request.changes or "tags" in request.changes:
        extra = extended(domain["extra"], request.changes.get("extra", {}))
        await keep_extras(conn, request.uuid, extra, new["tags"])


class DeleteDomain(ScopedRequest):
    """Delete a domain that is disabled, with its users, groups and projects.

    What else it owned passes to the built-in admin.

    Source: Keystone, "DELETE /v3/domains/{domain_id}".
    """

    uuid: str


@change(DeleteDomain, exclusive=("uuid",), revokes=True)
async def delete_domain(call: Call, conn: Connection, request: DeleteDomain) -> None:
    domain = await _domain(call, conn, request, request.uuid)
    if domain["enabled"] or request.uuid in (ADMIN_UUID, call.account_uuid):
        raise OperationError("a domain must be disabled before it is deleted")
    await remove(conn, request.uuid)


async def _domain(call: Call, conn: Connection, request: ScopedRequest, uuid: str) -> dict[str, Any]:
    (await authority_of(conn, call, request)).require_platform_admin()
    return dict(existing(await store.find_domain(conn, uuid), "domain", uuid))
