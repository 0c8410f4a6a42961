"""A token as its bearer and its subject see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zstack_mgmt.core.errors import PermissionDenied, ResourceNotFound
from zstack_mgmt.identity.roles.model import Authority


@dataclass(frozen=True, slots=True)
class Credential:
    """The application credential that a token was opened with."""

    uuid: str
    name: str
    unrestricted: bool


@dataclass(frozen=True, slots=True)
class Token:
    """A live session with what it is scoped to and the roles that it has there now."""

    account_uuid: str
    user_uuid: str
    user_name: str
    account_name: str
    password_expires_at: datetime | None
    methods: tuple[str, ...]
    audit_ids: tuple[str, ...]  # its own, and that of the first token that it descends from
    issued_at: datetime
    expires_at: datetime
    authority: Authority
    is_admin: bool  # of an account of administrators
    credential: Credential | None = None
    catalog_version: object = None  # of the catalog at the moment of the look

    def shown(self, token: Token | None) -> Token:
        """The token that the bearer of this one asks about. Raises PermissionDenied or ResourceNotFound."""
        if token is None:
            raise ResourceNotFound("no such token")
        if token.user_uuid != self.user_uuid and not self.authority.is_platform_admin:
            raise PermissionDenied("the token is another user's")
        return token


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose password was changed."""

    account_uuid: str
    user_uuid: str


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token, with the secret that only this answer has."""

    account_uuid: str
    user_uuid: str
    secret: str
    token: Token
