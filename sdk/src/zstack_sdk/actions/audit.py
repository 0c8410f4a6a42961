"""The APIs of audit."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING

from zstack_sdk.action import QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import AuditInventory


class QueryAuditAction(QueryAction["AuditInventory"]):
    """Find Audits by conditions on their fields, tags and links.

    `GET /audits`. Who may call: system administrators.

    Fields for conditions: id, createDate, accountUuid, userUuid, accessKeyUuid, api, target, jobUuid,
    requestId, remote, outcome, errorCode.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
