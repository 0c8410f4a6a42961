"""Sharing a few places among many: lanes take turns, so that a lane with many who wait delays no other."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Turns:
    """So many places, lent lane by lane in turn, within a lane in the order of asking.

    Args:
        places: that are lent at the same time.
        most: of them that one lane may have while it is not the empty one, which has no limit.
    """

    def __init__(self, places: int, most: int | None = None) -> None:
        self._free = places
        self._most = most or places
        self._taken: Counter[str] = Counter()
        self._lanes: dict[str, deque[asyncio.Future[None]]] = {}

    def waiting(self, lane: str) -> int:
        """How many of the lane wait."""
        return len(self._lanes.get(lane, ()))

    async def take(self, lane: str = "") -> None:
        """Wait for a place; it is the caller's until `give`."""
        if self._free > 0 and lane not in self._lanes and self._may_have(lane):
            self._lend(lane)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lanes.setdefault(lane, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was lent in the moment of the cancellation
                self.give(lane)
            elif turn in (queue := self._lanes.get(lane, deque())):
                queue.remove(turn)
                if not queue:
                    del self._lanes[lane]
            raise

    def give(self, lane: str = "") -> None:
        """Give the place back."""
        self._free += 1
        self._taken[lane] -= 1
        if not self._taken[lane]:
            del self._taken[lane]
        self._lend_next()

    @asynccontextmanager
    async def turn(self, lane: str = "") -> AsyncGenerator[None]:
        """A place for the time of a block."""
        await self.take(lane)
        try:
            yield
        finally:
            self.give(lane)

    def _may_have(self, lane: str) -> bool:
        return not lane or self._taken[lane] < self._most

    def _lend(self, lane: str) -> None:
        self._free -= 1
        self._taken[lane] += 1

    def _lend_next(self) -> None:
        for lane in list(self._lanes):
            if self._free <= 0:
                return
            if not self._may_have(lane):
                continue
            queue = self._lanes.pop(lane)
            while queue and queue[0].done():  # given up; whoever did so has not noticed yet
                queue.popleft()
            if queue:
                turn = queue.popleft()
                self._lend(lane)
                turn.set_result(None)
            if queue:
                self._lanes[lane] = queue  # behind the others now
