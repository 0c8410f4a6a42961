"""An audit line as administrators see it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from zstack_mgmt.core.inventory import Inventory, inventory
from zstack_mgmt.doc import Doc


@inventory("org.zstack.header.audit.AuditInventory", table="audits", primary_key="id")
class Audit(Inventory):
    """One mutating call: accepted jobs when they end, sync calls and refusals when they are answered.

    Source: ours.
    """

    id: int
    create_date: datetime
    account_uuid: str | None
    user_uuid: str | None
    access_key_uuid: Annotated[str | None, Doc("by which it was called, if not by a session")]
    api: str
    target: str | None
    job_uuid: str | None
    request_id: str | None
    remote: str | None
    outcome: str
    error_code: str | None
    changes: Annotated[
        dict[str, Any] | None, Doc("of quotas and limits: the `old` and the `new` value of each, by its name")
    ]
