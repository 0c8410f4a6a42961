"""Questions asked at once are answered by one look, and none by a look that began before it was asked."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class _Batch(Generic[K, V]):
    """Questions that the next look answers."""

    def __init__(self) -> None:
        self.keys: set[K] = set()
        self.answer: asyncio.Future[Mapping[K, V]] = asyncio.get_running_loop().create_future()


class Together(Generic[K, V]):
    """Looks lane by lane, one look of a lane at a time: what is asked meanwhile forms its next.

    So under load many share one look, and nobody is told what was true before the question.

    Args:
        look: what is known of the keys.
        most: keys of one look.
    """

    def __init__(self, look: Callable[[Collection[K]], Awaitable[Mapping[K, V]]], most: int) -> None:
        self._look = look
        self._most = most
        self._waiting: dict[str, deque[_Batch[K, V]]] = {}  # by lane that is at work
        self._workers: set[asyncio.Task[None]] = set()

    async def find(self, lane: str, keys: Collection[K]) -> Mapping[K, V]:
        """What is known of the keys now, and perhaps of others; the errors of the look pass through."""
        batches = self._waiting.get(lane)
        if batches is None:
            batches = self._waiting[lane] = deque()
            worker = asyncio.create_task(self._work(lane, batches), name="together")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        if not batches or len(batches[-1].keys.union(keys)) > self._most:
            batches.append(_Batch())
        batch = batches[-1]
        batch.keys.update(keys)
        return await asyncio.shield(batch.answer)

    async def _work(self, lane: str, batches: deque[_Batch[K, V]]) -> None:
        while batches:
            batch = batches.popleft()
            try:
                batch.answer.set_result(await self._look(batch.keys))
            except asyncio.CancelledError:
                batch.answer.cancel()
                raise
            except Exception as error:  # noqa: BLE001 (they are of those who have asked)
                batch.answer.set_exception(error)
                batch.answer.exception()  # all of them may have gone away
        del self._waiting[lane]
