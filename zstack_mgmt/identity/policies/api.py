"""The APIs of policies, and the question what a caller may do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from zstack_mgmt.auth.permissions import may_call
from zstack_mgmt.auth.policy import MAX_RULES, check_rules
from zstack_mgmt.auth.standing import caller_of
from zstack_mgmt.core.errors import InvalidArgument, OperationError, QuotaExceeded
from zstack_mgmt.core.registry import APIS, Api, ApiRequest, Call
from zstack_mgmt.core.requests import CreateRequest
from zstack_mgmt.core.values import ExistingUuid
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.identity.policies import store
from zstack_mgmt.identity.policies.model import Policy
from zstack_mgmt.identity.resource import identity_resource
from zstack_mgmt.identity.users.model import User
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.owners import scope_of


class StatementRequest(BaseModel):
    """One statement of a new policy. `principals` and `resources` are kept but do not narrow it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Annotated[str, StringConstraints(max_length=255)] | None = None
    effect: Literal["Allow", "Deny"]
    actions: Annotated[list[str], Field(min_length=1, max_length=MAX_RULES)]
    principals: Annotated[list[str], Field(max_length=MAX_RULES)] | None = None
    resources: Annotated[list[str], Field(max_length=MAX_RULES)] | None = None


MAX_POLICY_BYTES: Annotated[int, Doc("bytes of the statements of a policy"), Bound("InvalidArgument")] = (
    64 * 1024
)

policies = identity_resource(Policy, "/v1/accounts/policies", "account")


class CreatePolicy(CreateRequest):
    """Create a policy inside the calling account.

    Each action is a regular expression for whole permission names.

    Refused are rules over 1024 characters, and expressions that are too complex or that need backtracking.

    Source: manual, "Identity > CreatePolicy".
    """

    statements: Annotated[list[StatementRequest], Field(min_length=1, max_length=100)]


async def checked_statements(call: Call, conn: Connection, request: CreatePolicy) -> dict[str, Any]:
    """The statements in their wire form. Raises InvalidArgument for rules that cannot be run."""
    check_rules([rule for statement in request.statements for rule in statement.actions])
    statements = [statement.model_dump(exclude_none=True) for statement in request.statements]
    if len(orjson.dumps(statements)) > MAX_POLICY_BYTES:
        raise InvalidArgument(f"the statements of a policy may have {MAX_POLICY_BYTES} bytes in all")
    return {"statements": statements}


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
