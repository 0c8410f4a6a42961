"""Reading jobs: who may see which, and how one waits for an end."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import orjson

from zstack_mgmt.auth.results import shown, withheld
from zstack_mgmt.core.callers import AccountCaller, Anonymous
from zstack_mgmt.core.errors import InvalidSession, JobNotFound
from zstack_mgmt.core.registry import Call
from zstack_mgmt.core.values import is_uuid
from zstack_mgmt.engine import store
from zstack_mgmt.engine.model import FINAL, JobView
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.tasks import passed


@dataclass(frozen=True, slots=True)
class JobEvent:
    """A step in a job's life. Ids grow with it: accepted 0, claim n 2n-1, end 2n+2."""

    id: int
    name: str
    data: str  # JSON: when it happened; at the end the result


async def visible_job(means: Direct, call: Call, uuid: str) -> JobView:
    """The job as it stands. Secrets in its result are for the login that submitted it.

    Nobody in particular sees those whose clients poll without credentials: whoever knows the uuid was told.

    Raises: JobNotFound, also for one that the caller may not see; InvalidSession when nobody asks for it.
    """
    job: JobView | None = None
    if is_uuid(uuid):
        async with means.connection() as conn:
            job = await store.view(conn, uuid)
    mine = isinstance(call.caller, Anonymous)
    if mine:
        if job is None or not job.by_uuid:
            raise InvalidSession("the call needs a session: send `Authorization: OAuth <session uuid>`")
    elif job is None or not may_see(call, job.account_uuid, job.user_uuid):
        raise JobNotFound("no such job", reason="neverExisted")
    if job.result is None:
        return job
    mine = mine or (job.account_uuid, job.user_uuid) == (call.account_uuid, call.user_uuid)
    result = shown(call.services.sealer, uuid, job.result) if mine else withheld(job.result)
    return replace(job, result=result)


def may_see(call: Call, account_uuid: str, user_uuid: str) -> bool:
    """An account sees its jobs, a system administrator's account all; a user the jobs it submitted."""
    if isinstance(call.caller, AccountCaller):
        return call.is_admin or account_uuid == call.account_uuid
    return user_uuid == call.user_uuid


async def job_after(means: Direct, call: Call, uuid: str, wait_s: float) -> JobView:
    """The job as it stands at its end, or when the time to wait is over. Raises JobNotFound."""
    if wait_s <= 0:
        return await visible_job(means, call, uuid)
    until = time.monotonic() + wait_s
    with call.services.watcher.expecting(uuid) as change:
        while True:
            change.clear()
            job = await visible_job(means, call, uuid)
            remaining_s = until - time.monotonic()
            if job.state in FINAL or remaining_s <= 0:
                return job
            await passed(change, remaining_s)


async def events_of(means: Direct, call: Call, uuid: str, seen: int) -> AsyncIterator[JobEvent | None]:
    """What happens to the job until its end, after the event `seen`; None each second without news.

    Raises JobNotFound.
    """
    with call.services.watcher.expecting(uuid) as change:
        while True:
            change.clear()
            job = await visible_job(means, call, uuid)
            news = [event for event in _events(job) if event.id > seen]
            for event in news:
                yield event
                seen = event.id
            if job.state in FINAL:
                return
            if not news:
                yield None
            await passed(change, 1.0)


def _events(job: JobView) -> list[JobEvent]:
    events = [JobEvent(0, "accepted", _json({"at": job.accepted_at}))]
    if job.started_at is not None and job.epoch > 0:
        events.append(
            JobEvent(2 * job.epoch - 1, "running", _json({"at": job.started_at, "claim": job.epoch}))
        )
    if job.state in FINAL:
        events.append(JobEvent(2 * job.epoch + 2, job.state, job.result or "{}"))
    return events


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
