"""The APIs of management."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import GetVersionValue
    from zstack_sdk.inventories import ManagementNodeInventory


class GetVersionAction(Action["GetVersionValue"]):
    """The release of this service, for anybody. It is not a release of ZStack.

    `PUT /management-nodes/actions`. Who may call: anybody; no session is needed.
    """

    uuid: str | None = None
    """At most 64 characters."""


class QueryManagementNodeAction(QueryAction["ManagementNodeInventory"]):
    """Find ManagementNodes by conditions on their fields, tags and links.

    `GET /management-nodes`. Who may call: system administrators.

    Fields for conditions: uuid, hostName, joinDate, heartBeat.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
