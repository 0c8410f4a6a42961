"""Changes of the catalog: by administrators of the platform, one at a time."""

from __future__ import annotations

from functools import partial
from typing import Any

from zstack_mgmt.core.errors import OperationError, ResourceNotFound, existing
from zstack_mgmt.core.registry import Call, api
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.catalog import store
from zstack_mgmt.identity.catalog.model import MAX_ENDPOINTS, MAX_REGIONS, MAX_SERVICES
from zstack_mgmt.identity.extras import extended
from zstack_mgmt.identity.roles.model import ScopedRequest
from zstack_mgmt.identity.roles.store import authority_of

change = partial(
    api,
    http="POST",
    mode="job",
    access="session",
    java="org.openstack.identity",
    response_key="",
    exclusive=(),
)
NEW_REGION: dict[str, Any] = {"parent_id": None, "description": "", "extra": {}}
NEW_SERVICE: dict[str, Any] = {"name": None, "description": None, "enabled": True, "extra": {}}
NEW_ENDPOINT: dict[str, Any] = {"region_id": None, "enabled": True, "extra": {}}


async def _begin(call: Call, conn: Connection, request: ScopedRequest) -> None:
    (await authority_of(conn, call, request)).require_platform_admin()
    await store.lock(conn)


class CreateKeystoneRegion(ScopedRequest):
    """Add a region to the catalog.

    Source: Keystone, "POST /v3/regions" and "PUT /v3/regions/{region_id}".
    """

    values: dict[str, Any]


@change(CreateKeystoneRegion)
async def create_region(call: Call, conn: Connection, request: CreateKeystoneRegion) -> None:
    await _begin(call, conn, request)
    if len(await store.regions(conn)) >= MAX_REGIONS:
        raise OperationError(f"the catalog has {MAX_REGIONS} regions already")
    values = {**NEW_REGION, **request.values}
    await _need_parent(call, conn, values["parent_id"])
    await store.insert_region(conn, values)


class UpdateKeystoneRegion(ScopedRequest):
    """Change what a region is inside, or its description.

    Source: Keystone, "PATCH /v3/regions/{region_id}".
    """

    id: str
    changes: dict[str, Any]


@change(UpdateKeystoneRegion)
async def update_region(call: Call, conn: Connection, request: UpdateKeystoneRegion) -> None:
    await _begin(call, conn, request)
    region = await _region(call, conn, request.id)
    values = {**dict(region), **request.changes}
    values["extra"] = extended(region["extra"], request.changes.get("extra", {}))
    await _need_parent(call, conn, values["parent_id"])
    if values["parent_id"] in await store.regions_below(conn, request.id):
        raise OperationError("a region cannot be inside itself")
    await store.update_region(conn, values)


class DeleteKeystoneRegion(ScopedRequest):
    """Delete a region and those inside it, none of which has endpoints or registered limits.

    Source: Keystone, "DELETE /v3/regions/{region_id}".
    """

    id: str


@change(DeleteKeystoneRegion)
async def delete_region(call: Call, conn: Connection, request: DeleteKeystoneRegion) -> None:
    await _begin(call, conn, request)
    await _region(call, conn, request.id)
    below = await store.regions_below(conn, request.id)
    if call.services.settings.region in below:
        raise OperationError("the region of this installation cannot be deleted")
    if await store.is_region_used(conn, below):
        raise OperationError("the region, or one inside it, has endpoints or registered limits")
    await store.delete_region(conn, request.id)


async def _region(call: Call, conn: Connection, id: str) -> Any:  # noqa: A002 (the catalog's word)
    """The region's row. That of the installation is stored when something is to be said about it."""
    if id == call.services.settings.region:
        await store.need_region(conn, id)
    row = await store.region(conn, id)
    if row is None:
        raise ResourceNotFound(f"no region has the id {id}")
    return row


async def _need_parent(call: Call, conn: Connection, id: str | None) -> None:  # noqa: A002
    if id is not None:
        await _region(call, conn, id)


class CreateKeystoneService(ScopedRequest):
    """Add a service to the catalog.

    Source: Keystone, "POST /v3/services".
    """

    resource_uuid: str
    values: dict[str, Any]


