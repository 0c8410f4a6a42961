"""The APIs of ldap."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import AccountInventory
    from zstack_sdk.inventories import LdapBindingInventory
    from zstack_sdk.inventories import LdapServerInventory
    from zstack_sdk.inventories import LogInByLdapValue
    from zstack_sdk.record import AnyValue, Empty, InventoryValue, ListValue


class AddLdapServerAction(Action["InventoryValue[LdapServerInventory]"]):
    """Add the directory. It is tried first: the host, TLS, the user name with its password, and the base.

    There can be one. Its URL may be several of replicas, with commas or spaces between them: each
    connection is made to the first that takes it. System tags: `ldapServerType::OpenLdap` or
    `::WindowsAD`, `ldapUseAsLoginName::<attribute>` (cn without it),
    `ldapCleanBindingFilter::<filter>`. With `ephemeral::validationOnly` it is only tried.

    `POST /ldap/servers`, a job. Who may call: system administrators.

    Errors: LDAP.1006 (DirectoryTestFailed), LDAP.1001 (OneDirectoryOnly), SYS.1007 (InvalidArgument).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    url: str
    """Ldap://host[:port] or ldaps://host[:port]. At most 255 characters, of the form `^ldaps?://`."""

    base: str
    """Where searches start. At most 1024 characters."""

    username: str
    """A distinguished name, for AD also name@domain; empty: searches are anonymous. At most 1024
    characters.
    """

    password: str
    """Stored sealed and never shown. At most 1024 characters."""

    encryption: Literal["None", "TLS"]
    """TLS: StartTLS on ldap://; the certificate is verified in any case. `None` or `TLS`."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class DeleteLdapServerAction(Action["Empty"]):
    """Delete the directory with its bindings and tags. Sessions that it opened last until they expire.

    One that is gone already is no error.

    `DELETE /ldap/servers/{uuid}`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class QueryLdapServerAction(QueryAction["LdapServerInventory"]):
    """Find LdapServers by conditions on their fields, tags and links.

    `GET /ldap/servers`. Who may call: system administrators.

    Fields for conditions: uuid, name, description, url, base, username, encryption, createDate,
    lastOpDate.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class UpdateLdapServerAction(Action["InventoryValue[LdapServerInventory]"]):
    """Change the directory's settings. A system tag takes the place of the one of its pattern.

    The settings are stored as they are: a directory may be configured while it is away. With
    `ephemeral::validationOnly` they are tried and not stored.

    `PUT /ldap/servers/{ldapServerUuid}`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), LDAP.1006 (DirectoryTestFailed).
    """

    ldapServerUuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    url: str | None = None
    """At most 255 characters, of the form `^ldaps?://`."""

    base: str | None = None
    """At most 1024 characters."""

    username: str | None = None
    """At most 1024 characters."""

    password: str | None = None
    """At most 1024 characters."""

    encryption: Literal["None", "TLS"] | None = None
    """`None` or `TLS`."""


class CreateLdapBindingAction(Action["InventoryValue[LdapBindingInventory]"]):
    """Bind an entry of the directory, a person or a group, to an account: it then logs in to that account.

    The members of a bound group log in too, also those of groups inside it. An account may have several
    bindings, an entry one. The built-in admin has none: who runs the directory would run the cloud.

    `POST /ldap/bindings`, a job. Who may call: system administrators.

    Errors: SYS.1007 (InvalidArgument), SYS.1003 (ResourceNotFound), LDAP.1005 (AdminNotBindable),
    LDAP.1002 (EntryNotFound), LDAP.1003 (EntryBoundAlready), LDAP.1004 (AccountGone), LDAP.1007
    (NoDirectory), LDAP.1000 (DirectoryUnreachable).
    """

    ldapUid: str
    """The entry's distinguished name, absolute or below the server's base. At least 1 characters, at most
    255 characters.
    """

    accountUuid: str
    """The uuid of a resource."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class DeleteLdapBindingAction(Action["Empty"]):
    """Take a binding back. Sessions that it opened last until they expire.

    One that is gone already is no error.

    `DELETE /ldap/bindings/{uuid}`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class QueryLdapBindingAction(QueryAction["LdapBindingInventory"]):
    """Find LdapBindings by conditions on their fields, tags and links.

    `GET /ldap/bindings`. Who may call: system administrators.

    Fields for conditions: uuid, ldapUid, ldapServerUuid, accountUuid, createDate, lastOpDate.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class CleanInvalidLdapBindingAction(Action["ListValue[AccountInventory]"]):
    """Delete the bindings of entries that the directory has no more, or that match the server's clean
    filter.

    The sessions that the directory opened for an account end when it loses a binding; so do those of
    such entries that logged in as members of a bound group. The result lists the accounts that lost a
    binding; it is empty when all is well. While the directory cannot be asked, or has no entry at its
    base, nothing is deleted, and no session ends.

    `PUT /ldap/bindings/actions`, a job. Who may call: system administrators.

    Errors: LDAP.1000 (DirectoryUnreachable), SYS.1006 (OperationError).
    """


class GetLdapEntryAction(Action["AnyValue"]):
    """Search the directory below its base. Shows each entry's names, classes and memberships.

    `GET /ldap/entry`. Who may call: system administrators.

    Errors: SYS.1006 (OperationError), SYS.1007 (InvalidArgument), LDAP.1000 (DirectoryUnreachable).
    """

    ldapFilter: str
    """Such as `(cn=user*)`. At least 1 characters, at most 4096 characters."""

    limit: int | None = None
    """1 or more, at most 100000, `2500` by default."""


class GetCandidateLdapEntryForBindingAction(Action["AnyValue"]):
    """Search the directory for entries that are not bound yet.

    `GET /ldap/entries/candidates`. Who may call: system administrators.

    Errors: SYS.1006 (OperationError), SYS.1007 (InvalidArgument), LDAP.1000 (DirectoryUnreachable).
    """

    ldapFilter: str
    """Such as `(cn=user*)`. At least 1 characters, at most 4096 characters."""

    limit: int | None = None
    """Counted without the bound entries. 1 or more, at most 100000, `2500` by default."""


class LogInByLdapAction(Action["LogInByLdapValue"]):
    """Open a session of the account to which the caller's entry, or a group that it is in, is bound.

    `uid` is the value of the login attribute: cn, or what the server's tag `ldapUseAsLoginName::` says.
    The password goes to the directory as it is; an empty one opens nothing.

    `PUT /ldap/login`. Who may call: anybody; no session is needed.

    Errors: ID.1000 (AuthenticationFailed), ID.1006 (TooManySessions), LDAP.1007 (NoDirectory),
    LDAP.1002 (EntryNotFound), LDAP.1000 (DirectoryUnreachable), SYS.1000 (InternalError).
    """

    uid: str
    """At least 1 characters, at most 255 characters."""

    password: str
    """At most 1024 characters."""
