"""The APIs of quotas."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zstack_mgmt.core.errors import InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.requests import UuidRequest
from zstack_mgmt.core.values import ExistingUuid, ResourceName
from zstack_mgmt.db import Connection
from zstack_mgmt.engine.store import note_changes
from zstack_mgmt.identity.accounts.model import Account
from zstack_mgmt.identity.domain_quotas.handed import NOTHING, handed_on
from zstack_mgmt.identity.domain_quotas.model import shown_by
from zstack_mgmt.identity.quotas import store
from zstack_mgmt.identity.quotas.model import Quota, QuotaUsage
from zstack_mgmt.identity.resource import identity_resource
from zstack_mgmt.resources import rows

quotas = identity_resource(Quota, "/v1/accounts/quotas", "admin")


class UpdateQuota(ApiRequest):
    """Set an account's quota. A value below the present use is refused.

    So is one below what the limits of its projects need (docs/keystone.md).

    Source: manual, "Identity > UpdateQuota".
    """

    identity_uuid: ExistingUuid
    name: ResourceName
    value: Annotated[int, Field(ge=0, le=2**63 - 1)]


@quotas.action(
    UpdateQuota,
    "PUT /v1/accounts/quotas/actions",
    raises=(ResourceNotFound, InvalidArgument, OperationError),
    exclusive=("identity_uuid",),
)
async def update_quota(call: Call, conn: Connection, request: UpdateQuota) -> Quota:
    account = await rows.get(conn, Account, request.identity_uuid)
    known = await store.lock(conn, account.uuid, [request.name])
    if request.name not in known:
        raise InvalidArgument(f"the account has no quota called {request.name!r}")
    old, used = known[request.name]
    if request.value < used:
        raise OperationError(f"{used} are in use; the quota {request.name} cannot be {request.value}")
    for item, quota in shown_by(request.name, request.value).items():
        (await handed_on(conn, account.uuid, [item])).get(item, NOTHING).check(item, quota)
    await note_changes(conn, call.job_uuid, {request.name: (old, request.value)})
    return await store.set_quota(conn, account.uuid, request.name, request.value)


class GetAccountQuotaUsage(UuidRequest):
    """Limit and use of each quota of an account; other accounts' are for system administrators.

    Source: manual, "Identity > GetAccountQuotaUsage".
    """


@quotas.action(
    GetAccountQuotaUsage,
    "GET /v1/accounts/quota/{uuid}/usages",
    mode="sync",
    access="user",
    is_read=True,
    response_key="usages",
    returns=QuotaUsage,
    raises=(ResourceNotFound,),
)
async def get_account_quota_usage(
    call: Call, conn: Connection, request: GetAccountQuotaUsage
) -> list[QuotaUsage]:
    if request.uuid != call.account_uuid and not call.is_admin:
        raise ResourceNotFound(f"no account has the uuid {request.uuid}")
    await rows.get(conn, Account, request.uuid, lock=None)
    return await store.usages(conn, request.uuid)


quotas.query(access="user")
