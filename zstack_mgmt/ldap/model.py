"""Directories and bindings as clients see them, and what a server's settings and system tags mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit

from zstack_mgmt.core.errors import InvalidArgument
from zstack_mgmt.core.inventory import Inventory, inventory
from zstack_mgmt.doc import Bound, Doc

Encryption = Literal["None", "TLS"]
MAX_DN_BYTES: Annotated[
    int, Doc("bytes of the distinguished name of a bound entry, in UTF-8"), Bound("InvalidArgument")
] = 2048

SERVER_TYPE = "ldapServerType::"
LOGIN_NAME = "ldapUseAsLoginName::"
CLEAN_FILTER = "ldapCleanBindingFilter::"
PATTERNS = (SERVER_TYPE, LOGIN_NAME, CLEAN_FILTER)
"""The system tags that configure a server. A server has at most one of each."""

_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}|[0-9]+(\.[0-9]+){1,30}")
_SPACES = re.compile(r"\s*([,=+])\s*")
_BETWEEN_URLS = re.compile(r"\s*,\s*|\s+")


@inventory(
    "org.zstack.ldap.LdapServerInventory",
    table="ldap_servers",
    hidden=("sealed_password", "made_by"),
    noun="LDAP server",
)
class LdapServer(Inventory):
    """The directory; its bind password is never shown. Source: manual, "AD/LDAP > AddLdapServer"."""

    uuid: str
    name: str
    description: str | None
    url: Annotated[str, Doc("address, such as ldaps://ldap.example.org:636")]
    base: Annotated[str, Doc("distinguished name below which entries are looked for")]
    username: Annotated[str, Doc("distinguished name that the service binds as")]
    encryption: Annotated[Encryption, Doc("TLS: StartTLS, or ldaps:// in the url")]
    create_date: datetime
    last_op_date: datetime


@inventory(
    "org.zstack.ldap.LdapAccountRefInventory",
    table="ldap_bindings",
    resource_type="LdapAccountRefVO",
    hidden=("dn_key", "made_by"),
    noun="LDAP binding",
)
class LdapBinding(Inventory):
    """An entry that logs in to an account. Source: manual, "AD/LDAP > CreateLdapBinding"."""

    uuid: str
    ldap_uid: Annotated[str, Doc("distinguished name of the entry")]
    ldap_server_uuid: Annotated[str, Doc("the directory")]
    account_uuid: Annotated[str, Doc("the account that the entry logs in to")]
    create_date: datetime
    last_op_date: datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a directory listens."""

    host: str
    port: int
    tls: bool  # from the first byte, `ldaps://`


@dataclass(frozen=True, slots=True)
class Target:
    """What it takes to talk to a directory."""

    url: str
    base: str
    username: str
    password: str = field(repr=False)
    encryption: Encryption

    @property
    def addresses(self) -> list[Endpoint]:
        return parse_urls(self.url)


@dataclass(frozen=True, slots=True)
class Options:
    """What the system tags of a server say."""

    login_attribute: str = "cn"
    member_attributes: tuple[str, ...] = ("member",)
    clean_filter: str = ""


def parse_urls(urls: str) -> list[Endpoint]:
    """The addresses of one directory, in the order in which they are tried. Raises ValueError.

    >>> [one.host for one in parse_urls("ldap://a, ldaps://b ldap://c")]
    ['a', 'b', 'c']
    """
    return [parse_url(url) for url in _BETWEEN_URLS.split(urls.strip())]


def parse_url(url: str) -> Endpoint:
    """The address in `ldap://host[:port]` or `ldaps://host[:port]`. Raises ValueError.

    >>> parse_url("ldap://ds.example.com"), parse_url("LDAPS://[::1]:1636/")
    (Endpoint(host='ds.example.com', port=389, tls=False), Endpoint(host='::1', port=1636, tls=True))
    """
    parts = urlsplit(url)
    port = parts.port  # raises ValueError beyond 65535
    if parts.scheme not in ("ldap", "ldaps") or not parts.hostname or port == 0:
        raise ValueError("must be ldap://host[:port] or ldaps://host[:port]")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must hold nothing but the host and its port")
    tls = parts.scheme == "ldaps"
    return Endpoint(parts.hostname, port or (636 if tls else 389), tls)


def options_of(tags: Sequence[str]) -> Options:
    """The options that a server's system tags set.

    OpenLDAP's groups are of both kinds, groupOfUniqueNames and groupOfNames; ZStack itself knows the first.

    Raises: InvalidArgument for an unknown server type, or a login name that is no attribute.
    """
    login_attribute, members, clean_filter = "cn", ("member",), ""
    for tag in tags:
        value = tag.partition("::")[2].strip()
        if tag.startswith(SERVER_TYPE):
            if value not in ("OpenLdap", "WindowsAD"):
                raise InvalidArgument(f"{SERVER_TYPE} takes OpenLdap or WindowsAD")
            members = ("member",) if value == "WindowsAD" else ("uniqueMember", "member")
        elif tag.startswith(LOGIN_NAME):
            if _ATTRIBUTE.fullmatch(value) is None:
                raise InvalidArgument(f"{LOGIN_NAME} takes the name of an attribute")
            login_attribute = value
        elif tag.startswith(CLEAN_FILTER):
            clean_filter = value
    return Options(login_attribute, members, clean_filter)


def dn_key(dn: str) -> str:
    """What two spellings of a distinguished name have in common, for names as the directory returns them.

    ASCII letters lose their case. More would be wrong: to fold `ß` into `ss` makes one person of two.

    >>> dn_key("CN=Straße,DC=example") == dn_key("cn=straße,dc=Example") != dn_key("cn=strasse,dc=example")
    True
    """
    return dn.encode().lower().decode()


def full_dn(name: str, base: str) -> str:
    """The distinguished name meant by a client: absolute below the base, or relative to it.

    >>> full_dn("cn=a, dc=example", "DC=example"), full_dn("cn=a", "dc=example"), full_dn("cn=a", "")
    ('cn=a, dc=example', 'cn=a,dc=example', 'cn=a')
    """
    plain, end = _SPACES.sub(r"\1", dn_key(name)), _SPACES.sub(r"\1", dn_key(base))
    if not end or plain == end or plain.endswith(f",{end}"):
        return name
    return f"{name},{base}"
