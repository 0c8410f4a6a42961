"""The APIs of users."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zstack_mgmt.auth.passwords import check_old_password
from zstack_mgmt.core.errors import InvalidArgument, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import (
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
from zstack_mgmt.identity.policies.model import DEFAULT_POLICIES
from zstack_mgmt.identity.policies.store import check_policies
from zstack_mgmt.identity.sharing.owners import found, own, scope_of
from zstack_mgmt.identity.users import store
from zstack_mgmt.identity.users.model import User
from zstack_mgmt.query.declare import query_api

JAVA = "org.zstack.header.identity"


class CreateUser(ApiRequest):
    """Create a user inside the calling account.

    It may read, and change its own password, until policies say more.

    Source: manual, "Identity > CreateUser".
    """

    name: ResourceName
    password: Password
    description: Description | None = None
    resource_uuid: ResourceUuid | None = None


@api(
    CreateUser,
    http="POST /v1/accounts/users",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    returns=User,
    raises=(InvalidArgument,),
)
async def create_user(call: Call, conn: Connection, request: CreateUser) -> User:
    uuid = request.resource_uuid or new_uuid()
    user = await store.insert_user(
        conn, uuid, call.account_uuid, request.name, request.description, request.password
    )
    await own(conn, uuid, call.account_uuid, request)
    await store.bind_default_policies(conn, uuid, call.account_uuid, DEFAULT_POLICIES)
    return user


class DeleteUser(ApiRequest):
    """Delete a user and end its sessions. One that is gone already is no error.

    Source: manual, "Identity > DeleteUser".
    """

    uuid: Reference
    delete_mode: DeleteMode = "Permissive"


@api(
    DeleteUser,
    http="DELETE /v1/accounts/users/{uuid}",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    raises=(ResourceNotFound,),
)
async def delete_user(call: Call, conn: Connection, request: DeleteUser) -> None:
    if not is_uuid(request.uuid):
        raise ResourceNotFound(f"no user has the uuid {request.uuid}")
    await store.delete_user(conn, request.uuid, scope_of(call))


class UpdateUser(ApiRequest):
    """Change a user's name, description or password.

    A user session may leave `uuid` out, and changes itself only.

    A new password ends the user's sessions. With `oldPassword` the change is refused unless it fits.

    Source: manual, "Identity > UpdateUser".
    """

    uuid: Reference | None = None
    name: ResourceName | None = None
    description: Description | None = None
    password: Password | None = None
    old_password: ClearPassword | None = None


@api(
    UpdateUser,
    http="PUT /v1/accounts/users/actions",
    mode="job",
    access="user",
    category="identity",
    java=JAVA,
    returns=User,
    raises=(InvalidArgument, ResourceNotFound),
    exclusive=("uuid",),
)
async def update_user(call: Call, conn: Connection, request: UpdateUser) -> User:
    uuid = request.uuid or call.user_uuid
    if call.is_account_session and request.uuid is None:
        raise InvalidArgument("an account session must name the user: uuid is missing")
    if not call.is_account_session and uuid != call.user_uuid:
        raise InvalidArgument("a user can change itself only")
    user = found(await store.get_user(conn, uuid), "user", uuid)
    if user.account_uuid != call.account_uuid and not call.is_admin:
        raise ResourceNotFound(f"no user has the uuid {uuid}")
    if request.old_password is not None and not await check_old_password(
        call.services, await store.password_of(conn, uuid), request.old_password
    ):
        raise InvalidArgument("the old password is wrong")
    if request.name is None and request.description is None and request.password is None:
        return user
    if request.password is not None:
        await store.end_sessions(conn, uuid)
    return await store.update_user(conn, uuid, request.name, request.description, request.password)


class AttachPolicyToUser(ApiRequest):
    """Bind a policy of the account to a user of the account. A bound one stays bound.

    Source: manual, "Identity > AttachPolicyToUser".
    """

    user_uuid: Reference
    policy_uuid: Reference


@api(
    AttachPolicyToUser,
    http="POST /v1/accounts/users/{userUuid}/policies",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    raises=(ResourceNotFound, InvalidArgument),
    shared=("policy_uuid",),
    bare=True,
)
async def attach_policy_to_user(call: Call, conn: Connection, request: AttachPolicyToUser) -> None:
    await check_user(conn, call, request.user_uuid)
    await check_policies(conn, call, [request.policy_uuid])
    await store.bind_policies(conn, request.user_uuid, [request.policy_uuid])


class AttachPoliciesToUser(ApiRequest):
    """Bind several policies of the account to a user of the account.

    An administrator may do so for any account.

    Source: manual, "Identity > AttachPoliciesToUser".
    """

    user_uuid: Reference
    policy_uuids: Annotated[list[Reference], Field(min_length=1)]


@api(
    AttachPoliciesToUser,
    http="POST /v1/accounts/users/{userUuid}/policy-collection",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    raises=(ResourceNotFound, InvalidArgument),
    shared=("policy_uuids",),
)
async def attach_policies_to_user(call: Call, conn: Connection, request: AttachPoliciesToUser) -> None:
    account_uuid = await check_user(conn, call, request.user_uuid, may_cross=True)
    await check_policies(conn, call, request.policy_uuids, of_account=account_uuid)
    await store.bind_policies(conn, request.user_uuid, request.policy_uuids)


class DetachPolicyFromUser(ApiRequest):
    """Take a policy from a user. One that is not bound is no error.

    Source: manual, "Identity > DetachPolicyFromUser"; its URL is that of the group's API, a slip.
    """

    user_uuid: Reference
    policy_uuid: Reference


@api(
    DetachPolicyFromUser,
    http="DELETE /v1/accounts/users/{userUuid}/policies/{policyUuid}",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    raises=(ResourceNotFound, InvalidArgument),
)
async def detach_policy_from_user(call: Call, conn: Connection, request: DetachPolicyFromUser) -> None:
    await check_user(conn, call, request.user_uuid)
    await check_policies(conn, call, [request.policy_uuid])
    await store.unbind_policies(conn, request.user_uuid, [request.policy_uuid])


class DetachPoliciesFromUser(ApiRequest):
    """Take several policies from a user.

    Those that are not bound are ignored. An administrator may do so for any account.

    Source: manual, "Identity > DetachPoliciesFromUser".
    """

    user_uuid: Reference
    policy_uuids: Annotated[list[Reference], Field(min_length=1)]


@api(
    DetachPoliciesFromUser,
    http="DELETE /v1/accounts/users/{userUuid}/policies",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    raises=(ResourceNotFound, InvalidArgument),
)
async def detach_policies_from_user(call: Call, conn: Connection, request: DetachPoliciesFromUser) -> None:
    account_uuid = await check_user(conn, call, request.user_uuid, may_cross=True)
    await check_policies(conn, call, request.policy_uuids, of_account=account_uuid)
    await store.unbind_policies(conn, request.user_uuid, request.policy_uuids)


async def check_user(conn: Connection, call: Call, uuid: str, *, may_cross: bool = False) -> str:
    """The user's account, which is the calling one.

    Args:
        may_cross: an administrator may name a user of any account.

    Raises:
        ResourceNotFound: there is no such user, or it is another account's.
        InvalidArgument: the same, for an administrator, who can see that it exists.
    """
    user = await store.get_user(conn, uuid)
    if user is None or (user.account_uuid != call.account_uuid and not call.is_admin):
        raise ResourceNotFound(f"no user has the uuid {uuid}")
    if user.account_uuid != call.account_uuid and not may_cross:
        raise InvalidArgument(f"the user {uuid} belongs to another account")
    return user.account_uuid


query_user = query_api(User, http="GET /v1/accounts/users", access="user", category="identity", java=JAVA)
