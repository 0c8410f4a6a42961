"""The APIs of accounts."""

from __future__ import annotations

from zstack_mgmt.auth.passwords import check_old_password
from zstack_mgmt.billing.store import hand_over
from zstack_mgmt.core.errors import InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import (
    ADMIN_UUID,
    ClearPassword,
    DeleteMode,
    Description,
    Password,
    Reference,
    ResourceName,
    ResourceUuid,
    is_uuid,
    new_uuid,
)
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.accounts import store
from zstack_mgmt.identity.accounts.model import Account, AccountType
from zstack_mgmt.identity.policies.model import default_statements
from zstack_mgmt.identity.policies.store import insert_policy
from zstack_mgmt.identity.quotas.store import create_quotas
from zstack_mgmt.identity.sharing.owners import own, tag
from zstack_mgmt.query.declare import query_api
from zstack_mgmt.scheduler.store import disable_all_of

JAVA = "org.zstack.header.identity"


class CreateAccount(ApiRequest):
    """Create an account with its default policies and, unless it is an administrator, its quotas.

    Source: manual, "Identity > CreateAccount".
    """

    name: ResourceName
    password: Password
    type: AccountType = "Normal"
    description: Description | None = None
    resource_uuid: ResourceUuid | None = None


@api(
    CreateAccount,
    http="POST /v1/accounts",
    mode="job",
    access="admin",
    category="identity",
    java=JAVA,
    returns=Account,
    raises=(InvalidArgument,),
)
async def create_account(call: Call, conn: Connection, request: CreateAccount) -> Account:
    uuid = request.resource_uuid or new_uuid()
    if await store.name_is_taken(conn, request.name, uuid):
        raise InvalidArgument(f"another account is called {request.name!r}")
    account = await store.insert_account(
        conn, uuid, request.name, request.description, request.type, request.password
    )
    await tag(conn, uuid, request)
    for name, statements in default_statements(uuid):
        policy = await insert_policy(conn, new_uuid(), uuid, name, None, statements)
        await own(conn, policy.uuid, uuid)
    if request.type == "Normal":  # administrators have no limits
        await create_quotas(conn, uuid)
    return account


class UpdateAccount(ApiRequest):
    """Change an account's name, description or password. A new password ends the account's sessions.

    With `oldPassword` the change is refused unless it fits.

    Source: manual, "Identity > UpdateAccount".
    """

    uuid: Reference
    name: ResourceName | None = None
    description: Description | None = None
    password: Password | None = None
    old_password: ClearPassword | None = None


@api(
    UpdateAccount,
    http="PUT /v1/accounts/{uuid}",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    returns=Account,
    raises=(ResourceNotFound, OperationError, InvalidArgument),
)
async def update_account(call: Call, conn: Connection, request: UpdateAccount) -> Account:
    if request.uuid != call.account_uuid and not call.is_admin:
        raise OperationError("an account can update itself only")
    account = await store.get_account(conn, request.uuid)
    if account is None:
        raise ResourceNotFound(f"no account has the uuid {request.uuid}")
    if request.name is not None and request.name != account.name:
        if account.uuid == ADMIN_UUID:
            raise OperationError("the built-in admin cannot be renamed")
        if await store.name_is_taken(conn, request.name, account.uuid):
            raise InvalidArgument(f"another account is called {request.name!r}")
    if request.old_password is not None and not await check_old_password(
        call.services, await store.password_of(conn, account.uuid), request.old_password
    ):
        raise OperationError("the old password is wrong")
    if request.password is not None:
        await store.end_sessions(conn, account.uuid)
    if request.name is None and request.description is None and request.password is None:
        return account
    return await store.update_account(conn, account.uuid, request.name, request.description, request.password)


class DeleteAccount(ApiRequest):
    """Delete an account with everything that exists for it alone; what it owned passes to the built-in admin.

    Its scheduler jobs are disabled until the admin enables them.

    Source: manual, "Identity > DeleteAccount".
    """

    uuid: Reference
    delete_mode: DeleteMode = "Permissive"


@api(
    DeleteAccount,
    http="DELETE /v1/accounts/{uuid}",
    mode="job",
    access="admin",
    category="identity",
    java=JAVA,
    raises=(ResourceNotFound, InvalidArgument),
)
async def delete_account(call: Call, conn: Connection, request: DeleteAccount) -> None:
    if not is_uuid(request.uuid):
        raise ResourceNotFound(f"no account has the uuid {request.uuid}")
    if request.uuid in (call.account_uuid, ADMIN_UUID):
        raise InvalidArgument("neither the built-in admin nor the calling account can be deleted")
    await hand_over(conn, request.uuid, ADMIN_UUID)
    await disable_all_of(conn, request.uuid)  # or they would act as the admin from now on
    await store.delete_account(conn, request.uuid)


query_account = query_api(Account, http="GET /v1/accounts", access="admin", category="identity", java=JAVA)
