"""Changes of registered limits, and of those of projects and domains: by administrators of the platform."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from zstack_mgmt.core.errors import OperationError, existing
from zstack_mgmt.core.registry import Call, api
from zstack_mgmt.db import Connection
from zstack_mgmt.engine.store import note_changes
from zstack_mgmt.identity.catalog import store as catalog
from zstack_mgmt.identity.domain_quotas.handed import NOTHING, handed_on
from zstack_mgmt.identity.domain_quotas.model import ITEMS
from zstack_mgmt.identity.domain_quotas.store import levels, set_levels
from zstack_mgmt.identity.limits import store
from zstack_mgmt.identity.projects.store import find_project
from zstack_mgmt.identity.quotas import store as quotas
from zstack_mgmt.identity.roles.model import ScopedRequest
from zstack_mgmt.identity.roles.store import authority_of

change = partial(
    api, http="POST", mode="job", access="session", java="org.openstack.identity", response_key=""
)


class CreateRegisteredLimits(ScopedRequest):
    """Register limits, all of them or none: for projects and domains that have none of their own.

    Source: Keystone, "POST /v3/registered_limits".
    """

    resource_uuid: str  # of the first
    limits: list[dict[str, Any]]


@change(CreateRegisteredLimits, exclusive=())
async def create_registered_limits(call: Call, conn: Connection, request: CreateRegisteredLimits) -> None:
    (await authority_of(conn, call, request)).require_platform_admin()
    for values in request.limits:
        await _need_places(call, conn, values)
        await store.insert_registered(conn, values)
        await note_changes(conn, call.job_uuid, {values["resource_name"]: (None, values["default_limit"])})


class UpdateRegisteredLimit(ScopedRequest):
    """Change a registered limit that no limit overrides.

    Source: Keystone, "PATCH /v3/registered_limits/{registered_limit_id}".
    """

    uuid: str
    changes: dict[str, Any]


@change(UpdateRegisteredLimit, exclusive=("uuid",))
async def update_registered_limit(call: Call, conn: Connection, request: UpdateRegisteredLimit) -> None:
    registered = await _not_overridden(call, conn, request, request.uuid)
    new = {**dict(registered), **request.changes}
    await _need_places(call, conn, new)
    await store.update_registered(conn, request.uuid, new)
    limits = (registered["default_limit"], new["default_limit"])
    await note_changes(conn, call.job_uuid, {new["resource_name"]: limits})


async def _need_places(call: Call, conn: Connection, values: Mapping[str, Any]) -> None:
    """That the service and the region are in the catalog, and stay there."""
    await catalog.hold(conn)
    region = call.services.settings.region
    missing = await catalog.missing_place(conn, values["service_id"], values["region_id"], region)
    if missing:
        raise OperationError(missing)


class DeleteRegisteredLimit(ScopedRequest):
    """Delete a registered limit that no limit overrides.

    Source: Keystone, "DELETE /v3/registered_limits/{registered_limit_id}".
    """

    uuid: str


@change(DeleteRegisteredLimit, exclusive=("uuid",))
async def delete_registered_limit(call: Call, conn: Connection, request: DeleteRegisteredLimit) -> None:
    registered = await _not_overridden(call, conn, request, request.uuid)
    await store.delete_registered(conn, request.uuid)
    changes = {registered["resource_name"]: (registered["default_limit"], None)}
    await note_changes(conn, call.job_uuid, changes)


async def _not_overridden(call: Call, conn: Connection, request: ScopedRequest, uuid: str) -> Any:
    (await authority_of(conn, call, request)).require_platform_admin()
    registered = existing(await store.find_registered(conn, uuid), "registered limit", uuid)
    if await store.is_overridden(conn, uuid):
        raise OperationError("projects or domains have limits of their own for it; delete those first")
    return registered


class CreateLimits(ScopedRequest):
    """Set limits of projects and domains that have none of their own yet, all of them or none.

    Source: Keystone, "POST /v3/limits".
    """

    resource_uuid: str  # of the first
    account_uuids: list[str]  # the domains, or those of the projects
    limits: list[dict[str, Any]]


@change(CreateLimits, exclusive=("account_uuids",))
async def create_limits(call: Call, conn: Connection, request: CreateLimits) -> None:
    (await authority_of(conn, call, request)).require_platform_admin()
    for values in request.limits:
        name = values["resource_name"]
        registered = await store.lock_registered(conn, values["service_id"], values["region_id"], name)
        if registered is None:
            raise OperationError(f"no limit is registered for {name}")
        account_uuid = values["domain_uuid"]
        if account_uuid is None:
            project_uuid = values["project_uuid"]
            account_uuid = existing(await find_project(conn, project_uuid), "project", project_uuid)[
                "account_uuid"
            ]
        await store.insert_limit(conn, {**values, "registered_uuid": registered["registered_uuid"]})
        await _note(call, conn, values, None, values["value"])
        await _settle(call, conn, registered, account_uuid, values["value"], of_domain=values["domain_uuid"])


class UpdateLimit(ScopedRequest):
    """Change a limit or its description.

    Source: Keystone, "PATCH /v3/limits/{limit_id}".
    """

    uuid: str
    account_uuid: str
    changes: dict[str, Any]


@change(UpdateLimit, exclusive=("uuid", "account_uuid"))
async def update_limit(call: Call, conn: Connection, request: UpdateLimit) -> None:
    limit = await _limit(call, conn, request, request.uuid)
    new = {"value": limit["value"], "description": limit["description"], **request.changes}
    await store.update_limit(conn, request.uuid, new["value"], new["description"])
    if "value" in request.changes:
        await _note(call, conn, limit, limit["value"], new["value"])
        await _settle(call, conn, limit, limit["account_uuid"], new["value"], of_domain=limit["domain_uuid"])


class DeleteLimit(ScopedRequest):
    """Delete a limit: what is registered holds in its place.

    Source: Keystone, "DELETE /v3/limits/{limit_id}".
    """

    uuid: str
    account_uuid: str


@change(DeleteLimit, exclusive=("uuid", "account_uuid"))
async def delete_limit(call: Call, conn: Connection, request: DeleteLimit) -> None:
    limit = await _limit(call, conn, request, request.uuid)
    await store.delete_limit(conn, request.uuid)
    await _note(call, conn, limit, limit["value"], None)
    if limit["domain_uuid"] is not None:
        default = limit["default_limit"]
        await _settle(call, conn, limit, limit["account_uuid"], default, of_domain=limit["domain_uuid"])


async def _limit(call: Call, conn: Connection, request: ScopedRequest, uuid: str) -> Any:
    (await authority_of(conn, call, request)).require_platform_admin()
    return existing(await store.find_limit(conn, uuid), "limit", uuid)


async def _note(call: Call, conn: Connection, limit: Any, old: int | None, new: int | None) -> None:
    """Tell the audit line what became of the limit; None: it was not there, or is there no more."""
    whose = limit["project_uuid"] or limit["domain_uuid"]
    await note_changes(conn, call.job_uuid, {f"{limit['resource_name']} of {whose}": (old, new)})


async def _settle(
    call: Call, conn: Connection, registered: Any, account_uuid: str, value: int, *, of_domain: str | None
) -> None:
    """See that the domain's quota covers what its projects may have, after one of them was set.

    A domain's limit for an item of EOS is its quota, and is set as such.
    """
    name = registered["resource_name"]
    item = ITEMS.get(name)
    if of_domain is not None and item is not None:
        return await set_levels(call, conn, account_uuid, {name: Decimal(value)})
    if item is not None:
        await quotas.lock(conn, account_uuid, item.quotas)
        quota = (await levels(conn, account_uuid))[name].quota
    elif of_domain is not None:
        quota = Decimal(value)
    else:
        own = await store.limit_of_domain(conn, registered["registered_uuid"], account_uuid)
        quota = Decimal(registered["default_limit"] if own is None else own)
    return (await handed_on(conn, account_uuid, [name])).get(name, NOTHING).check(name, quota)
