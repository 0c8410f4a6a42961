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
            settled = settled_for_users(declared, is_admin=is_admin)
            return policies.allows(declared.permissions) if settled is None else settled


def settled_for_users(declared: Api, *, is_admin: bool) -> bool | None:
    """Whether users of an account may call the API whatever their policies say; None: these decide.

    Args:
        is_admin: whether the account is of type SystemAdmin.
    """
    if declared.access in ("public", "session"):
        return True
    if declared.access == "account" or (declared.access == "admin" and not is_admin):
        return False
    return None


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
            raise PermissionDenied(_what_a_user_lacks(declared, caller))


def _what_a_user_lacks(declared: Api, caller: UserCaller) -> str:
    """The permission that would let a user pass. It is said of the API alone, and of nobody's policies."""
    if declared.access == "admin" and not caller.is_admin:
        return f"{declared.name} is open to system administrators only"
    if declared.access == "account" or not declared.permissions:
        return f"{declared.name} is open to accounts only: no policy can allow it to a user"
    name = declared.permissions[-1]
    return f"the user's policies do not allow {declared.name}: one must allow {name!r}, and none may deny it"
