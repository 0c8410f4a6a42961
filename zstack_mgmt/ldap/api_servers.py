"""The APIs of the directory itself: add, delete, find, update."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from zstack_mgmt.core.errors import DirectoryTestFailed, InvalidArgument, OneDirectoryOnly, ResourceNotFound
from zstack_mgmt.core.registry import VALIDATION_ONLY, ApiRequest, Call, api
from zstack_mgmt.core.values import (
    DeleteMode,
    Description,
    Reference,
    ResourceName,
    ResourceUuid,
    Secret,
    is_uuid,
)
from zstack_mgmt.db import Connection
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.identity.sharing.owners import found, tag
from zstack_mgmt.ldap import store
from zstack_mgmt.ldap.access import prove, sealed_for, target_of
from zstack_mgmt.ldap.directory import BadFilter, check_filter
from zstack_mgmt.ldap.model import PATTERNS, Encryption, LdapServer, Target, options_of, parse_url
from zstack_mgmt.query.declare import query_api

JAVA = "org.zstack.ldap"
CATEGORY = "ldap"
_MAX_PASSWORD = 1024
_SEALED = "s1."


def _url(text: str) -> str:
    parse_url(text)
    return text


def _bind_password(text: str) -> str:
    # A job's request is read again with the password sealed, which makes it longer.
    if len(text) > _MAX_PASSWORD and not text.startswith(_SEALED):
        raise ValueError(f"must have at most {_MAX_PASSWORD} characters")
    return text


Url = Annotated[
    str,
    StringConstraints(max_length=255),
    AfterValidator(_url),
    Field(json_schema_extra={"pattern": "^ldaps?://"}),
]
Dn = Annotated[str, StringConstraints(max_length=1024)]
BindPassword = Annotated[
    str,
    StringConstraints(strip_whitespace=False),
    AfterValidator(_bind_password),
    Secret("sealed"),
    Field(json_schema_extra={"maxLength": _MAX_PASSWORD}),
]


class AddLdapServer(ApiRequest):
    """Add the directory. It is tried first: the host, TLS, the user name with its password, and the base.

    There can be one. System tags: `ldapServerType::OpenLdap` or `ldapServerType::WindowsAD`,
    `ldapUseAsLoginName::<attribute>` (cn without it), `ldapCleanBindingFilter::<filter>`. With
    `ephemeral::validationOnly` it is only tried.

    Source: manual, "AD/LDAP > AddLdapServer".
    """

    name: ResourceName
    description: Description | None = None
    url: Url  # ldap://host[:port] or ldaps://host[:port]
    base: Dn  # where searches start
    username: Dn  # a distinguished name, for AD also name@domain; empty: searches are anonymous
    password: BindPassword  # stored sealed and never shown
    encryption: Encryption  # TLS: StartTLS on ldap://; the certificate is verified in any case
    resource_uuid: ResourceUuid | None = None


@api(
    AddLdapServer,
    http="POST /v1/ldap/servers",
    mode="job",
    access="admin",
    category=CATEGORY,
    java=JAVA,
    returns=LdapServer,
    raises=(DirectoryTestFailed, OneDirectoryOnly, InvalidArgument),
    outside=True,
    rehearses=True,
)
async def add_ldap_server(call: Call, work: Outside, request: AddLdapServer) -> LdapServer | None:
    _check_tags(request.system_tags)
    sealer = call.services.sealer
    async with work.transaction() as conn:
        made = await store.server_made_by(conn, work.token)
    if made is not None:
        return made
    password = sealer.open(request.password, "password")
    await prove(call, Target(request.url, request.base, request.username, password, request.encryption))
    if VALIDATION_ONLY in request.system_tags:
        return None
    uuid = request.resource_uuid or work.token
    async with work.transaction() as conn:
        server = await store.insert_server(
            conn,
            uuid,
            request.name,
            request.description,
            request.url,
            request.base,
            request.username,
            sealed_for(sealer, uuid, password),
            request.encryption,
            work.token,
        )
        await tag(conn, uuid, request)
        return server


class DeleteLdapServer(ApiRequest):
    """Delete the directory with its bindings and tags. Sessions that it opened last until they expire.

    One that is gone already is no error.

    Source: manual, "AD/LDAP > DeleteLdapServer".
    """

    uuid: Reference
    delete_mode: DeleteMode = "Permissive"


@api(
    DeleteLdapServer,
    http="DELETE /v1/ldap/servers/{uuid}",
    mode="job",
    access="admin",
    category=CATEGORY,
    java=JAVA,
    raises=(ResourceNotFound,),
)
async def delete_ldap_server(call: Call, conn: Connection, request: DeleteLdapServer) -> None:
    if not is_uuid(request.uuid):
        raise ResourceNotFound(f"no LDAP server has the uuid {request.uuid}")
    await store.delete_server(conn, request.uuid)


query_ldap_server = query_api(
    LdapServer, http="GET /v1/ldap/servers", access="admin", category=CATEGORY, java=JAVA
)


class UpdateLdapServer(ApiRequest):
    """Change the directory's settings. A system tag takes the place of the one of its pattern.

    The settings are stored as they are: a directory may be configured while it is away. With
    `ephemeral::validationOnly` they are tried and not stored.

    Source: manual, "AD/LDAP > UpdateLdapServer".
    """

    ldap_server_uuid: Reference
    name: ResourceName | None = None
    description: Description | None = None
    url: Url | None = None
    base: Dn | None = None
    username: Dn | None = None
    password: BindPassword | None = None
    encryption: Encryption | None = None


@api(
    UpdateLdapServer,
    http="PUT /v1/ldap/servers/{ldapServerUuid}",
    mode="job",
    access="admin",
    category=CATEGORY,
    java=JAVA,
    returns=LdapServer,
    raises=(ResourceNotFound, InvalidArgument, DirectoryTestFailed),
    outside=True,
    rehearses=True,
)
async def update_ldap_server(call: Call, work: Outside, request: UpdateLdapServer) -> LdapServer | None:
    replaced = _check_tags(request.system_tags)
    sealer, uuid = call.services.sealer, request.ldap_server_uuid
    password = None if request.password is None else sealer.open(request.password, "password")
    if VALIDATION_ONLY in request.system_tags:
        async with work.transaction() as conn:
            stored = await store.only_server(conn)
        if stored is None or stored.inventory.uuid != uuid:
            raise ResourceNotFound(f"no LDAP server has the uuid {uuid}")
        await prove(call, _changed(target_of(sealer, stored), request, password))
        return None
    async with work.transaction() as conn:
        server = await store.update_server(
            conn,
            uuid,
            request.name,
            request.description,
            request.url,
            request.base,
            request.username,
            None if password is None else sealed_for(sealer, uuid, password),
            request.encryption,
        )
        await store.delete_tags(conn, uuid, replaced)
        await tag(conn, uuid, request)
        return found(server, "LDAP server", uuid)


def _changed(stored: Target, request: UpdateLdapServer, password: str | None) -> Target:
    """The settings as the request would make them."""
    return Target(
        stored.url if request.url is None else request.url,
        stored.base if request.base is None else request.base,
        stored.username if request.username is None else request.username,
        stored.password if password is None else password,
        request.encryption or stored.encryption,
    )


def _check_tags(tags: list[str]) -> list[str]:
    """The patterns of which the request has a tag. Raises InvalidArgument."""
    used = [pattern for pattern in PATTERNS for text in tags if text.startswith(pattern)]
    if len(set(used)) < len(used):
        raise InvalidArgument("systemTags: a server has at most one tag of a pattern")
    options = options_of(tags)
    if options.clean_filter:
        try:
            check_filter(options.clean_filter)
        except BadFilter as error:
            raise InvalidArgument(f"systemTags: {error}") from None
    return used
