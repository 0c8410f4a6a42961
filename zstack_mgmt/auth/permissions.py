"""Who may call what: decided here alone, from the declaration and the caller."""

from __future__ import annotations

from zstack_mgmt.core.callers import AccountCaller, Anonymous, Caller, UserCaller
from zstack_mgmt.core.errors import InvalidSession, PermissionDenied
from zstack_mgmt.core.registry import Api


def may_call(declared: Api, caller: Caller) -> bool:
    """Whether the caller may call the API at all. Whose resources the call names is not judged here."""
    if declared.access == "public":
        return True
    match caller:
        case Anonymous():
            return False
        case AccountCaller(is_admin=is_admin):
            if declared.access == "session" or is_admin:
                return True
            return declared.access != "admin" and bool(declared.category)
        case UserCaller(is_admin=is_admin, policies=policies):
            if declared.access == "session":
                return True
            if declared.access == "account" or (declared.access == "admin" and not is_admin):
                return False
            return policies.allows(declared.permissions)


def authorise(declared: Api, caller: Caller) -> None:
    """Let the call pass. Raises InvalidSession (ID.1001) for nobody, else PermissionDenied (ID.1002)."""
    if may_call(declared, caller):
        return
    match caller:
        case Anonymous():
            raise InvalidSession("the call needs a session: send `Authorization: OAuth <session uuid>`")
        case AccountCaller():
            raise PermissionDenied(f"{declared.name} is open to system administrators only")
        case UserCaller():
            raise PermissionDenied(f"no policy of the user allows {declared.name}")
