"""The APIs of user groups."""

from __future__ import annotations

from zstack_mgmt.core.errors import InvalidArgument, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import (
    DeleteMode,
    Description,
    Reference,
    ResourceName,
    ResourceUuid,
    is_uuid,
    new_uuid,
)
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.groups import store
from zstack_mgmt.identity.groups.model import UserGroup
from zstack_mgmt.identity.policies.store import check_policies
from zstack_mgmt.identity.sharing.owners import found, own, scope_of
from zstack_mgmt.identity.users.store import get_user
from zstack_mgmt.query.declare import query_api

JAVA = "org.zstack.header.identity"


class CreateUserGroup(ApiRequest):
    """Create a group inside the calling account.

    Source: manual, "Identity > CreateUserGroup".
    """

    name: ResourceName
    description: Description | None = None
    resource_uuid: ResourceUuid | None = None


@api(
    CreateUserGroup,
    http="POST /v1/accounts/groups",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    returns=UserGroup,
    raises=(InvalidArgument,),
)
async def create_user_group(call: Call, conn: Connection, request: CreateUserGroup) -> UserGroup:
    uuid = request.resource_uuid or new_uuid()
    group = await store.insert_group(conn, uuid, call.account_uuid, request.name, request.description)
    await own(conn, uuid, call.account_uuid, request)
    return group


class DeleteUserGroup(ApiRequest):
    """Delete a group. One that is gone already is no error.

    Source: manual, "Identity > DeleteUserGroup".
    """

    uuid: Reference
    delete_mode: DeleteMode = "Permissive"


@api(
    DeleteUserGroup,
    http="DELETE /v1/accounts/groups/{uuid}",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    raises=(ResourceNotFound,),
)
async def delete_user_group(call: Call, conn: Connection, request: DeleteUserGroup) -> None:
    if not is_uuid(request.uuid):
        raise ResourceNotFound(f"no group has the uuid {request.uuid}")
    await store.delete_group(conn, request.uuid, scope_of(call))


class UpdateUserGroup(ApiRequest):
    """Change a group's name or description.

    Source: manual, "Identity > UpdateUserGroup".
    """

    uuid: Reference
    name: ResourceName | None = None
    description: Description | None = None


@api(
    UpdateUserGroup,
    http="PUT /v1/accounts/groups/actions",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    returns=UserGroup,
    raises=(ResourceNotFound, InvalidArgument),
    exclusive=("uuid",),
)
async def update_user_group(call: Call, conn: Connection, request: UpdateUserGroup) -> UserGroup:
    group = found(await store.get_group(conn, request.uuid), "group", request.uuid)
    if group.account_uuid != call.account_uuid and not call.is_admin:
        raise ResourceNotFound(f"no group has the uuid {request.uuid}")
    if request.name is None and request.description is None:
        return group
    return await store.update_group(conn, request.uuid, request.name, request.description)


class AddUserToGroup(ApiRequest):
    """Make a user of the account a member of a group of the account. A member stays one.

    Source: manual, "Identity > AddUserToGroup".
    """

    group_uuid: Reference
    user_uuid: Reference


@api(
    AddUserToGroup,
    http="POST /v1/accounts/groups/{groupUuid}/users",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    raises=(ResourceNotFound, InvalidArgument),
    shared=("user_uuid",),
)
async def add_user_to_group(call: Call, conn: Connection, request: AddUserToGroup) -> None:
    await _check_group(conn, call, request.group_uuid)
    await _check_member(conn, call, request.user_uuid)
    await store.add_member(conn, request.group_uuid, request.user_uuid)


class RemoveUserFromGroup(ApiRequest):
    """End a membership. One that is not there is no error. An administrator may do so in any account.

    Source: manual, "Identity > RemoveUserFromGroup".
    """

    group_uuid: Reference
    user_uuid: Reference


@api(
    RemoveUserFromGroup,
    http="DELETE /v1/accounts/groups/{groupUuid}/users/{userUuid}",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    raises=(ResourceNotFound,),
)
async def remove_user_from_group(call: Call, conn: Connection, request: RemoveUserFromGroup) -> None:
    group = await store.get_group(conn, request.group_uuid)
    if group is None or (group.account_uuid != call.account_uuid and not call.is_admin):
        raise ResourceNotFound(f"no group has the uuid {request.group_uuid}")
    user = await get_user(conn, request.user_uuid)
    if user is None or (user.account_uuid != call.account_uuid and not call.is_admin):
        raise ResourceNotFound(f"no user has the uuid {request.user_uuid}")
    await store.remove_member(conn, request.group_uuid, request.user_uuid)


class AttachPolicyToUserGroup(ApiRequest):
    """Bind a policy of the account to a group of the account. A bound one stays bound.

    Source: manual, "Identity > AttachPolicyToUserGroup".
    """

    group_uuid: Reference
    policy_uuid: Reference


@api(
    AttachPolicyToUserGroup,
    http="POST /v1/accounts/groups/{groupUuid}/policies",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    raises=(ResourceNotFound, InvalidArgument),
    shared=("policy_uuid",),
)
async def attach_policy_to_user_group(call: Call, conn: Connection, request: AttachPolicyToUserGroup) -> None:
    await _check_group(conn, call, request.group_uuid)
    await check_policies(conn, call, [request.policy_uuid])
    await store.bind_policy(conn, request.group_uuid, request.policy_uuid)


class DetachPolicyFromUserGroup(ApiRequest):
    """Take a policy from a group. One that is not bound is no error.

    Source: manual, "Identity > DetachPolicyFromUserGroup".
    """

    group_uuid: Reference
    policy_uuid: Reference


@api(
    DetachPolicyFromUserGroup,
    http="DELETE /v1/accounts/groups/{groupUuid}/policies/{policyUuid}",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    raises=(ResourceNotFound, InvalidArgument),
)
async def detach_policy_from_user_group(
    call: Call, conn: Connection, request: DetachPolicyFromUserGroup
) -> None:
    await _check_group(conn, call, request.group_uuid)
    await check_policies(conn, call, [request.policy_uuid])
    await store.unbind_policy(conn, request.group_uuid, request.policy_uuid)


async def _check_group(conn: Connection, call: Call, uuid: str) -> None:
    group = await store.get_group(conn, uuid)
    if group is None or (group.account_uuid != call.account_uuid and not call.is_admin):
        raise ResourceNotFound(f"no group has the uuid {uuid}")
    if group.account_uuid != call.account_uuid:
        raise InvalidArgument(f"the group {uuid} belongs to another account")


async def _check_member(conn: Connection, call: Call, uuid: str) -> None:
    user = await get_user(conn, uuid)
    if user is None or (user.account_uuid != call.account_uuid and not call.is_admin):
        raise ResourceNotFound(f"no user has the uuid {uuid}")
    if user.account_uuid != call.account_uuid:
        raise InvalidArgument(f"the user {uuid} belongs to another account")


query_user_group = query_api(
    UserGroup, http="GET /v1/accounts/groups", access="user", category="identity", java=JAVA
)
