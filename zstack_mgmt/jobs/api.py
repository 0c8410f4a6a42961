"""The APIs of jobs. Answers come from the rows in PostgreSQL, never from Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, NotRequired
from urllib.parse import urlencode

from pydantic import Field
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from zstack_mgmt.core.callers import AccountCaller
from zstack_mgmt.core.errors import InvalidSession, JobCanceled, JobFinal, JobNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import Reference
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Doc
from zstack_mgmt.engine import store
from zstack_mgmt.engine.model import FINAL, JobView, State, failure_body
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.jobs.reading import JobEvent, events_of, job_after, visible_job

JAVA = "org.zstack.job"
MAX_WAIT_S = 30.0


class PollApiJob(ApiRequest):
    """Read how a job stands: 202 while it runs, then its result, 200 or 503.

    The answer comes when the job ends, after POLL_HOLD_S at the latest, with `Prefer: wait=N` after N ≤ 30
    seconds. A job shows itself to its account and to system administrators; to others it does not exist. One
    that an access key or a message has made shows itself to whoever knows its uuid, since their clients poll
    without a session. 404: never existed (`opaque.reason`: `neverExisted`), or its result is not kept
    (`expired`).

    Source: manual, "Overview".
    """

    uuid: Reference
    wait: Annotated[
        float, Field(ge=0, le=MAX_WAIT_S), Doc("seconds to wait for the end; as `Prefer: wait=N`")
    ] = 0


@api(
    PollApiJob,
    http="GET /v1/api-jobs/{uuid}",
    mode="sync",
    access="public",
    java=JAVA,
    is_read=True,
    outside=True,
    answer="job",
    raises=(JobNotFound, InvalidSession),
)
async def poll_job(call: Call, means: Direct, request: PollApiJob) -> JobView:
    job = await job_after(means, call, request.uuid, request.wait)
    if job.state == "expired" or (job.state in FINAL and job.result is None):
        raise JobNotFound("the result of the job is no longer kept", reason="expired")
    return job


class ListApiJobs(ApiRequest):
    """List the account's jobs, the newest first; for a system administrator, those of all accounts.

    A user sees those that it submitted. A full page has `next`, the path of the page that follows.

    Source: ours, so that one can see what is going on.
    """

    state: Annotated[State | None, Doc("jobs in this state only")] = None
    api: Annotated[
        Annotated[str, Field(max_length=255)] | None, Doc("jobs of this API only, `CreateZone`")
    ] = None
    resource: Annotated[Annotated[str, Field(max_length=255)] | None, Doc("jobs that name this uuid")] = None
    account: Annotated[
        Annotated[str, Field(max_length=255)] | None, Doc("of this account; for system administrators")
    ] = None
    limit: Annotated[int, Field(ge=1, le=1000), Doc("jobs of one page")] = 100
    before: Annotated[int, Field(ge=0, le=2**62), Doc("where the page starts; from `next`")] = 2**62


class JobSummary(TypedDict):
    """A job in a list."""

    uuid: str
    accountUuid: str
    userUuid: str
    api: str  # the API that was called, `CreateZone`
    state: State
    acceptedAt: datetime  # ISO 8601, as the others
    startedAt: NotRequired[datetime]
    finishedAt: NotRequired[datetime]


class JobPage(TypedDict):
    """A page of jobs, and the path of the next one if there may be more."""

    inventories: list[JobSummary]
    next: NotRequired[str]


@api(
    ListApiJobs,
    http="GET /v1/api-jobs",
    mode="sync",
    access="session",
    java=JAVA,
    is_read=True,
    response_key="",
)
async def list_jobs(call: Call, conn: Connection, request: ListApiJobs) -> JobPage:
    own = isinstance(call.caller, AccountCaller)
    account = request.account if own and call.is_admin else call.account_uuid
    user = None if own else call.user_uuid
    rows = await store.list_jobs(
        conn, account, user, request.state, request.api, request.resource, request.before, request.limit
    )
    body: JobPage = {"inventories": [_summary(row) for row in rows]}
    if len(rows) == request.limit:
        filters = request.model_dump(include={"state", "api", "resource", "account"}, exclude_none=True)
        page = {"before": rows[-1]["seq"], "limit": request.limit}
        body["next"] = f"/zstack/v1/api-jobs?{urlencode(page | filters)}"
    return body


def _summary(row: Any) -> JobSummary:
    summary: JobSummary = {
        "uuid": row["uuid"],
        "accountUuid": row["account_uuid"],
        "userUuid": row["user_uuid"],
        "api": row["api"],
        "state": row["state"],
        "acceptedAt": row["accepted_at"],
    }
    if row["started_at"] is not None:
        summary["startedAt"] = row["started_at"]
    if row["finished_at"] is not None:
        summary["finishedAt"] = row["finished_at"]
    return summary


class CancelApiJob(ApiRequest):
    """Cancel a job.

    A queued one ends at once; a running one is asked to stop. One that has ended answers 409.

    Source: ours, for calls made by mistake.
    """

    uuid: Reference


@api(
    CancelApiJob,
    http="DELETE /v1/api-jobs/{uuid}",
    mode="sync",
    access="session",
    java=JAVA,
    outside=True,
    answer="accepted",
    raises=(JobNotFound, JobFinal),
)
async def cancel_job(call: Call, means: Direct, request: CancelApiJob) -> JobView:
    job = await visible_job(means, call, request.uuid)
    body = failure_body(JobCanceled("the job was canceled before it ran"))
    async with means.transaction() as conn:
        before = await store.cancel(conn, job.uuid, body, call.services.settings.job_retention_s)
    if before in FINAL:
        raise JobFinal(f"the job has already ended as {before}")
    if before == "queued":
        bell = call.services.bell
        bell.announce([job.uuid])
        bell.ring("webhooks")
        bell.ring("jobs")
    return await visible_job(means, call, request.uuid)


class FollowApiJob(ApiRequest):
    """Follow a job's states as server-sent events until it has ended.

    Events: `accepted`, `running`, then the final state with the result. `Last-Event-ID` resumes.

    Source: ours; a browser's EventSource reads it.
    """

    uuid: Reference
    last_event_id: Annotated[int, Doc("events after this one only; as the header `Last-Event-ID`")] = -1


@api(
    FollowApiJob,
    http="GET /v1/api-jobs/{uuid}/events",
    mode="sync",
    access="session",
    java=JAVA,
    is_read=True,
    outside=True,
    answer="events",
    raises=(JobNotFound,),
)
async def follow_job(call: Call, means: Direct, request: FollowApiJob) -> AsyncIterator[JobEvent | None]:
    await visible_job(means, call, request.uuid)
    return events_of(means, call, request.uuid, request.last_event_id)
