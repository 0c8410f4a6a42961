"""Who may call what: decided here alone, from the declaration and the caller."""

from __future__ import annotations

from zstack_mgmt.core.errors import PermissionDenied
from zstack_mgmt.core.registry import Api, Call, Policies


def may_call(declared: Api, *, is_admin: bool, is_account: bool, policies: Policies | None) -> bool:
    """Whether such a caller may call the API at all. Whose resources the call names is not judged here.

    Args:
        is_admin: the caller's account is of type SystemAdmin.
        is_account: it is an account session; a user session has policies.
    """
    if declared.access == "public":
        return True
    if is_account:
        return is_admin or (declared.access != "admin" and bool(declared.category))
    if declared.access == "account" or (declared.access == "admin" and not is_admin):
        return False
    return policies is not None and policies.allows(declared.permissions)


def authorise(declared: Api, call: Call) -> None:
    """Let the call pass, or raise PermissionDenied (ID.1002)."""
    if may_call(declared, is_admin=call.is_admin, is_account=call.is_account_session, policies=call.policies):
        return
    if call.is_account_session:
        raise PermissionDenied(f"{declared.name} is open to system administrators only")
    raise PermissionDenied(f"no policy of the user allows {declared.name}")
