"""An audit line as administrators see it."""

from __future__ import annotations

from datetime import datetime

from zstack_mgmt.core.inventory import Inventory, inventory


@inventory("org.zstack.header.audit.AuditInventory", table="audits", primary_key="id")
class Audit(Inventory):
    """One mutating call: accepted jobs when they end, sync calls and refusals when they are answered.

    Source: ours.
    """

    id: int
    create_date: datetime
    account_uuid: str | None
    user_uuid: str | None
    api: str
    target: str | None
    job_uuid: str | None
    request_id: str | None
    remote: str | None
    outcome: str
    error_code: str | None
