"""The APIs of access keys."""

from __future__ import annotations

import secrets
import string
from typing import Annotated, Any

from pydantic import StringConstraints, model_validator

from zstack_mgmt.auth.keys import seal_context
from zstack_mgmt.auth.results import kept
from zstack_mgmt.core.errors import (
    DuplicateResource,
    InvalidArgument,
    OperationError,
    PermissionDenied,
    ResourceNotFound,
)
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.values import Description, ExistingUuid, ResourceUuid, Secret, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.identity.access_keys import store
from zstack_mgmt.identity.access_keys.model import JAVA, AccessKey, NewAccessKey
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.owners import own
from zstack_mgmt.resources.tags import tag

MAX_KEYS: Annotated[int, Doc("access keys of one account or user"), Bound("OperationError")] = 20
_LETTERS = string.ascii_letters + string.digits
_ID_LENGTH, _SECRET_LENGTH = 20, 40
_SEALED_AS = "access_key_secret"  # how a submission seals the field

access_keys = Resource(
    AccessKey,
    "/v1/accesskeys",
    java=JAVA,
    category="accessKey",
    access="user",
    source="ZStack's API of access keys, {api}",
)


class CreateAccessKey(ApiRequest):
    """Make a key of the calling account or user, or an account's for one of its users.

    The secret is in the result of this call, for whoever made it and its webhook, and nowhere else. Without
    one, or without an id, the service chooses them. A system administrator may make keys for any account.

    Source: ZStack's API of access keys, CreateAccessKey.
    """

    account_uuid: ExistingUuid | None = None
    user_uuid: ExistingUuid | None = None
    description: Description | None = None
    access_key_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")] | None = None
    access_key_secret: (
        Annotated[
            str,
            StringConstraints(pattern=r"^[!-~]{20,128}$"),
            Secret("sealed"),
            Doc("20 to 128 printable ASCII characters"),
        ]
        | None
    ) = None
    resource_uuid: ResourceUuid | None = None

    @model_validator(mode="before")
    @classmethod
    def _other_spellings(cls, values: Any) -> Any:
        """Go clients write accessKeyID."""
        if not isinstance(values, dict):
            return values  # pyright: ignore[reportUnknownVariableType]
        return {f"A{k[1:]}" if k in ("accessKeyID", "accessKeySecret") else k: v for k, v in values.items()}  # pyright: ignore[reportUnknownVariableType]


@access_keys.action(
    CreateAccessKey,
    "POST /v1/accesskeys",
    returns=NewAccessKey,
    raises=(ResourceNotFound, PermissionDenied, InvalidArgument, OperationError, DuplicateResource),
    shared=("account_uuid", "user_uuid"),
)
async def create_access_key(call: Call, conn: Connection, request: CreateAccessKey) -> NewAccessKey:
    account_uuid, user_uuid = _login_of(call, request)
    if not await store.lock_login(conn, account_uuid, user_uuid):
        raise ResourceNotFound("no such account, or it has no such user")
    if await store.count(conn, user_uuid) >= MAX_KEYS:
        raise OperationError(f"there are {MAX_KEYS} access keys already; delete one of them")
    uuid = request.resource_uuid or new_uuid()
    secret = _random(_SECRET_LENGTH)
    if request.access_key_secret is not None:
        secret = call.services.sealer.open(request.access_key_secret, _SEALED_AS)
    values = {
        "uuid": uuid,
        "account_uuid": account_uuid,
        "user_uuid": user_uuid,
        "access_key_id": request.access_key_id or _random(_ID_LENGTH),
        "sealed": call.services.sealer.seal(secret, seal_context(uuid)),
        "description": request.description,
    }
    made = await rows.insert(conn, AccessKey, values)
    await own(conn, account_uuid, uuid)
    await tag(conn, uuid, request)
    shown = {field.attribute: getattr(made, field.attribute) for field in made.meta.fields}
    return NewAccessKey(access_key_secret=kept(call.services.sealer, call.job_uuid, secret), **shown)


def _login_of(call: Call, request: CreateAccessKey) -> tuple[str, str]:
    """Whose key it is to be. Raises PermissionDenied for a login that is not the caller's to act for."""
    account_uuid = request.account_uuid or call.account_uuid
    if request.user_uuid is not None:
        user_uuid = request.user_uuid
    else:
        user_uuid = call.user_uuid if account_uuid == call.account_uuid else account_uuid
    if call.is_account_session:
        if account_uuid != call.account_uuid and not call.is_admin:
            raise PermissionDenied("an account makes keys for itself and its users only")
    elif (account_uuid, user_uuid) != (call.account_uuid, call.user_uuid):
        raise PermissionDenied("a user makes keys for itself only")
    return account_uuid, user_uuid


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


access_keys.change_state("Enable or disable a key. A disabled one opens nothing.", revokes=True)
access_keys.delete(
    "Delete a key, which opens nothing from then on. One that is gone already is no error.", revokes=True
)
access_keys.query(access="user")
