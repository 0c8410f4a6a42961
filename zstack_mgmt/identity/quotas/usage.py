"""Taking what a quota allows."""

from __future__ import annotations

from collections.abc import Mapping

from zstack_mgmt.core.errors import QuotaExceeded
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas import store


async def reserve(
    conn: Connection,
    account_uuid: str,
    wanted: Mapping[str, int],
    *,
    is_admin: bool,
    charged: bool = False,
) -> None:
    """Make sure that the account may have so much more, before it gets it in the same transaction.

    The quotas stay locked until the transaction ends, so two requests cannot both take the last place. Their
    use follows by itself when the rows of the resources are written.

    Args:
        wanted: additional use by quota name, in the quota's own unit (`vm.memorySize` counts bytes).
        charged: the transaction has written the rows already, so that their use is counted.

    Raises:
        QuotaExceeded: ID.1003; nothing was written, or the transaction is to be undone.
    """
    names = [name for name, amount in wanted.items() if amount > 0]
    if is_admin or not names:
        return
    for name, (limit, used) in (await store.lock(conn, account_uuid, names)).items():
        before = used - wanted[name] if charged else used
        if before + wanted[name] > limit:
            raise QuotaExceeded(
                f"the quota {name} is {limit}: {before} are used, {wanted[name]} more were asked for",
                name=name,
                limit=limit,
                used=min(before, 2**63 - 1),
                requested=wanted[name],
            )
