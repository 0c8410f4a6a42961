"""What a role lets its holder do, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zstack_mgmt.core.errors import PermissionDenied, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest

ScopeKind = Literal["unscoped", "project", "domain", "system"]
ADMIN_ROLE = "a0000000000040008000000000000001"

_MANAGES = frozenset({"admin", "manager"})
_READS = frozenset({"admin", "manager", "member", "reader"})


@dataclass(frozen=True, slots=True)
class Place:
    """What a token is scoped to: a project, a domain, the system, or nothing."""

    kind: ScopeKind
    uuid: str = ""
    name: str = ""
    domain_uuid: str = ""  # of a project its domain, of a domain itself
    domain_name: str = ""
    of_platform: bool = False  # the system, or inside an account of administrators


NOWHERE = Place("unscoped")


@dataclass(frozen=True, slots=True)
class Authority:
    """A login with the roles that it has in one place at this moment."""

    login_uuid: str
    account_uuid: str
    place: Place
    roles: tuple[tuple[str, str], ...]  # uuid and name, by name
    restricted: bool = False  # by an application credential that must not make others

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for _, name in self.roles)

    @property
    def is_platform_admin(self) -> bool:
        """Whether it may do everything in all domains."""
        return self.place.of_platform and "admin" in self.names

    @property
    def is_manager(self) -> bool:
        """Whether it may change something in some domain."""
        if self.place.kind == "domain":
            return bool(self.names & _MANAGES)
        return self.is_platform_admin or (self.place.kind == "project" and "admin" in self.names)

    def manages(self, account_uuid: str) -> bool:
        """Whether it may change what is in the domain."""
        return self.is_platform_admin or (self.is_manager and self.place.domain_uuid == account_uuid)

    @property
    def readable(self) -> str | None:
        """The domain whose users, groups and projects it may list; None: all. Raises PermissionDenied."""
        if self.is_platform_admin or (self.place.kind == "system" and self.names & _READS):
            return None
        if self.is_manager or (self.place.kind == "domain" and self.names & _READS):
            return self.place.domain_uuid
        raise PermissionDenied("the token's roles do not allow this")

    def reads(self, account_uuid: str) -> bool:
        """Whether it may read what is in the domain. Raises PermissionDenied when it may read no domain."""
        return self.readable in (None, account_uuid)

    def require_platform_admin(self) -> None:
        """Raises PermissionDenied."""
        if not self.is_platform_admin:
            raise PermissionDenied("only the role admin of the platform allows this")

    def require_manager(self) -> None:
        """Raises PermissionDenied, before anything is looked up."""
        if not self.is_manager:
            raise PermissionDenied("the token's roles do not allow this")

    def require_unrestricted(self) -> None:
        """Raises PermissionDenied."""
        if self.restricted:
            raise PermissionDenied("the application credential is restricted: it makes and deletes no others")

    def require_manager_of(self, account_uuid: str | None, noun: str, uuid: str) -> str:
        """The domain of the thing, which it manages. What is another domain's is not found."""
        self.require_manager()
        if account_uuid is None or not self.manages(account_uuid):
            raise ResourceNotFound(f"no {noun} has the id {uuid}")
        return account_uuid


class ScopedRequest(ApiRequest):
    """A call under a token: its scope says which of the caller's roles count."""

    scope_kind: ScopeKind
    scope_uuid: str = ""
    credential_uuid: str | None = None  # the application credential that the token was opened with
