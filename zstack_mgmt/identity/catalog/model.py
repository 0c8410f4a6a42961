"""What the catalog holds, and how much of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from zstack_mgmt.doc import Bound, Doc

MAX_REGIONS: Annotated[int, Doc("regions of the catalog on `/v3`"), Bound("OperationError")] = 500
MAX_SERVICES: Annotated[int, Doc("services of the catalog on `/v3`"), Bound("OperationError")] = 100
MAX_ENDPOINTS: Annotated[int, Doc("endpoints of the catalog on `/v3`"), Bound("OperationError")] = 500

IDENTITY_SERVICE = "3f849455ba665caeaa161d9828814392"
"""The id of the one service that is not stored: this door."""

_VARIABLE = re.compile(r"[$%]\((\w*)\)s")
VARIABLES = frozenset({"project_id", "tenant_id", "user_id"})


def unknown_variable(url: str) -> str | None:
    """A variable of the address that no token fills, if there is one.

    >>> unknown_variable("http://nova/v2.1/$(project_id)s/%(shell)s")
    'shell'
    """
    return next((name for name in _VARIABLE.findall(url) if name not in VARIABLES), None)


def filled(url: str, values: Mapping[str, Any]) -> str | None:
    """The address with its variables replaced; None when one of them has no value.

    >>> filled("http://nova/$(project_id)s", {"project_id": "1f"}), filled("http://nova/$(project_id)s", {})
    ('http://nova/1f', None)
    """
    if any(not values.get(name) for name in _VARIABLE.findall(url)):
        return None
    return _VARIABLE.sub(lambda found: str(values[found[1]]), url)
