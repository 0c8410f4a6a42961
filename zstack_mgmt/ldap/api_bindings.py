"""The APIs of bindings: which entries log in to which accounts."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from zstack_mgmt.core.errors import (
    AccountGone,
    AdminNotBindable,
    DirectoryUnreachable,
    EntryBoundAlready,
    EntryNotFound,
    InvalidArgument,
    NoDirectory,
    OperationError,
    ResourceNotFound,
)
from zstack_mgmt.core.registry import VALIDATION_ONLY, ApiRequest, Call
from zstack_mgmt.core.values import ADMIN_UUID, ExistingUuid, ResourceUuid
from zstack_mgmt.doc import Doc
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.identity.accounts.model import Account
from zstack_mgmt.ldap import questions, store
from zstack_mgmt.ldap.access import configured, reaching
from zstack_mgmt.ldap.api_servers import JAVA, SOURCE
from zstack_mgmt.ldap.model import MAX_DN_BYTES, LdapBinding, LdapServer, dn_key, full_dn
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.tags import tag

_BATCH = 200
"""How many entries one call to the directory looks up, so that a clean-up never holds a thread for long."""


bindings = Resource(
    LdapBinding, "/v1/ldap/bindings", java=JAVA, category="ldap", access="admin", source=SOURCE
)


class CreateLdapBinding(ApiRequest):
    """Bind an entry of the directory, a person or a group, to an account: it then logs in to that account.

    The members of a bound group log in too, also those of groups inside it. An account may have several
    bindings, an entry one. The built-in admin has none: who runs the directory would run the cloud.

    Source: manual, "AD/LDAP > CreateLdapBinding", without a body there; clients send it in three forms.
    """

    ldap_uid: Annotated[
        str,
        StringConstraints(min_length=1, max_length=255),
        Doc("The entry's distinguished name, absolute or below the server's base."),
    ]
    account_uuid: ExistingUuid
    resource_uuid: ResourceUuid | None = None


@bindings.action(
    CreateLdapBinding,
    "POST /v1/ldap/bindings",
    raises=(
        InvalidArgument,
        ResourceNotFound,
        AdminNotBindable,
        EntryNotFound,
        EntryBoundAlready,
        AccountGone,
        NoDirectory,
        DirectoryUnreachable,
    ),
    shared=("account_uuid",),
    outside=True,
    rehearses=True,
    bare=True,
)
async def create_ldap_binding(call: Call, work: Outside, request: CreateLdapBinding) -> LdapBinding | None:
    async with work.transaction() as conn:
        made = await rows.find(conn, LdapBinding, work.token, by="made_by")
        if made is not None:
            return made
        server = await configured(call, conn)
        if server is None:
            raise InvalidArgument("there is no LDAP server; add one first")
        await rows.get(conn, Account, request.account_uuid)
    if request.account_uuid == ADMIN_UUID:
        raise AdminNotBindable("the built-in admin logs in with its own password only")
    async with reaching(call, server.target) as ask:
        dn = await ask(questions.look_up, full_dn(request.ldap_uid, server.target.base))
    if dn is None:
        raise EntryNotFound(f"the LDAP server has no entry {request.ldap_uid!r} below {server.target.base!r}")
    if len(dn.encode()) > MAX_DN_BYTES:
        raise InvalidArgument(f"the name of the entry has more than {MAX_DN_BYTES} bytes")
    if VALIDATION_ONLY in request.system_tags:
        return None
    uuid = request.resource_uuid or work.token
    async with work.transaction() as conn:
        if await rows.find(conn, LdapServer, server.uuid) is None:
            raise NoDirectory("the LDAP server was deleted meanwhile")
        if await rows.find(conn, Account, request.account_uuid) is None:
            raise AccountGone("the account was deleted meanwhile")
        values = {
            "uuid": uuid,
            "ldap_uid": dn,
            "dn_key": dn_key(dn),
            "ldap_server_uuid": server.uuid,
            "account_uuid": request.account_uuid,
            "made_by": work.token,
        }
        binding = await rows.insert(conn, LdapBinding, values)
        await tag(conn, uuid, request)
        return binding


bindings.delete(
    "Take a binding back. Sessions that it opened last until they expire.\n\n"
    "One that is gone already is no error."
)
bindings.query(access="admin")


class CleanInvalidLdapBinding(ApiRequest):
    """Delete the bindings of entries that the directory has no more, or that match the server's clean filter.

    The sessions that the directory opened for an account end when it loses a binding; so do those of such
    entries that logged in as members of a bound group. The result lists the accounts that lost a binding; it
    is empty when all is well. While the directory cannot be asked, or has no entry at its base, nothing is
    deleted, and no session ends.

    Source: manual, "AD/LDAP > CleanInvalidLdapBinding".
    """


@bindings.action(
    CleanInvalidLdapBinding,
    "PUT /v1/ldap/bindings/actions",
    response_key="inventories",
    returns=Account,
    raises=(DirectoryUnreachable, OperationError),
    outside=True,
    rehearses=True,
)
async def clean_invalid_ldap_binding(
    call: Call, work: Outside, request: CleanInvalidLdapBinding
) -> list[Account] | None:
    async with work.transaction() as conn:
        server = await configured(call, conn)
        if server is None:
            return None
        names = sorted({*await store.bound_names(conn, server.uuid), *await store.names_with_sessions(conn)})
    invalid: list[str] = []
    for first in range(0, len(names), _BATCH):
        async with reaching(call, server.target) as ask:
            batch = names[first : first + _BATCH]
            invalid += await ask.long(questions.gone, batch, server.options.clean_filter)
    if VALIDATION_ONLY in request.system_tags:
        return None
    async with work.transaction() as conn:
        return await store.unbind(conn, server.uuid, invalid) or None
