"""The APIs of the directory itself: add, delete, find, update."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from zstack_mgmt.core.errors import DirectoryTestFailed, InvalidArgument, OneDirectoryOnly, ResourceNotFound
from zstack_mgmt.core.registry import VALIDATION_ONLY, ApiRequest, Call
from zstack_mgmt.core.requests import CreateRequest
from zstack_mgmt.core.values import Description, ExistingUuid, ResourceName, Secret
from zstack_mgmt.doc import Doc
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.ldap import store
from zstack_mgmt.ldap.access import prove, sealed_for, target_of
from zstack_mgmt.ldap.directory import BadFilter, check_filter
from zstack_mgmt.ldap.model import PATTERNS, Encryption, LdapServer, Target, options_of, parse_urls
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.tags import tag

JAVA = "org.zstack.ldap"
SOURCE = 'manual, "AD/LDAP > {api}"'


def _url(text: str) -> str:
    parse_urls(text)
    return text


Url = Annotated[
    str,
    StringConstraints(max_length=255),
    AfterValidator(_url),
    Field(json_schema_extra={"pattern": "^ldaps?://"}),
]
Dn = Annotated[str, StringConstraints(max_length=1024)]
BindPassword = Annotated[str, StringConstraints(max_length=1024, strip_whitespace=False), Secret("sealed")]


servers = Resource(LdapServer, "/v1/ldap/servers", java=JAVA, category="ldap", access="admin", source=SOURCE)


class AddLdapServer(CreateRequest):
    """Add the directory. It is tried first: the host, TLS, the user name with its password, and the base.

    There can be one. Its URL may be several of replicas, with commas or spaces between them: each connection
    is made to the first that takes it. System tags: `ldapServerType::OpenLdap` or `::WindowsAD`,
    `ldapUseAsLoginName::<attribute>` (cn without it), `ldapCleanBindingFilter::<filter>`. With
    `ephemeral::validationOnly` it is only tried.

    Source: manual, "AD/LDAP > AddLdapServer".
    """

    url: Annotated[Url, Doc("ldap://host[:port] or ldaps://host[:port]")]
    base: Annotated[Dn, Doc("where searches start")]
    username: Annotated[
        Dn, Doc("a distinguished name, for AD also name@domain; empty: searches are anonymous")
    ]
    password: Annotated[BindPassword, Doc("stored sealed and never shown")]
    encryption: Annotated[
        Encryption, Doc("TLS: StartTLS on ldap://; the certificate is verified in any case")
    ]


@servers.action(
    AddLdapServer,
    "POST /v1/ldap/servers",
    raises=(DirectoryTestFailed, OneDirectoryOnly, InvalidArgument),
    outside=True,
    rehearses=True,
)
async def add_ldap_server(call: Call, work: Outside, request: AddLdapServer) -> LdapServer | None:
    _check_tags(request.system_tags)
    sealer = call.services.sealer
    async with work.transaction() as conn:
        made = await rows.find(conn, LdapServer, work.token, by="made_by")
    if made is not None:
        return made
    password = sealer.open(request.password, "password")
    await prove(call, Target(request.url, request.base, request.username, password, request.encryption))
    if VALIDATION_ONLY in request.system_tags:
        return None
    uuid = request.resource_uuid or work.token
    settings = request.model_dump(include={"name", "description", "url", "base", "username", "encryption"})
    hidden = {"sealed_password": sealed_for(sealer, uuid, password), "made_by": work.token}
    async with work.transaction() as conn:
        server = await rows.insert(conn, LdapServer, {"uuid": uuid, **settings, **hidden})
        await tag(conn, uuid, request)
        return server


servers.delete(
    "Delete the directory with its bindings and tags. Sessions that it opened last until they expire.\n\n"
    "One that is gone already is no error."
)
servers.query(access="admin")


class UpdateLdapServer(ApiRequest):
    """Change the directory's settings. A system tag takes the place of the one of its pattern.

    The settings are stored as they are: a directory may be configured while it is away. With
    `ephemeral::validationOnly` they are tried and not stored.

    Source: manual, "AD/LDAP > UpdateLdapServer".
    """

    ldap_server_uuid: ExistingUuid
    name: ResourceName | None = None
    description: Description | None = None
    url: Url | None = None
    base: Dn | None = None
    username: Dn | None = None
    password: BindPassword | None = None
    encryption: Encryption | None = None


@servers.action(
    UpdateLdapServer,
    "PUT /v1/ldap/servers/{ldapServerUuid}",
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
    settings = {"name", "description", "url", "base", "username", "encryption"}
    values = request.model_dump(include=settings, exclude_none=True)
    if password is not None:
        values["sealed_password"] = sealed_for(sealer, uuid, password)
    async with work.transaction() as conn:
        server = await rows.update(conn, LdapServer, uuid, values)
        await store.delete_tags(conn, uuid, replaced)
        await tag(conn, uuid, request)
        return server


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
