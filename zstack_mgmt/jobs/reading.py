"""Reading jobs: who may see which, and how one waits for an end."""

from __future__ import annotations

import asyncio
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
from zstack_mgmt.jobs.model import summary_of
from zstack_mgmt.tasks import passed

_LOOK_S = 1.0
_LATE = 200
MAX_CHANGES = 500


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


def whose_jobs(call: Call) -> tuple[str | None, str | None]:
    """The account and the user whose jobs a list shows to this caller; None: those of all."""
    if isinstance(call.caller, AccountCaller):
        return (None if call.is_admin else call.account_uuid), None
    return call.account_uuid, call.user_uuid


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
            if job.state in FINAL or remaining_s <= 0 or call.services.watcher.leaving:
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


async def changes_of(
    means: Direct, account_uuid: str | None, user_uuid: str | None, seen: int, lasts_s: float
) -> AsyncIterator[JobEvent | None]:
    """Jobs that are accepted from now on, and what becomes of them and of those that have not ended.

    One that goes on after the event `seen` may be told again of what happened shortly before it. None each
    second without news; the end after `lasts_s`. Of a burst the newest MAX_CHANGES are told.
    """
    until = time.monotonic() + lasts_s
    async with means.connection() as conn:
        open_jobs = await store.unfinished_jobs(conn, account_uuid, user_uuid, MAX_CHANGES)
        start = await store.last_seq(conn) if seen < 0 else max(0, seen - _LATE)
    told = {uuid: ("", -1) if seen >= 0 else state for uuid, state in open_jobs.items()}
    seen = max(seen, start)
    while True:
        unfinished = [uuid for uuid, (state, _) in told.items() if state not in FINAL]
        # Numbers are given before the commit: one that comes late may be lower than others that were told.
        after = max(start, seen - _LATE)
        async with means.connection() as conn:
            rows = await store.changed_jobs(conn, account_uuid, user_uuid, after, unfinished, MAX_CHANGES)
        news = [row for row in rows if told.get(row["uuid"]) != (row["state"], row["epoch"])]
        for row in news:
            seen = max(seen, row["seq"])
            told[row["uuid"]] = row["state"], row["epoch"]
            yield JobEvent(seen, "job", _json(summary_of(row)))
        while len(told) > 2 * MAX_CHANGES:
            told.pop(next(iter(told)))
        if not news:
            yield None
        if time.monotonic() >= until:
            return
        await asyncio.sleep(_LOOK_S)


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
