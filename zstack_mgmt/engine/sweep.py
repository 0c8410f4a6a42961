"""Takes back what dead workers held, and ends jobs that wait past their deadline."""

from __future__ import annotations

from zstack_mgmt import db
from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import InternalError, JobTimedOut
from zstack_mgmt.engine import store
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.lease import CANCELED
from zstack_mgmt.engine.model import failure_body

_LOST = failure_body(InternalError("the job ended its worker each time it was run; it is not tried again"))
_LATE = failure_body(JobTimedOut("the job waited past its deadline and was not run"))


async def sweep(pool: db.Pool, settings: Settings, bell: Bell) -> None:
    """One round. Every worker makes it once a second, so the last one alive does."""
    async with pool.acquire() as conn:
        ended = await store.sweep(conn, settings, _LOST, CANCELED, _LATE)
    bell.tell(ended)
