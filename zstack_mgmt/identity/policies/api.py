"""The APIs of policies, and the question what a caller may do."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from pydantic import Field

from zstack_mgmt.auth.permissions import may_call
from zstack_mgmt.auth.standing import caller_of
from zstack_mgmt.core.errors import InvalidArgument, OperationError, QuotaExceeded, TooBusy
from zstack_mgmt.core.registry import APIS, Api, ApiRequest, Call
from zstack_mgmt.core.requests import CreateRequest
from zstack_mgmt.core.values import ExistingUuid
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Doc
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.identity.policies import store
from zstack_mgmt.identity.policies.explaining import MAX_EXPLANATIONS, explained
from zstack_mgmt.identity.policies.model import Policy, PolicyExplanation
from zstack_mgmt.identity.policies.statements import MAX_STATEMENTS, StatementRequest, checked
from zstack_mgmt.identity.resource import identity_resource
from zstack_mgmt.identity.users.model import User
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.owners import scope_of

policies = identity_resource(Policy, "/v1/accounts/policies", "account")


class CreatePolicy(CreateRequest):
    """Create a policy inside the calling account.

    Each action is a regular expression for whole permission names, `instance:.*`, or a pattern of full class
    names, `org.zstack.header.vm.**` (docs/compatibility.md).

    Refused are rules over 1024 characters, and expressions that are too complex or that need backtracking.

    Source: manual, "Identity > CreatePolicy".
    """

    statements: Annotated[list[StatementRequest], Field(min_length=1, max_length=MAX_STATEMENTS)]


async def checked_statements(call: Call, conn: Connection, request: CreatePolicy) -> dict[str, Any]:
    """The statements in their wire form. Raises InvalidArgument for rules that cannot be run."""
    return {"statements": checked(request.statements)}


policies.create(CreatePolicy, values=checked_statements, raises=(InvalidArgument, QuotaExceeded))
policies.delete("Delete a policy with its bindings. One that is gone already is no error.", revokes=True)


class CheckApiPermission(ApiRequest):
    """Tell for each API whether the caller, or the user `userUuid`, may call it.

    Names are full or short class names.

    Source: manual, "Identity > CheckApiPermission".
    """

    user_uuid: ExistingUuid | None = None
    api_names: Annotated[list[str], Field(min_length=1, max_length=1000)]


@policies.action(
    CheckApiPermission,
    "PUT /v1/accounts/permissions/actions",
    mode="sync",
    access="user",
    returns=None,
    is_read=True,
    raises=(InvalidArgument, OperationError),
)
async def check_api_permission(call: Call, conn: Connection, request: CheckApiPermission) -> dict[str, str]:
    asked = {name: _named(name) for name in request.api_names}
    caller = call.caller
    if request.user_uuid is not None:
        user = await rows.find(conn, User, request.user_uuid, scope_of(call), lock=None)
        if user is None:
            raise OperationError(f"no user of the account has the uuid {request.user_uuid}")
        is_admin = await store.is_system_admin(conn, user.account_uuid)
        caller = await caller_of(conn, user.account_uuid, user.uuid, is_admin)
    return {name: "Allow" if may_call(declared, caller) else "Deny" for name, declared in asked.items()}


class ExplainPolicy(ApiRequest):
    """Tell for each API whether a user who has only this policy may call it, and which statement decides.

    The policy need not exist: its statements are checked as `CreatePolicy` does, and nothing is stored. An
    API is denied by the first statement that denies it, else allowed by the first that allows it. The user is
    thought to be one of the calling account.

    Source: ours, for who writes a policy.
    """

    statements: Annotated[list[StatementRequest], Field(min_length=1, max_length=MAX_STATEMENTS)]
    api_names: Annotated[
        list[str] | None,
        Field(min_length=1, max_length=1000),
        Doc("full or short class names, as for `CheckApiPermission`; by default all APIs"),
    ] = None


@policies.action(
    ExplainPolicy,
    "PUT /v1/accounts/permissions/explanations",
    mode="sync",
    access="user",
    returns=PolicyExplanation,
    response_key="inventories",
    is_read=True,
    outside=True,
    raises=(InvalidArgument,),
)
async def explain_policy(call: Call, work: Direct, request: ExplainPolicy) -> list[PolicyExplanation]:
    asked = {name: _named(name) for name in request.api_names or sorted(APIS)}
    turns = call.services.explaining
    if turns.waiting(call.account_uuid) >= MAX_EXPLANATIONS:
        raise TooBusy("too many policies of the account are being explained; try again soon")
    async with turns.turn(call.account_uuid):
        return await asyncio.to_thread(explained, request.statements, asked, is_admin=call.is_admin)


def _named(name: str) -> Api:
    short = name.rpartition(".")[2]
    declared = APIS.get(short.removeprefix("API").removesuffix("Msg"))
    if declared is None or name not in (
        declared.java_class,
        declared.java_class.rpartition(".")[2],
        declared.name,
    ):
        raise InvalidArgument(f"no API is called {name[:200]!r}")
    return declared


policies.query(access="user")
