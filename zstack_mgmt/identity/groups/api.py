"""The APIs of user groups."""

from __future__ import annotations

from functools import partial

from zstack_mgmt.core.errors import InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.requests import CreateRequest
from zstack_mgmt.core.values import ExistingUuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.groups.model import UserGroup
from zstack_mgmt.identity.policies.store import check_policies
from zstack_mgmt.identity.resource import identity_resource
from zstack_mgmt.identity.roles.store import check_rank
from zstack_mgmt.identity.users.model import User
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.owners import scope_of

groups = identity_resource(UserGroup, "/v1/accounts/groups", "account")
bindings = partial(groups.action, returns=None, raises=(ResourceNotFound, InvalidArgument))


class CreateUserGroup(CreateRequest):
    """Create a group inside the calling account.

    Source: manual, "Identity > CreateUserGroup".
    """


groups.create(CreateUserGroup, raises=(InvalidArgument,))
groups.delete("Delete a group. One that is gone already is no error.", revokes=True)
groups.update(
    "Change a group's name or description.",
    path="/v1/accounts/groups/actions",
    raises=(ResourceNotFound, InvalidArgument),
)


class Membership(ApiRequest):
    """A user in a group."""

    group_uuid: ExistingUuid
    user_uuid: ExistingUuid


class PolicyOfGroup(ApiRequest):
    """A policy bound to a group."""

    group_uuid: ExistingUuid
    policy_uuid: ExistingUuid


class AddUserToGroup(Membership):
    """Make a user of the account a member of a group of the account. A member stays one.

    Refused when the group has roles beyond the account (docs/keystone.md).

    Source: manual, "Identity > AddUserToGroup".
    """


@bindings(
    AddUserToGroup,
    "POST /v1/accounts/groups/{groupUuid}/users",
    raises=(ResourceNotFound, InvalidArgument, OperationError),
    shared=("user_uuid",),
)
async def add_user_to_group(call: Call, conn: Connection, request: AddUserToGroup) -> None:
    await rows.get_own(conn, call, UserGroup, request.group_uuid)
    await rows.get_own(conn, call, User, request.user_uuid)
    if not call.is_admin:
        await check_rank(conn, request.group_uuid, call.account_uuid, by_admin=True)
    await rows.link(conn, UserGroup, "user", request.group_uuid, [request.user_uuid])


class RemoveUserFromGroup(Membership):
    """End a membership. One that is not there is no error. An administrator may do so in any account.

    Source: manual, "Identity > RemoveUserFromGroup".
    """


@groups.action(
    RemoveUserFromGroup,
    "DELETE /v1/accounts/groups/{groupUuid}/users/{userUuid}",
    returns=None,
    raises=(ResourceNotFound,),
    revokes=True,
)
async def remove_user_from_group(call: Call, conn: Connection, request: RemoveUserFromGroup) -> None:
    await rows.get(conn, UserGroup, request.group_uuid, scope_of(call), lock="NO KEY UPDATE")
    await rows.get(conn, User, request.user_uuid, scope_of(call))
    await rows.unlink(conn, UserGroup, "user", request.group_uuid, [request.user_uuid])


class AttachPolicyToUserGroup(PolicyOfGroup):
    """Bind a policy of the account to a group of the account. A bound one stays bound.

    Source: manual, "Identity > AttachPolicyToUserGroup".
    """


@bindings(
    AttachPolicyToUserGroup,
    "POST /v1/accounts/groups/{groupUuid}/policies",
    shared=("policy_uuid",),
)
async def attach_policy_to_user_group(call: Call, conn: Connection, request: PolicyOfGroup) -> None:
    await _check(call, conn, request)
    await rows.link(conn, UserGroup, "policy", request.group_uuid, [request.policy_uuid])


class DetachPolicyFromUserGroup(PolicyOfGroup):
    """Take a policy from a group. One that is not bound is no error.

    Source: manual, "Identity > DetachPolicyFromUserGroup".
    """


@bindings(
    DetachPolicyFromUserGroup,
    "DELETE /v1/accounts/groups/{groupUuid}/policies/{policyUuid}",
    revokes=True,
)
async def detach_policy_from_user_group(call: Call, conn: Connection, request: PolicyOfGroup) -> None:
    await _check(call, conn, request)
    await rows.unlink(conn, UserGroup, "policy", request.group_uuid, [request.policy_uuid])


async def _check(call: Call, conn: Connection, request: PolicyOfGroup) -> None:
    await rows.get_own(conn, call, UserGroup, request.group_uuid)
    await check_policies(conn, call, [request.policy_uuid])


groups.query(access="user")
