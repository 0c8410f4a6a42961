"""The APIs of quotas."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zstack_mgmt.core.errors import InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import Reference, ResourceName
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas import store
from zstack_mgmt.identity.quotas.model import Quota, QuotaUsage
from zstack_mgmt.query.declare import query_api

JAVA = "org.zstack.header.identity"


class UpdateQuota(ApiRequest):
    """Set an account's quota. A value below the present use is refused.

    Source: manual, "Identity > UpdateQuota".
    """

    identity_uuid: Reference
    name: ResourceName
    value: Annotated[int, Field(ge=0, le=2**63 - 1)]


@api(
    UpdateQuota,
    http="PUT /v1/accounts/quotas/actions",
    mode="job",
    access="admin",
    category="identity",
    java=JAVA,
    returns=Quota,
    raises=(ResourceNotFound, InvalidArgument, OperationError),
    exclusive=("identity_uuid",),
)
async def update_quota(call: Call, conn: Connection, request: UpdateQuota) -> Quota:
    if not await store.account_exists(conn, request.identity_uuid):
        raise ResourceNotFound(f"no account has the uuid {request.identity_uuid}")
    known = await store.lock(conn, request.identity_uuid, [request.name])
    if request.name not in known:
        raise InvalidArgument(f"the account has no quota called {request.name!r}")
    _, used = known[request.name]
    if request.value < used:
        raise OperationError(f"{used} are in use; the quota {request.name} cannot be {request.value}")
    quota = await store.set_quota(conn, request.identity_uuid, request.name, request.value)
    assert quota is not None  # noqa: S101 (its row is locked)
    return quota


class GetAccountQuotaUsage(ApiRequest):
    """Limit and use of each quota of an account; other accounts' are for system administrators.

    Source: manual, "Identity > GetAccountQuotaUsage".
    """

    uuid: Reference


@api(
    GetAccountQuotaUsage,
    http="GET /v1/accounts/quota/{uuid}/usages",
    mode="sync",
    access="user",
    category="identity",
    java=JAVA,
    is_read=True,
    response_key="usages",
    returns=QuotaUsage,
    raises=(ResourceNotFound,),
)
async def get_account_quota_usage(
    call: Call, conn: Connection, request: GetAccountQuotaUsage
) -> list[QuotaUsage]:
    foreign = request.uuid != call.account_uuid and not call.is_admin
    if foreign or not await store.account_exists(conn, request.uuid):
        raise ResourceNotFound(f"no account has the uuid {request.uuid}")
    return await store.usages(conn, request.uuid)


query_quota = query_api(Quota, http="GET /v1/accounts/quotas", access="user", category="identity", java=JAVA)
