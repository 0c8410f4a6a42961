"""Usage told as the product's vectors tell it: days of running and of standing still."""

from typing import Any

from zstack_mgmt.billing.store import Use, observe
from zstack_mgmt.core.values import new_uuid

DAY_MS = 86_400_000
MIB = 1024**2
ORIGIN = 1_500_000_000_000  # ms, in the past


class Vm:
    """A VM whose usage a test writes."""

    def __init__(self, db: Any, account: str, *, cores: int = 2, memory: int = 1024 * MIB) -> None:
        self.db, self.account, self.cores, self.memory = db, account, cores, memory
        self.uuid = new_uuid()
        self.at = ORIGIN

    async def record(self, state: str, at: int | None = None) -> None:
        """The VM is seen Running (R) or not (S)."""
        use = Use("VM", self.uuid, "vm", self.cores, self.memory)
        payer = self.account if state == "R" else None
        await observe(self.db, payer, use, at_ms=self.at if at is None else at)

    async def tell(self, story: str) -> None:
        """`S 2 R 6 R`: states, and the days between them."""
        for word in story.split():
            if word in "RS":
                await self.record(word)
            else:
                self.at += int(word) * DAY_MS
