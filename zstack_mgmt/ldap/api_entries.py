"""The APIs that show what is in the directory."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from zstack_mgmt.core.errors import DirectoryUnreachable, InvalidArgument, OperationError
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.doc import Doc
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.ldap import questions, store
from zstack_mgmt.ldap.access import configured, reaching
from zstack_mgmt.ldap.api_servers import servers
from zstack_mgmt.ldap.model import dn_key

_NAMES = ("cn", "name", "distinguishedName", "displayName", "userPrincipalName", "objectClass", "entryDN")
Filter = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class GetLdapEntry(ApiRequest):
    """Search the directory below its base. Shows each entry's names, classes and memberships.

    Source: manual, "AD/LDAP > GetLdapEntry".
    """

    ldap_filter: Annotated[Filter, Doc("such as `(cn=user*)`")]
    limit: Annotated[int, Field(ge=1, le=100_000)] = 2500


@servers.action(
    GetLdapEntry,
    "GET /v1/ldap/entry",
    mode="sync",
    is_read=True,
    response_key="",
    returns=None,
    raises=(OperationError, InvalidArgument, DirectoryUnreachable),
    outside=True,
)
async def get_ldap_entry(call: Call, work: Direct, request: GetLdapEntry) -> dict[str, Any]:
    return await _entries(call, work, request.ldap_filter, request.limit, candidates=False)


class GetCandidateLdapEntryForBinding(ApiRequest):
    """Search the directory for entries that are not bound yet.

    Source: manual, "AD/LDAP > GetCandidateLdapEntryForBinding".
    """

    ldap_filter: Annotated[Filter, Doc("such as `(cn=user*)`")]
    limit: Annotated[int, Field(ge=1, le=100_000), Doc("counted without the bound entries")] = 2500


@servers.action(
    GetCandidateLdapEntryForBinding,
    "GET /v1/ldap/entries/candidates",
    mode="sync",
    is_read=True,
    response_key="",
    returns=None,
    raises=(OperationError, InvalidArgument, DirectoryUnreachable),
    outside=True,
)
async def get_candidate_ldap_entry_for_binding(
    call: Call, work: Direct, request: GetCandidateLdapEntryForBinding
) -> dict[str, Any]:
    return await _entries(call, work, request.ldap_filter, request.limit, candidates=True)


async def _entries(
    call: Call, work: Direct, condition: str, limit: int, *, candidates: bool
) -> dict[str, Any]:
    """The body: entries as Java's directory classes are written, and the flag of the manual's sample."""
    settings = call.services.settings
    async with work.transaction() as conn:
        server = await configured(call, conn)
        if server is None:
            raise InvalidArgument("there is no LDAP server; add one first")
        bound = await store.bound_names(conn, server.uuid) if candidates else ()
    more = [name.strip() for name in settings.ldap_entry_attributes.split(",") if name.strip()]
    attributes = list(dict.fromkeys((*_NAMES, server.options.login_attribute, *more)))
    but = frozenset(map(dn_key, bound))
    async with reaching(call, server.target) as ask:
        found = await ask.long(questions.entries, condition, attributes, limit, but)
    return {"inventories": found, "success": True}
