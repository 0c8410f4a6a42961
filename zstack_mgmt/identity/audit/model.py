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

    id: Annotated[int, Doc("ascending")]
    create_date: Annotated[datetime, Doc("when it happened")]
    account_uuid: Annotated[str | None, Doc("the account that called")]
    user_uuid: Annotated[str | None, Doc("the user that called; of an account itself the account's uuid")]
    access_key_uuid: Annotated[str | None, Doc("by which it was called, if not by a session")]
    api: Annotated[str, Doc("what was called, such as CreateZone")]
    target: Annotated[str | None, Doc("the resource that the call named")]
    job_uuid: Annotated[str | None, Doc("the API job, if it was one")]
    request_id: Annotated[str | None, Doc("of the answer's header X-Request-ID")]
    remote: Annotated[str | None, Doc("the client's address")]
    outcome: Annotated[str, Doc("what came of it: succeeded, failed, canceled or refused")]
    error_code: Annotated[str | None, Doc("code of the error, if it did not succeed")]
    changes: Annotated[
        dict[str, Any] | None, Doc("of quotas and limits: the `old` and the `new` value of each, by its name")
    ]
