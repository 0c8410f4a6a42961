"""Who calls: a closed set of types. A door makes one of them, and everything behind it decides by it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


class Policies(Protocol):
    """The compiled policies of a user; `auth.policy` has the real one."""

    def allows(self, offered: tuple[str, ...]) -> bool: ...


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One signature of an access key, which opens one change."""

    key_uuid: str
    signature: bytes  # its keyed hash
    ends_at: datetime  # when it is too old to be shown again


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody in particular: the call needs no login."""

    account_uuid: str = field(default="", init=False)
    user_uuid: str = field(default="", init=False)
    is_admin: bool = field(default=False, init=False)
    key: None = field(default=None, init=False)
    session: bytes = field(default=b"", init=False)


@dataclass(frozen=True, slots=True)
class AccountCaller:
    """An account itself."""

    account_uuid: str
    is_admin: bool  # it is of type SystemAdmin: that alone makes an administrator
    key: KeyUse | None = None  # by which it calls, if not by a session
    session: bytes = b""  # the hash of its token; empty: it calls otherwise

    @property
    def user_uuid(self) -> str:
        """The account's own uuid: that is how sessions and jobs of an account name their user."""
        return self.account_uuid


@dataclass(frozen=True, slots=True)
class UserCaller:
    """A user inside an account, who may do what its policies allow."""

    account_uuid: str
    user_uuid: str
    is_admin: bool  # its account is of type SystemAdmin
    policies: Policies
    key: KeyUse | None = None
    session: bytes = b""


Caller = Anonymous | AccountCaller | UserCaller
ANONYMOUS = Anonymous()
