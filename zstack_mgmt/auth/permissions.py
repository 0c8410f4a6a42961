"""Who may call what: decided here alone, from the declaration and the caller."""

from __future__ import annotations

from zstack_mgmt.errors import PermissionDenied
from zstack_mgmt.registry import Api, Call


def authorise(declared: Api, call: Call) -> None:
    """Let the call pass, or raise PermissionDenied (ID.1002). Whose resources it names is not judged here."""
    if declared.access == "public":
        return
    if not call.is_account_session:
        raise PermissionDenied(f"the user has no policy that allows {declared.name}")
    if call.is_admin:
        return
    if declared.access == "admin" or not declared.category:
        raise PermissionDenied(f"{declared.name} is open to system administrators only")
