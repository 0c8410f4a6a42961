"""The APIs of shares, owners and names."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zstack_mgmt.core.errors import (
    InvalidArgument,
    OperationError,
    QuotaExceeded,
    ResourceNotFound,
    SameOwner,
)
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import ExistingUuid, Reference
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.accounts.model import Account
from zstack_mgmt.identity.resource import identity_resource
from zstack_mgmt.identity.sharing import store
from zstack_mgmt.identity.sharing.model import AccountResourceRef, ResourceNameEntry, SharedResource
from zstack_mgmt.identity.sharing.ownership import follow
from zstack_mgmt.query.declare import query_api
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.owners import owners_of

PATH = "/v1/accounts/resources"
JAVA = "org.zstack.header.identity"
owners = identity_resource(AccountResourceRef, f"{PATH}/refs", "user")
Uuids = Annotated[list[Reference], Field(max_length=1000)]


class ShareResource(ApiRequest):
    """Let other accounts, or everybody, see and use resources of the calling account. Existing shares stay.

    Source: manual, "Identity > ShareResource".
    """

    resource_uuids: Annotated[Uuids, Field(min_length=1)]
    account_uuids: Uuids = []  # noqa: RUF012 (pydantic copies it)
    to_public: bool = False


@owners.action(
    ShareResource,
    f"PUT {PATH}/actions",
    returns=None,
    raises=(InvalidArgument, ResourceNotFound),
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


@owners.action(
    RevokeResourceSharing,
    f"PUT {PATH}/actions",
    returns=None,
    raises=(InvalidArgument,),
    exclusive=("resource_uuids",),
    revokes=True,
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
    owned = await owners_of(conn, uuids)
    for uuid in uuids:
        owner, _ = owned.get(uuid, ("", ""))
        if not owner or (owner != call.account_uuid and not call.is_admin):
            raise InvalidArgument(f"no resource of the account has the uuid {uuid}")


class ChangeResourceOwner(ApiRequest):
    """Give a resource, and what hangs on it, to another account. Its shares end.

    Source: manual, "Identity > ChangeResourceOwner".
    """

    account_uuid: ExistingUuid
    resource_uuid: ExistingUuid


@owners.action(
    ChangeResourceOwner,
    "POST /v1/account/{accountUuid}/resources",
    access="admin",
    raises=(ResourceNotFound, InvalidArgument, SameOwner, QuotaExceeded, OperationError),
    exclusive=("resource_uuid", "account_uuid"),
)
async def change_resource_owner(
    call: Call, conn: Connection, request: ChangeResourceOwner
) -> AccountResourceRef:
    uuid, receiver = request.resource_uuid, request.account_uuid
    await rows.get(conn, Account, receiver)
    owned = await owners_of(conn, [uuid])
    if uuid not in owned:
        raise InvalidArgument(f"no owned resource has the uuid {uuid}")
    owner, kind = owned[uuid]
    if owner == receiver:
        raise SameOwner(f"the account {owner} owns the resource already")
    moved = await follow(conn, kind, uuid, receiver)
    await store.set_owner(conn, [uuid, *moved], receiver)
    return await rows.get(conn, AccountResourceRef, uuid, by="resource_uuid")


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


owners.query(access="user", by_uuid=False)
query_api(SharedResource, http=f"GET {PATH}", access="admin", category="identity", java=JAVA, by_uuid=False)
