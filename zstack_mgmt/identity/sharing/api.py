"""The APIs of shares, owners and names."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zstack_mgmt.core.errors import (
    InvalidArgument,
    OperationError,
    PermissionDenied,
    QuotaExceeded,
    ResourceNotFound,
    SameOwner,
)
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import Reference
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.sharing import store
from zstack_mgmt.identity.sharing.model import AccountResourceRef, ResourceNameEntry, SharedResource
from zstack_mgmt.identity.sharing.movers import move
from zstack_mgmt.identity.sharing.owners import owners_of
from zstack_mgmt.query.declare import query_api

JAVA = "org.zstack.header.identity"
Uuids = Annotated[list[Reference], Field(max_length=1000)]


class ShareResource(ApiRequest):
    """Let other accounts, or everybody, see and use resources of the calling account. Existing shares stay.

    Source: manual, "Identity > ShareResource".
    """

    resource_uuids: Annotated[Uuids, Field(min_length=1)]
    account_uuids: Uuids = []  # noqa: RUF012 (pydantic copies it)
    to_public: bool = False


@api(
    ShareResource,
    http="PUT /v1/accounts/resources/actions",
    mode="job",
    access="user",
    category="identity",
    java=JAVA,
    raises=(InvalidArgument, PermissionDenied, ResourceNotFound),
    exclusive=("resource_uuids",),
)
async def share_resource(call: Call, conn: Connection, request: ShareResource) -> None:
    if not request.to_public and not request.account_uuids:
        raise InvalidArgument("name the accounts to share with, or set toPublic")
    await _check_owned(conn, call, request.resource_uuids)
    if request.to_public:
        await store.share(conn, request.resource_uuids, call.account_uuid, None)
        return
    missing = await store.missing_accounts(conn, request.account_uuids)
    if missing:
        raise ResourceNotFound(f"no account has the uuid {missing[0]}")
    await store.share(conn, request.resource_uuids, call.account_uuid, request.account_uuids)


class RevokeResourceSharing(ApiRequest):
    """End shares: with `accountUuids`, with the public (`toPublic`), or `all` of them.

    `all` with `toPublic` ends the public share only, as on ZStack.

    Source: manual, "Identity > RevokeResourceSharing".
    """

    resource_uuids: Annotated[Uuids, Field(min_length=1)]
    account_uuids: Uuids = []  # noqa: RUF012 (pydantic copies it)
    to_public: bool = False
    all: bool = False


@api(
    RevokeResourceSharing,
    http="PUT /v1/accounts/resources/actions",
    mode="job",
    access="user",
    category="identity",
    java=JAVA,
    raises=(InvalidArgument,),
    exclusive=("resource_uuids",),
)
async def revoke_resource_sharing(call: Call, conn: Connection, request: RevokeResourceSharing) -> None:
    if not request.all and not request.account_uuids and not request.to_public:
        raise InvalidArgument("name the accounts to revoke from, or set toPublic or all")
    every = request.all and not request.to_public and not request.account_uuids
    owner = None if call.is_admin else call.account_uuid
    await store.revoke(
        conn, request.resource_uuids, owner, request.account_uuids, public=request.to_public, every=every
    )


async def _check_owned(conn: Connection, call: Call, uuids: list[str]) -> None:
    owners = await owners_of(conn, uuids)
    for uuid in uuids:
        owner, _ = owners.get(uuid, ("", ""))
        if not owner or (owner != call.account_uuid and not call.is_admin):
            raise InvalidArgument(f"no resource of the account has the uuid {uuid}")


class ChangeResourceOwner(ApiRequest):
    """Give a resource, and what hangs on it, to another account. Its shares end.

    Source: manual, "Identity > ChangeResourceOwner".
    """

    account_uuid: Reference
    resource_uuid: Reference


@api(
    ChangeResourceOwner,
    http="POST /v1/account/{accountUuid}/resources",
    mode="job",
    access="admin",
    category="identity",
    java=JAVA,
    returns=AccountResourceRef,
    raises=(ResourceNotFound, InvalidArgument, SameOwner, QuotaExceeded, OperationError),
    exclusive=("resource_uuid", "account_uuid"),
)
async def change_resource_owner(
    call: Call, conn: Connection, request: ChangeResourceOwner
) -> AccountResourceRef:
    if await store.missing_accounts(conn, [request.account_uuid]):
        raise ResourceNotFound(f"no account has the uuid {request.account_uuid}")
    owners = await owners_of(conn, [request.resource_uuid])
    if request.resource_uuid not in owners:
        raise InvalidArgument(f"no owned resource has the uuid {request.resource_uuid}")
    owner, kind = owners[request.resource_uuid]
    if owner == request.account_uuid:
        raise SameOwner(f"the account {owner} owns the resource already")
    moved = await move(conn, kind, request.resource_uuid, request.account_uuid)
    await store.set_owner(conn, [request.resource_uuid, *moved], request.account_uuid)
    return await store.get_ref(conn, request.resource_uuid)


class GetResourceNames(ApiRequest):
    """Names and types of the resources that the caller can see; unknown uuids are left out.

    Source: manual, "Identity > GetResourceNames".
    """

    uuids: Annotated[Uuids, Field(min_length=1)]


@api(
    GetResourceNames,
    http="GET /v1/resources/names",
    mode="sync",
    access="user",
    category="resource",
    java="org.zstack.header.vo",
    is_read=True,
    response_key="inventories",
    returns=ResourceNameEntry,
)
async def get_resource_names(
    call: Call, conn: Connection, request: GetResourceNames
) -> list[ResourceNameEntry]:
    return await store.names(conn, request.uuids, call.account_uuid, sees_all=call.is_admin)


query_account_resource_ref = query_api(
    AccountResourceRef,
    http="GET /v1/accounts/resources/refs",
    access="user",
    category="identity",
    java=JAVA,
    by_uuid=False,
)
query_shared_resource = query_api(
    SharedResource,
    http="GET /v1/accounts/resources",
    access="admin",
    category="identity",
    java=JAVA,
    by_uuid=False,
)
