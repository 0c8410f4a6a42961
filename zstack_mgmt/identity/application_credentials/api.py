"""Making and deleting application credentials."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated

from zstack_mgmt.core.errors import OperationError, PermissionDenied, ResourceNotFound
from zstack_mgmt.core.registry import Call, api
from zstack_mgmt.core.values import Password
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.identity.application_credentials import store
from zstack_mgmt.identity.roles.model import ScopedRequest
from zstack_mgmt.identity.roles.store import authority_of

MAX_CREDENTIALS: Annotated[
    int, Doc("application credentials of one account or user"), Bound("OperationError")
] = 100

change = partial(
    api, http="POST", mode="job", access="session", java="org.openstack.identity", response_key=""
)


class CreateApplicationCredential(ScopedRequest):
    """Let a program open tokens of the caller in the project that the call is scoped to.

    Source: Keystone, "POST /v3/users/{user_id}/application_credentials".
    """

    resource_uuid: str
    login_uuid: str
    name: str
    description: str | None = None
    secret: Password
    role_uuids: list[str]
    unrestricted: bool
    expires_at: datetime | None = None


@change(CreateApplicationCredential, exclusive=("login_uuid",))
async def create_application_credential(
    call: Call, conn: Connection, request: CreateApplicationCredential
) -> None:
    authority = await authority_of(conn, call, request)
    authority.require_unrestricted()
    if request.login_uuid != call.user_uuid:
        raise PermissionDenied("users make application credentials for themselves only")
    if authority.place.kind != "project":
        raise OperationError("an application credential is made with a token of its project")
    if not set(request.role_uuids) <= {uuid for uuid, _ in authority.roles}:
        raise OperationError("an application credential has roles of its maker in the project, and no others")
    if await store.count(conn, call.user_uuid) >= MAX_CREDENTIALS:
        raise OperationError(
            f"there are {MAX_CREDENTIALS} application credentials already; delete one of them"
        )
    stored = await store.insert(
        conn,
        {
            "uuid": request.resource_uuid,
            "login_uuid": request.login_uuid,
            "project_uuid": authority.place.uuid,
            "name": request.name,
            "description": request.description,
            "secret_hash": request.secret,
            "role_uuids": request.role_uuids,
            "unrestricted": request.unrestricted,
            "expires_at": request.expires_at,
        },
    )
    if not stored:
        raise OperationError("expires_at has passed")


class DeleteApplicationCredential(ScopedRequest):
    """Delete an application credential, which ends the tokens that it has opened.

    Source: Keystone, "DELETE /v3/users/{user_id}/application_credentials/{application_credential_id}".
    """

    uuid: str
    login_uuid: str


@change(DeleteApplicationCredential, exclusive=("uuid",), revokes=True)
async def delete_application_credential(
    call: Call, conn: Connection, request: DeleteApplicationCredential
) -> None:
    authority = await authority_of(conn, call, request)
    authority.require_unrestricted()
    if request.login_uuid != call.user_uuid:
        authority.require_platform_admin()
    if not await store.delete(conn, request.login_uuid, request.uuid):
        raise ResourceNotFound(f"no application credential has the id {request.uuid}")