@change(CreateKeystoneService)
async def create_service(call: Call, conn: Connection, request: CreateKeystoneService) -> None:
    await _begin(call, conn, request)
    if len(await store.services(conn)) >= MAX_SERVICES:
        raise OperationError(f"the catalog has {MAX_SERVICES} services already")
    await store.insert_service(conn, {**NEW_SERVICE, **request.values, "uuid": request.resource_uuid})


class UpdateKeystoneService(ScopedRequest):
    """Change a service. One that is disabled is not in the catalogs of tokens.

    Source: Keystone, "PATCH /v3/services/{service_id}".
    """

    uuid: str
    changes: dict[str, Any]


@change(UpdateKeystoneService)
async def update_service(call: Call, conn: Connection, request: UpdateKeystoneService) -> None:
    await _begin(call, conn, request)
    service = existing(await store.service(conn, request.uuid), "service", request.uuid)
    extra = extended(service["extra"], request.changes.get("extra", {}))
    await store.update_service(conn, {**dict(service), **request.changes, "extra": extra})


class DeleteKeystoneService(ScopedRequest):
    """Delete a service that no registered limit is of, with its endpoints.

    Source: Keystone, "DELETE /v3/services/{service_id}".
    """

    uuid: str


@change(DeleteKeystoneService)
async def delete_service(call: Call, conn: Connection, request: DeleteKeystoneService) -> None:
    await _begin(call, conn, request)
    existing(await store.service(conn, request.uuid), "service", request.uuid)
    if await store.is_service_used(conn, request.uuid):
        raise OperationError("limits are registered for the service; delete those first")
    await store.delete_service(conn, request.uuid)


class CreateKeystoneEndpoint(ScopedRequest):
    """Say where a service is.

    Source: Keystone, "POST /v3/endpoints".
    """

    resource_uuid: str
    makes_region: bool = False
    values: dict[str, Any]


@change(CreateKeystoneEndpoint)
async def create_endpoint(call: Call, conn: Connection, request: CreateKeystoneEndpoint) -> None:
    await _begin(call, conn, request)
    if len(await store.endpoints(conn)) >= MAX_ENDPOINTS:
        raise OperationError(f"the catalog has {MAX_ENDPOINTS} endpoints already")
    values = {**NEW_ENDPOINT, **request.values, "uuid": request.resource_uuid}
    await _need_places(call, conn, values, makes_region=request.makes_region)
    await store.insert_endpoint(conn, values)


class UpdateKeystoneEndpoint(ScopedRequest):
    """Change an endpoint. One that is disabled is not in the catalogs of tokens.

    Source: Keystone, "PATCH /v3/endpoints/{endpoint_id}".
    """

    uuid: str
    makes_region: bool = False
    changes: dict[str, Any]


@change(UpdateKeystoneEndpoint)
async def update_endpoint(call: Call, conn: Connection, request: UpdateKeystoneEndpoint) -> None:
    await _begin(call, conn, request)
    endpoint = existing(await store.endpoint(conn, request.uuid), "endpoint", request.uuid)
    values = {**dict(endpoint), **request.changes}
    values["extra"] = extended(endpoint["extra"], request.changes.get("extra", {}))
    await _need_places(call, conn, values, makes_region=request.makes_region)
    await store.update_endpoint(conn, values)


class DeleteKeystoneEndpoint(ScopedRequest):
    """Delete an endpoint.

    Source: Keystone, "DELETE /v3/endpoints/{endpoint_id}".
    """

    uuid: str


@change(DeleteKeystoneEndpoint)
async def delete_endpoint(call: Call, conn: Connection, request: DeleteKeystoneEndpoint) -> None:
    await _begin(call, conn, request)
    existing(await store.endpoint(conn, request.uuid), "endpoint", request.uuid)
    await store.delete_endpoint(conn, request.uuid)


async def _need_places(call: Call, conn: Connection, values: dict[str, Any], *, makes_region: bool) -> None:
    """That the service and the region of an endpoint are there; one that is named the old way is made."""
    existing(await store.service(conn, values["service_uuid"]), "service", values["service_uuid"])
    if values["region_id"] is None:
        return
    if makes_region and await store.region(conn, values["region_id"]) is None:
        if len(await store.regions(conn)) >= MAX_REGIONS:
            raise OperationError(f"the catalog has {MAX_REGIONS} regions already")
        await store.need_region(conn, values["region_id"])
    await _region(call, conn, values["region_id"])
