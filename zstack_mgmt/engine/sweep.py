"""Takes back what dead workers held, and ends jobs that wait past their deadline."""

from __future__ import annotations

from collections.abc import Callable

from zstack_mgmt import db
from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import InternalError, JobTimedOut
from zstack_mgmt.engine import store
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.lease import CANCELED
from zstack_mgmt.engine.model import failure_body
from zstack_mgmt.engine.puller import LOOK_S

_LOST = failure_body(InternalError("the job ended its worker each time it was run; it is not tried again"))
_LATE = failure_body(JobTimedOut("the job waited past its deadline and was not run"))


class Sweep:
    """The rounds of one worker process; every worker makes them, so the last one alive does."""

    def __init__(self, pool: db.Pool, settings: Settings, bell: Bell) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._pool = pool
        self._settings = settings
        self._bell = bell

    async def pull(self) -> float | None:
        """One round."""
        async with self._pool.acquire() as conn:
            ended = await store.sweep(conn, self._settings, _LOST, CANCELED, _LATE)
        self._bell.tell(ended)
        return LOOK_S

    def drop(self) -> None:
        """Nothing is held."""

    async def drain(self, grace_s: float) -> None:
        """Nothing is held."""
