"""The APIs of policies, and the question what a caller may do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from zstack_mgmt.auth.permissions import may_call
from zstack_mgmt.auth.policy import MAX_RULES, check_rules, policy_set
from zstack_mgmt.auth.sessions import statements_of
from zstack_mgmt.core.callers import UserCaller
from zstack_mgmt.core.errors import InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.core.registry import APIS, Api, ApiRequest, Call, api
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
from zstack_mgmt.identity.policies import store
from zstack_mgmt.identity.policies.model import Policy
from zstack_mgmt.identity.sharing.owners import own, scope_of
from zstack_mgmt.identity.users.store import get_user
from zstack_mgmt.query.declare import query_api

JAVA = "org.zstack.header.identity"


class StatementRequest(BaseModel):
    """One statement of a new policy. `principals` and `resources` are kept but do not narrow it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Annotated[str, StringConstraints(max_length=255)] | None = None
    effect: Literal["Allow", "Deny"]
    actions: Annotated[list[str], Field(min_length=1, max_length=MAX_RULES)]
    principals: Annotated[list[str], Field(max_length=MAX_RULES)] | None = None
    resources: Annotated[list[str], Field(max_length=MAX_RULES)] | None = None


class CreatePolicy(ApiRequest):
    """Create a policy inside the calling account.

    Each action is a regular expression for whole permission names.

    Refused: rules over 1024 characters, and expressions that no linear-time engine can run or that are too
    complex.

    Source: manual, "Identity > CreatePolicy".
    """

    name: ResourceName
    description: Description | None = None
    statements: Annotated[list[StatementRequest], Field(min_length=1, max_length=100)]
    resource_uuid: ResourceUuid | None = None


@api(
    CreatePolicy,
    http="POST /v1/accounts/policies",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    returns=Policy,
    raises=(InvalidArgument,),
)
async def create_policy(call: Call, conn: Connection, request: CreatePolicy) -> Policy:
    check_rules([rule for statement in request.statements for rule in statement.actions])
    uuid = request.resource_uuid or new_uuid()
    statements = [statement.model_dump(exclude_none=True) for statement in request.statements]
    policy = await store.insert_policy(
        conn, uuid, call.account_uuid, request.name, request.description, statements
    )
    await own(conn, uuid, call.account_uuid, request)
    return policy


class DeletePolicy(ApiRequest):
    """Delete a policy with its bindings. One that is gone already is no error.

    Source: manual, "Identity > DeletePolicy".
    """

    uuid: Reference
    delete_mode: DeleteMode = "Permissive"


@api(
    DeletePolicy,
    http="DELETE /v1/accounts/policies/{uuid}",
    mode="job",
    access="account",
    category="identity",
    java=JAVA,
    raises=(ResourceNotFound,),
)
async def delete_policy(call: Call, conn: Connection, request: DeletePolicy) -> None:
    if not is_uuid(request.uuid):
        raise ResourceNotFound(f"no policy has the uuid {request.uuid}")
    await store.delete_policy(conn, request.uuid, scope_of(call))


class CheckApiPermission(ApiRequest):
    """Tell for each API whether the caller, or the user `userUuid`, may call it.

    Names are full or short class names.

    Source: manual, "Identity > CheckApiPermission".
    """

    user_uuid: Reference | None = None
    api_names: Annotated[list[str], Field(min_length=1, max_length=1000)]


@api(
    CheckApiPermission,
    http="PUT /v1/accounts/permissions/actions",
    mode="sync",
    access="user",
    category="identity",
    java=JAVA,
    is_read=True,
    raises=(InvalidArgument, OperationError),
)
async def check_api_permission(call: Call, conn: Connection, request: CheckApiPermission) -> dict[str, str]:
    asked = {name: _named(name) for name in request.api_names}
    caller = call.caller
    if request.user_uuid is not None:
        user = await get_user(conn, request.user_uuid)
        if user is None or (user.account_uuid != call.account_uuid and not call.is_admin):
            raise OperationError(f"no user of the account has the uuid {request.user_uuid}")
        is_admin = await store.is_system_admin(conn, user.account_uuid)
        policies = policy_set(await statements_of(conn, user.uuid))
        caller = UserCaller(user.account_uuid, user.uuid, is_admin, policies)
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


query_policy = query_api(
    Policy, http="GET /v1/accounts/policies", access="user", category="identity", java=JAVA
)
