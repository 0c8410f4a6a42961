"""What a domain has handed on to its projects: the sums of their limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from zstack_mgmt.core.errors import OperationError
from zstack_mgmt.db import Connection


@dataclass(frozen=True, slots=True)
class Handed:
    """What the projects of a domain may have of one item together."""

    amount: int = 0
    without_limit: bool = False  # one of them may have any number

    def check(self, name: str, quota: Decimal) -> None:
        """Raises OperationError unless the domain's quota, -1 for no limit, covers it."""
        if quota >= 0 and (self.without_limit or self.amount > quota):
            what = "any number is" if self.without_limit else f"{self.amount} are"
            raise OperationError(
                f"{name}: {what} handed on to projects, which the domain's quota of {quota} does not cover"
            )


NOTHING = Handed()


async def handed_on(
    conn: Connection, account_uuid: str, names: Sequence[str] | None = None
) -> dict[str, Handed]:
    """What the domain's projects may have, by item. Of several limits of one project the greatest counts."""
    rows = await conn.fetch(
        """
        SELECT resource_name, coalesce(sum(most) FILTER (WHERE least_one >= 0), 0)::bigint,
               bool_or(least_one < 0)
        FROM (SELECT r.resource_name, max(l.value) AS most, min(l.value) AS least_one
              FROM limits l JOIN registered_limits r ON r.uuid = l.registered_uuid
              JOIN projects p ON p.uuid = l.project_uuid
              WHERE p.account_uuid = $1 AND ($2::text[] IS NULL OR r.resource_name = ANY ($2))
              GROUP BY r.resource_name, l.project_uuid) AS of_projects
        GROUP BY resource_name
        """,
        account_uuid,
        names,
    )
    return {row[0]: Handed(row[1], row[2]) for row in rows}
