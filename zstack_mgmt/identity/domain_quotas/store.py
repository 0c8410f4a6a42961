"""Reading and setting the items of a domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from zstack_mgmt.core.errors import OperationError
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection
from zstack_mgmt.engine.store import note_changes
from zstack_mgmt.identity.domain_quotas.handed import NOTHING, handed_on
from zstack_mgmt.identity.domain_quotas.model import ITEMS, NO_LIMIT, ceilings_of, shown
from zstack_mgmt.identity.quotas import store as quotas


@dataclass(frozen=True, slots=True)
class Level:
    """An item of a domain: what it may have, -1 for no limit, and what it has."""

    quota: Decimal
    used: Decimal


async def levels(conn: Connection, account_uuid: str) -> dict[str, Level]:
    """All items of the domain. An account without limits has those that were stored for it."""
    used = {usage.name: usage.used for usage in await quotas.usages(conn, account_uuid)}
    limits = await quotas.limits_of(conn, account_uuid)
    rows = await conn.fetch("SELECT item, value FROM domain_quotas WHERE account_uuid = $1", account_uuid)
    stored = {row["item"]: row["value"] for row in rows}
    found: dict[str, Level] = {}
    for name, item in ITEMS.items():
        first = item.quotas[0] if item.quotas else ""
        quota = stored.get(name, Decimal(-1))
        if first in limits:
            quota = Decimal(-1 if limits[first] == NO_LIMIT else limits[first])
            quota = quota / item.unit if quota > 0 else quota
        most_used = max((used.get(quota_name, 0) for quota_name in item.quotas), default=0)
        found[name] = Level(quota, Decimal(most_used) / item.unit)
    return found


async def set_levels(call: Call, conn: Connection, account_uuid: str, wanted: Mapping[str, Decimal]) -> None:
    """Set items of a domain, all or none, and note it for the audit line of the call's job.

    The quotas stay locked, so nothing is taken of them meanwhile.

    Raises OperationError for a value above the ceiling, below the use, or below what is handed on to
    projects; nothing was written then.
    """
    names = sorted(quota for name in wanted for quota in ITEMS[name].quotas)
    known = await quotas.lock(conn, account_uuid, names)
    present = await levels(conn, account_uuid)
    handed = await handed_on(conn, account_uuid, list(wanted))
    ceilings = ceilings_of(call.services.settings)
    for name, value in wanted.items():
        item, ceiling = ITEMS[name], ceilings.get(name, Decimal(-1))
        if ceiling >= 0 and not 0 <= value <= ceiling:
            raise OperationError(f"{name}: {value} was asked for, and the limit is {ceiling}")
        if 0 <= value < present[name].used:
            raise OperationError(f"{name}: {value} was asked for, and {present[name].used} are in use")
        handed.get(name, NOTHING).check(name, value)
        for quota in item.quotas:
            if quota in known:
                amount = NO_LIMIT if value < 0 else int(value * item.unit)
                await quotas.set_quota(conn, account_uuid, quota, amount)
        if not item.quotas or item.quotas[0] not in known:
            await conn.execute(
                """
                INSERT INTO domain_quotas (account_uuid, item, value) VALUES ($1, $2, $3)
                ON CONFLICT (account_uuid, item) DO UPDATE SET value = $3
                """,
                account_uuid,
                name,
                value,
            )
    changes = {name: (shown(present[name].quota), shown(value)) for name, value in wanted.items()}
    await note_changes(conn, call.job_uuid, changes)
