"""Keep a process alive: start it again when it ends, at once first and then less and less eagerly."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

from zstack_mgmt.local.processes import Child, LocalError, exited

RESTART_DELAYS_S = (0.0, 0.5, 1.0, 2.0, 5.0)
STEADY_S = 30.0  # a process that lived this long starts over at the first delay


class Keeper:
    """One process of the stack, and every successor of it."""

    def __init__(
        self,
        kind: str,
        start: Callable[[], Awaitable[Child]],
        stop: Callable[[Child], Awaitable[None]],
        changed: Callable[[], None],
        process: Child | None = None,
    ) -> None:
        """Prepare to keep it.

        Args:
            kind: api, worker, webhook, postgres or redis.
            start: start one and return when it runs.
            stop: end it for good.
            changed: called after every change of `pid`.
            process: it, if it runs already.
        """
        self.kind = kind
        self.failures = 0  # ends in a row
        self._start = start
        self._stop = stop
        self._changed = changed
        self._process = process

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process else None

    async def keep(self) -> None:
        """Run until cancelled. The process stays when this is cancelled: `stop` ends it."""
        clock = asyncio.get_running_loop().time
        while True:
            if self._process is None:
                if self.failures:
                    await asyncio.sleep(RESTART_DELAYS_S[min(self.failures, len(RESTART_DELAYS_S)) - 1])
                try:
                    self._process = await self._start()
                except (LocalError, OSError) as error:
                    self.failures += 1
                    print(f"{self.kind} did not start: {error}", file=sys.stderr, flush=True)
                    continue
            self._changed()
            started = clock()
            pid = self._process.pid
            code = await exited(self._process)
            self._process = None
            self.failures = 1 if clock() - started >= STEADY_S else self.failures + 1
            self._changed()
            print(f"{self.kind} (pid {pid}) {_ending(code)}; starting another", file=sys.stderr, flush=True)

    async def stop(self) -> None:
        """End the process, if it runs."""
        if self._process is not None:
            await self._stop(self._process)
            self._process = None


def _ending(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
