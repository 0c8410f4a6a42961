"""The APIs of accounts."""

from __future__ import annotations

from zstack_mgmt.core.errors import InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.core.registry import Call
from zstack_mgmt.core.requests import CreateRequest, DeleteRequest
from zstack_mgmt.core.values import ADMIN_UUID, ExistingUuid, Password
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.accounts.making import furnish, remove
from zstack_mgmt.identity.accounts.model import Account, AccountType
from zstack_mgmt.identity.logins import (
    UpdateLogin,
    first_password_was_set,
    fitting_password,
    still_fits,
    update_login,
)
from zstack_mgmt.identity.resource import identity_resource
from zstack_mgmt.resources import rows

accounts = identity_resource(Account, "/v1/accounts", "admin")


class CreateAccount(CreateRequest):
    """Create an account with its default policies and, unless it is an administrator, its quotas.

    Source: manual, "Identity > CreateAccount".
    """

    password: Password
    type: AccountType = "Normal"


@accounts.action(CreateAccount, "POST /v1/accounts", raises=(InvalidArgument,))
async def create_account(call: Call, conn: Connection, request: CreateAccount) -> Account:
    values = {
        "name": request.name,
        "description": request.description,
        "type": request.type,
        "password_hash": request.password,
    }
    account = await accounts.insert(call, conn, request, values)
    await furnish(conn, account)
    await first_password_was_set(conn, call.services.settings, account.uuid)
    return account


class UpdateAccount(UpdateLogin):
    """Change an account's name, description or password. A new password ends the account's sessions.

    With `oldPassword` the change is refused unless it fits.

    Source: manual, "Identity > UpdateAccount".
    """

    uuid: ExistingUuid


@accounts.action(
    UpdateAccount,
    "PUT /v1/accounts/{uuid}",
    access="account",
    raises=(ResourceNotFound, OperationError, InvalidArgument),
    revokes=True,
)
async def update_account(call: Call, conn: Connection, request: UpdateAccount) -> Account:
    if request.uuid != call.account_uuid and not call.is_admin:
        raise OperationError("an account can update itself only")
    fitting = await fitting_password(call, conn, request.uuid, request)
    account = await rows.get(conn, Account, request.uuid, lock="UPDATE")
    if account.uuid == ADMIN_UUID and request.name not in (None, account.name):
        raise OperationError("the built-in admin cannot be renamed")
    if not await still_fits(conn, account.uuid, request, fitting):
        raise OperationError("the old password is wrong")
    return await update_login(call, conn, Account, account.uuid, request)


class DeleteAccount(DeleteRequest):
    """Delete an account with everything that exists for it alone; what it owned passes to the built-in admin.

    Its scheduler jobs are disabled until the admin enables them.

    Source: manual, "Identity > DeleteAccount".
    """


@accounts.action(
    DeleteAccount,
    "DELETE /v1/accounts/{uuid}",
    returns=None,
    raises=(ResourceNotFound, InvalidArgument),
    revokes=True,
)
async def delete_account(call: Call, conn: Connection, request: DeleteAccount) -> None:
    if request.uuid in (call.account_uuid, ADMIN_UUID):
        raise InvalidArgument("neither the built-in admin nor the calling account can be deleted")
    await remove(conn, request.uuid)


accounts.query(access="admin")
