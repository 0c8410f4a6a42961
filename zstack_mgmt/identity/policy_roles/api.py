"""The APIs of roles. A role holds for its owner's users; an administrator's for those of any account."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import Field

from zstack_mgmt.core.errors import InvalidArgument, QuotaExceeded, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.requests import CreateRequest
from zstack_mgmt.core.values import ExistingUuid, Reference, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.policies.statements import MAX_STATEMENTS, StatementRequest, check, checked
from zstack_mgmt.identity.policy_roles import store
from zstack_mgmt.identity.policy_roles.model import Role
from zstack_mgmt.identity.sharing.ownership import on_new_owner
from zstack_mgmt.identity.users.model import User
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.owners import scope_of

Statements = Annotated[list[StatementRequest], Field(max_length=MAX_STATEMENTS)]
roles = Resource(
    Role,
    "/v1/identities/roles",
    java="org.zstack.header.identity.role.api",
    category="identity",
    access="account",
    source="ZStack's API of roles, {api}",
)
attach = partial(roles.action, returns=None, raises=(ResourceNotFound, InvalidArgument))
detach = partial(roles.action, returns=None, raises=(ResourceNotFound,), revokes=True)


class CreateRole(CreateRequest):
    """Create a role inside the calling account: statements as those of a policy, that users can be given.

    Source: ZStack's API of roles, CreateRole.
    """

    statements: Statements = []  # noqa: RUF012 (pydantic copies it)


async def first_statements(call: Call, conn: Connection, request: CreateRole) -> dict[str, Any]:
    """The statements in their wire form. Raises InvalidArgument for rules that cannot be run."""
    return {"statements": _with_uuids(request.statements)}


def _with_uuids(statements: list[StatementRequest]) -> list[dict[str, Any]]:
    return [{"uuid": new_uuid(), "statement": each} for each in checked(statements)]


roles.create(CreateRole, values=first_statements, raises=(InvalidArgument, QuotaExceeded))
roles.update("Change a role's name or description.")
roles.change_state("Enable or disable a role. A disabled one gives and denies nothing.", revokes=True)
roles.delete("Delete a role; whoever had it loses it. One that is gone already is no error.", revokes=True)


class AddPolicyStatementsToRole(ApiRequest):
    """Add statements to a role. They hold for all who have it.

    Source: ZStack's API of roles, AddPolicyStatementsToRole.
    """

    uuid: ExistingUuid
    statements: Annotated[Statements, Field(min_length=1)]


@roles.action(
    AddPolicyStatementsToRole,
    "POST /v1/identities/roles/{uuid}/policy-statements",
    raises=(ResourceNotFound, InvalidArgument, QuotaExceeded),
    revokes=True,
)
async def add_statements(call: Call, conn: Connection, request: AddPolicyStatementsToRole) -> Role:
    role = await rows.get(conn, Role, request.uuid, scope_of(call), lock="NO KEY UPDATE")
    statements = [*_plain(role), *_with_uuids(request.statements)]
    if len(statements) > MAX_STATEMENTS:
        raise InvalidArgument(f"a role has at most {MAX_STATEMENTS} statements")
    check([each["statement"] for each in statements])
    return await rows.update(conn, Role, role.uuid, {"statements": statements})


class RemovePolicyStatementsFromRole(ApiRequest):
    """Take statements from a role. Those that it does not have are ignored.

    Source: ZStack's API of roles, RemovePolicyStatementsFromRole.
    """

    uuid: ExistingUuid
    policy_statement_uuids: Annotated[list[Reference], Field(min_length=1, max_length=1000)]


@roles.action(
    RemovePolicyStatementsFromRole,
    "DELETE /v1/identities/roles/{uuid}/policy-statements",
    raises=(ResourceNotFound,),
    revokes=True,
)
async def remove_statements(call: Call, conn: Connection, request: RemovePolicyStatementsFromRole) -> Role:
    role = await rows.get(conn, Role, request.uuid, scope_of(call), lock="NO KEY UPDATE")
    kept = [each for each in _plain(role) if each["uuid"] not in request.policy_statement_uuids]
    return await rows.update(conn, Role, role.uuid, {"statements": kept})


def _plain(role: Role) -> list[Any]:
    """The statements as they are stored."""
    return list(role.statements)


class RoleOfUser(ApiRequest):
    """A role of a user."""

    user_uuid: ExistingUuid
    role_uuid: ExistingUuid


class AttachRoleToUser(RoleOfUser):
    """Give a user a role. One that it has stays.

    An administrator may give its own roles to users of any account, and an account's to the account's users.

    Source: ZStack's API of roles, AttachRoleToUser.
    """


@attach(
    AttachRoleToUser,
    "POST /v1/identities/users/{userUuid}/roles/{roleUuid}",
    exclusive=("user_uuid",),
    shared=("role_uuid",),
)
async def attach_role_to_user(call: Call, conn: Connection, request: RoleOfUser) -> None:
    user = await rows.get(conn, User, request.user_uuid, scope_of(call), lock="KEY SHARE")
    await _check_role(call, conn, request.role_uuid, user.account_uuid)
    await rows.link(conn, Role, "user", request.role_uuid, [request.user_uuid])


class DetachRoleFromUser(RoleOfUser):
    """Take a role from a user. One that it does not have is no error.

    Source: ZStack's API of roles, DetachRoleFromUser.
    """


@detach(
    DetachRoleFromUser,
    "DELETE /v1/identities/users/{userUuid}/roles/{roleUuid}",
    exclusive=("user_uuid",),
    shared=("role_uuid",),
)
async def detach_role_from_user(call: Call, conn: Connection, request: RoleOfUser) -> None:
    await rows.get(conn, User, request.user_uuid, scope_of(call), lock="KEY SHARE")
    await rows.get(conn, Role, request.role_uuid, scope_of(call), lock="KEY SHARE")
    await rows.unlink(conn, Role, "user", request.role_uuid, [request.user_uuid])


class RoleOfAccount(ApiRequest):
    """A role of an account."""

    account_uuid: ExistingUuid
    role_uuid: ExistingUuid


class AttachRoleToAccount(RoleOfAccount):
    """Give a role to all users of an account, of now and later. One that they have stays.

    An account gives its own roles to itself. An administrator may give its own to any account.

    Source: ZStack's API of roles, AttachRoleToAccount.
    """


@attach(
    AttachRoleToAccount,
    "POST /v1/identities/accounts/{accountUuid}/roles/{roleUuid}",
    exclusive=("account_uuid",),
    shared=("role_uuid",),
)
async def attach_role_to_account(call: Call, conn: Connection, request: RoleOfAccount) -> None:
    await _check_account(call, conn, request.account_uuid)
    await _check_role(call, conn, request.role_uuid, request.account_uuid)
    await store.attach_to_account(conn, request.role_uuid, request.account_uuid)


class DetachRoleFromAccount(RoleOfAccount):
    """Take a role from an account. One that it does not have is no error.

    What an administrator gave, an administrator takes.

    Source: ZStack's API of roles, DetachRoleFromAccount.
    """


@detach(
    DetachRoleFromAccount,
    "DELETE /v1/identities/accounts/{accountUuid}/roles/{roleUuid}",
    exclusive=("account_uuid",),
    shared=("role_uuid",),
)
async def detach_role_from_account(call: Call, conn: Connection, request: RoleOfAccount) -> None:
    await _check_account(call, conn, request.account_uuid)
    await rows.get(conn, Role, request.role_uuid, scope_of(call), lock="KEY SHARE")
    await store.detach_from_account(conn, request.role_uuid, request.account_uuid)


async def _check_account(call: Call, conn: Connection, uuid: str) -> None:
    theirs = uuid != call.account_uuid and not call.is_admin
    if theirs or not await store.account_exists(conn, uuid):
        raise ResourceNotFound(f"no account has the uuid {uuid}")


async def _check_role(call: Call, conn: Connection, uuid: str, account_uuid: str) -> None:
    """Make sure that the role may hold in the account: nobody's edits give rights in a third one.

    Raises: ResourceNotFound; InvalidArgument for an administrator who sees that it is another account's.
    """
    role = await rows.get(conn, Role, uuid, scope_of(call), lock="KEY SHARE")
    if role.account_uuid not in (account_uuid, call.account_uuid):
        raise InvalidArgument(f"the role {uuid} belongs to a third account")


@on_new_owner("RoleVO")
async def move_role(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """The role becomes one of the new account; whoever had it loses it."""
    await store.move(conn, uuid, account_uuid)
    return []


roles.query(access="user")
