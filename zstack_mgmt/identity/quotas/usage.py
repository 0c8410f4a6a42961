"""What counts against a quota.

Features register how each of their quotas is used; a quota nobody counts is unused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from zstack_mgmt.core.errors import QuotaExceeded
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas import store

Counter = Callable[[Any, str], Awaitable[Mapping[str, int]]]
"""(connection, account uuid) -> present use by quota name."""

COUNTERS: dict[str, Counter] = {}


def counts(*names: str) -> Callable[[Counter], Counter]:
    """Register the function that counts these quotas."""

    def register(function: Counter) -> Counter:
        COUNTERS.update(dict.fromkeys(names, function))
        return function

    return register


async def used(conn: Connection, account_uuid: str) -> dict[str, int]:
    """Present use of every counted quota."""
    found: dict[str, int] = {}
    for counter in dict.fromkeys(COUNTERS.values()):
        found.update(await counter(conn, account_uuid))
    return found


async def reserve(conn: Connection, account_uuid: str, wanted: Mapping[str, int], *, is_admin: bool) -> None:
    """Make sure that the account may have so much more.

    To be called before the rows are written, in their transaction.

    The quota rows stay locked until the transaction ends, so two requests cannot both take the last place.

    Args:
        wanted: additional use by quota name, in the quota's own unit (`vm.memorySize` counts bytes).

    Raises:
        QuotaExceeded: ID.1003; nothing was written.
    """
    if is_admin:
        return
    limits = {name: await store.lock(conn, account_uuid, name) for name in sorted(wanted) if wanted[name] > 0}
    present = await used(conn, account_uuid) if limits else {}
    for name, limit in limits.items():
        if limit is not None and present.get(name, 0) + wanted[name] > limit:
            raise QuotaExceeded(
                f"the quota {name} is {limit}: {present.get(name, 0)} are used, "
                f"{wanted[name]} more were asked for",
                name=name,
                limit=limit,
                used=present.get(name, 0),
                requested=wanted[name],
            )
