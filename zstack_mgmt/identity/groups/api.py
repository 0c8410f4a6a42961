"""The APIs of user groups."""

from __future__ import annotations

from zstack_mgmt.core.errors import InvalidArgument, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.requests import CreateRequest
from zstack_mgmt.core.values import ExistingUuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.groups.model import UserGroup
from zstack_mgmt.identity.policies.store import check_policies
from zstack_mgmt.identity.users.model import User
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.owners import scope_of

groups = Resource(
    UserGroup,
    "/v1/accounts/groups",
    java="org.zstack.header.identity",
    category="identity",
    access="account",
    source='manual, "Identity > {api}"',
)


class CreateUserGroup(CreateRequest):
    """Create a group inside the calling account.

    Source: manual, "Identity > CreateUserGroup".
    """


groups.create(CreateUserGroup, raises=(InvalidArgument,))
groups.delete("Delete a group. One that is gone already is no error.")
groups.update(
    "Change a group's name or description.",
    path="/v1/accounts/groups/actions",
    raises=(ResourceNotFound, InvalidArgument),
)


class AddUserToGroup(ApiRequest):
    """Make a user of the account a member of a group of the account. A member stays one.

    Source: manual, "Identity > AddUserToGroup".
    """

    group_uuid: ExistingUuid
    user_uuid: ExistingUuid


@groups.action(
    AddUserToGroup,
    "POST /v1/accounts/groups/{groupUuid}/users",
    returns=None,
    raises=(ResourceNotFound, InvalidArgument),
    shared=("user_uuid",),
)
async def add_user_to_group(call: Call, conn: Connection, request: AddUserToGroup) -> None:
    await rows.get_own(conn, call, UserGroup, request.group_uuid)
    await rows.get_own(conn, call, User, request.user_uuid)
    await rows.link(conn, UserGroup, "user", request.group_uuid, [request.user_uuid])


class RemoveUserFromGroup(ApiRequest):
    """End a membership. One that is not there is no error. An administrator may do so in any account.

    Source: manual, "Identity > RemoveUserFromGroup".
    """

    group_uuid: ExistingUuid
    user_uuid: ExistingUuid


@groups.action(
    RemoveUserFromGroup,
    "DELETE /v1/accounts/groups/{groupUuid}/users/{userUuid}",
    returns=None,
    raises=(ResourceNotFound,),
)
async def remove_user_from_group(call: Call, conn: Connection, request: RemoveUserFromGroup) -> None:
    await rows.get(conn, UserGroup, request.group_uuid, scope_of(call), lock="NO KEY UPDATE")
    await rows.get(conn, User, request.user_uuid, scope_of(call))
    await rows.unlink(conn, UserGroup, "user", request.group_uuid, [request.user_uuid])


class AttachPolicyToUserGroup(ApiRequest):
    """Bind a policy of the account to a group of the account. A bound one stays bound.

    Source: manual, "Identity > AttachPolicyToUserGroup".
    """

    group_uuid: ExistingUuid
    policy_uuid: ExistingUuid


@groups.action(
    AttachPolicyToUserGroup,
    "POST /v1/accounts/groups/{groupUuid}/policies",
    returns=None,
    raises=(ResourceNotFound, InvalidArgument),
    shared=("policy_uuid",),
)
async def attach_policy_to_user_group(call: Call, conn: Connection, request: AttachPolicyToUserGroup) -> None:
    await rows.get_own(conn, call, UserGroup, request.group_uuid)
    await check_policies(conn, call, [request.policy_uuid])
    await rows.link(conn, UserGroup, "policy", request.group_uuid, [request.policy_uuid])


class DetachPolicyFromUserGroup(ApiRequest):
    """Take a policy from a group. One that is not bound is no error.

    Source: manual, "Identity > DetachPolicyFromUserGroup".
    """

    group_uuid: ExistingUuid
    policy_uuid: ExistingUuid


@groups.action(
    DetachPolicyFromUserGroup,
    "DELETE /v1/accounts/groups/{groupUuid}/policies/{policyUuid}",
    returns=None,
    raises=(ResourceNotFound, InvalidArgument),
)
async def detach_policy_from_user_group(
    call: Call, conn: Connection, request: DetachPolicyFromUserGroup
) -> None:
    await rows.get_own(conn, call, UserGroup, request.group_uuid)
    await check_policies(conn, call, [request.policy_uuid])
    await rows.unlink(conn, UserGroup, "policy", request.group_uuid, [request.policy_uuid])


groups.query(access="user")
