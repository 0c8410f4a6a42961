"""The APIs of users."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Self

from pydantic import Field

from zstack_mgmt.core.callers import Caller, UserCaller
from zstack_mgmt.core.errors import InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.requests import CreateRequest, DeleteRequest
from zstack_mgmt.core.values import ExistingUuid, Password
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.logins import (
    UpdateLogin,
    end_sessions,
    first_password_was_set,
    fitting_password,
    still_fits,
    update_login,
)
from zstack_mgmt.identity.policies.model import DEFAULT_POLICIES
from zstack_mgmt.identity.policies.store import check_policies
from zstack_mgmt.identity.resource import identity_resource
from zstack_mgmt.identity.roles.store import check_rank
from zstack_mgmt.identity.users import store
from zstack_mgmt.identity.users.model import User
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.owners import scope_of

users = identity_resource(User, "/v1/accounts/users", "account")
bindings = partial(users.action, returns=None, raises=(ResourceNotFound, InvalidArgument))


class CreateUser(CreateRequest):
    """Create a user inside the calling account.

    It may read, and change its own password, until policies say more.

    Source: manual, "Identity > CreateUser".
    """

    password: Password


@users.action(CreateUser, "POST /v1/accounts/users", raises=(InvalidArgument,))
async def create_user(call: Call, conn: Connection, request: CreateUser) -> User:
    values = {
        "name": request.name,
        "description": request.description,
        "password_hash": request.password,
    }
    user = await users.insert(call, conn, request, values)
    await store.bind_default_policies(conn, user.uuid, call.account_uuid, DEFAULT_POLICIES)
    await first_password_was_set(conn, call.services.settings, user.uuid)
    return user


class DeleteUser(DeleteRequest):
    """Delete a user and end its sessions. One that is gone already is no error.

    Source: manual, "Identity > DeleteUser".
    """


@users.action(
    DeleteUser,
    "DELETE /v1/accounts/users/{uuid}",
    returns=None,
    raises=(ResourceNotFound,),
    revokes=True,
)
async def delete_user(call: Call, conn: Connection, request: DeleteUser) -> None:
    if await rows.delete(conn, User, request.uuid, scope_of(call)):
        await end_sessions(conn, request.uuid)
        await store.forget_passwords(conn, request.uuid)


class UpdateUser(UpdateLogin):
    """Change a user's name, description or password.

    A user session may leave `uuid` out, and changes itself only.

    A new password ends the user's sessions. It is not for the account to set when the user has roles beyond
    the account (docs/keystone.md). With `oldPassword` the change is refused unless it fits.

    Source: manual, "Identity > UpdateUser".
    """

    uuid: ExistingUuid | None = None

    def completed(self, caller: Caller) -> Self:
        """A user session means its own user, whose changes take effect in order."""
        if self.uuid is not None or not isinstance(caller, UserCaller):
            return self
        return self.model_copy(update={"uuid": caller.user_uuid})


@users.action(
    UpdateUser,
    "PUT /v1/accounts/users/actions",
    access="user",
    raises=(InvalidArgument, ResourceNotFound, OperationError),
    revokes=True,
    exclusive=("uuid",),
)
async def update_user(call: Call, conn: Connection, request: UpdateUser) -> User:
    uuid = request.uuid or call.user_uuid
    if call.is_account_session and request.uuid is None:
        raise InvalidArgument("an account session must name the user: uuid is missing")
    if not call.is_account_session and uuid != call.user_uuid:
        raise InvalidArgument("a user can change itself only")
    await rows.get(conn, User, uuid, scope_of(call), lock=None)
    fitting = await fitting_password(call, conn, uuid, request)
    user = await rows.get(conn, User, uuid, scope_of(call), lock="NO KEY UPDATE")
    if request.password is not None and uuid != call.user_uuid and not call.is_admin:
        await check_rank(conn, uuid, user.account_uuid, by_admin=True)
    if not await still_fits(conn, uuid, request, fitting):
        raise InvalidArgument("the old password is wrong")
    return await update_login(call, conn, User, uuid, request)


class PolicyOfUser(ApiRequest):
    """A policy bound to a user."""

    user_uuid: ExistingUuid
    policy_uuid: ExistingUuid


class PoliciesOfUser(ApiRequest):
    """Policies bound to a user."""

    user_uuid: ExistingUuid
    policy_uuids: Annotated[list[ExistingUuid], Field(min_length=1)]


class AttachPolicyToUser(PolicyOfUser):
    """Bind a policy of the account to a user of the account. A bound one stays bound.

    Source: manual, "Identity > AttachPolicyToUser".
    """


@bindings(
    AttachPolicyToUser,
    "POST /v1/accounts/users/{userUuid}/policies",
    shared=("policy_uuid",),
    bare=True,
)
async def attach_policy_to_user(call: Call, conn: Connection, request: PolicyOfUser) -> None:
    await _check_one(call, conn, request)
    await rows.link(conn, User, "policy", request.user_uuid, [request.policy_uuid])


class AttachPoliciesToUser(PoliciesOfUser):
    """Bind several policies of the account to a user of the account.

    An administrator may do so for any account.

    Source: manual, "Identity > AttachPoliciesToUser".
    """


@bindings(
    AttachPoliciesToUser,
    "POST /v1/accounts/users/{userUuid}/policy-collection",
    shared=("policy_uuids",),
)
async def attach_policies_to_user(call: Call, conn: Connection, request: PoliciesOfUser) -> None:
    await _check_several(call, conn, request)
    await rows.link(conn, User, "policy", request.user_uuid, request.policy_uuids)


class DetachPolicyFromUser(PolicyOfUser):
    """Take a policy from a user. One that is not bound is no error.

    Source: manual, "Identity > DetachPolicyFromUser"; its URL is that of the group's API, a slip.
    """


@bindings(
    DetachPolicyFromUser,
    "DELETE /v1/accounts/users/{userUuid}/policies/{policyUuid}",
    revokes=True,
)
async def detach_policy_from_user(call: Call, conn: Connection, request: PolicyOfUser) -> None:
    await _check_one(call, conn, request)
    await rows.unlink(conn, User, "policy", request.user_uuid, [request.policy_uuid])


class DetachPoliciesFromUser(PoliciesOfUser):
    """Take several policies from a user.

    Those that are not bound are ignored. An administrator may do so for any account.

    Source: manual, "Identity > DetachPoliciesFromUser".
    """


@bindings(DetachPoliciesFromUser, "DELETE /v1/accounts/users/{userUuid}/policies", revokes=True)
async def detach_policies_from_user(call: Call, conn: Connection, request: PoliciesOfUser) -> None:
    await _check_several(call, conn, request)
    await rows.unlink(conn, User, "policy", request.user_uuid, request.policy_uuids)


async def _check_one(call: Call, conn: Connection, request: PolicyOfUser) -> None:
    await rows.get_own(conn, call, User, request.user_uuid)
    await check_policies(conn, call, [request.policy_uuid])


async def _check_several(call: Call, conn: Connection, request: PoliciesOfUser) -> None:
    user = await rows.get(conn, User, request.user_uuid, scope_of(call), lock="NO KEY UPDATE")
    await check_policies(conn, call, request.policy_uuids, of_account=user.account_uuid)


users.query(access="user")
