"""What a client may write into the statements of a policy or role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from zstack_mgmt.auth.policy import MAX_RULES, check_rules
from zstack_mgmt.core.errors import InvalidArgument
from zstack_mgmt.doc import Bound, Doc

MAX_STATEMENTS = 100


class StatementRequest(BaseModel):
    """One statement of a policy or role. `principals` and `resources` are kept but do not narrow it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Annotated[str, StringConstraints(max_length=255)] | None = None
    effect: Literal["Allow", "Deny"]
    actions: Annotated[list[str], Field(min_length=1, max_length=MAX_RULES)]
    principals: Annotated[list[str], Field(max_length=MAX_RULES)] | None = None
    resources: Annotated[list[str], Field(max_length=MAX_RULES)] | None = None


MAX_POLICY_BYTES: Annotated[
    int, Doc("bytes of the statements of a policy or role"), Bound("InvalidArgument")
] = 64 * 1024


def checked(statements: Sequence[StatementRequest]) -> list[dict[str, Any]]:
    """The statements in their wire form. Raises as `check`."""
    made = [statement.model_dump(exclude_none=True) for statement in statements]
    check(made)
    return made


def check(statements: Sequence[dict[str, Any]]) -> None:
    """Refuse statements that are too large together, or have rules that cannot be run.

    Raises: InvalidArgument.
    """
    if len(orjson.dumps(statements)) > MAX_POLICY_BYTES:
        raise InvalidArgument(f"the statements of a policy may have {MAX_POLICY_BYTES} bytes in all")
    check_rules([rule for statement in statements for rule in statement["actions"]])
