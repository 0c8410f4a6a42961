"""The APIs of jobs. Answers come from the rows in PostgreSQL, never from Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, cast
from urllib.parse import urlencode

import orjson
from pydantic import Field

from zstack_mgmt.core.errors import InvalidSession, JobCanceled, JobFinal, JobNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api, find_api
from zstack_mgmt.core.values import Reference
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Doc
from zstack_mgmt.engine import store
from zstack_mgmt.engine.model import FINAL, JobView, State, failure_body
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.jobs import health
from zstack_mgmt.jobs.model import JobDetails, JobPage, summary_of
from zstack_mgmt.jobs.reading import JobEvent, changes_of, events_of, job_after, visible_job, whose_jobs

__all__ = ["health"]  # imported for its declaration

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
    account, user = whose_jobs(call)
    if account is None:
        account = request.account
    rows = await store.list_jobs(
        conn, account, user, request.state, request.api, request.resource, request.before, request.limit
    )
    body: JobPage = {"inventories": [summary_of(row) for row in rows]}
    if len(rows) == request.limit:
        filters = request.model_dump(include={"state", "api", "resource", "account"}, exclude_none=True)
        page = {"before": rows[-1]["seq"], "limit": request.limit}
        body["next"] = f"/zstack/v1/api-jobs?{urlencode(page | filters)}"
    return body


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


class FollowApiJobs(ApiRequest):
    """Follow the account's jobs as server-sent events, for a system administrator those of all accounts.

    Each event is `job`, with what `ListApiJobs` shows of it: every job that is accepted from now on, and its
    changes until it has ended, at most a second late. A user sees the jobs that it submitted.

    Source: ours; for pages that show what is going on.
    """

    account: Annotated[
        Annotated[str, Field(max_length=255)] | None, Doc("of this account; for system administrators")
    ] = None
    last_event_id: Annotated[int, Doc("where to go on; as the header `Last-Event-ID`")] = -1
    seconds: Annotated[
        int, Field(ge=0, le=600), Doc("after which the stream ends; an EventSource then asks again by itself")
    ] = 600


@api(
    FollowApiJobs,
    http="GET /v1/api-jobs/events",
    mode="sync",
    access="session",
    java=JAVA,
    is_read=True,
    outside=True,
    answer="events",
)
async def follow_jobs(call: Call, means: Direct, request: FollowApiJobs) -> AsyncIterator[JobEvent | None]:
    account, user = whose_jobs(call)
    if account is None:
        account = request.account
    return changes_of(means, account, user, request.last_event_id, request.seconds)


class GetApiJob(ApiRequest):
    """Read a job with the request that made it, without its secrets, and with its result when it has ended.

    `waitsFor` names the job before it on one of its resources; `claims` counts the workers that began it.

    Source: ours; the poll shows the result alone.
    """

    uuid: Reference


@api(
    GetApiJob,
    http="GET /v1/api-jobs/{uuid}/details",
    mode="sync",
    access="session",
    java=JAVA,
    is_read=True,
    outside=True,
    raises=(JobNotFound,),
)
async def get_job(call: Call, means: Direct, request: GetApiJob) -> JobDetails:
    job = await visible_job(means, call, request.uuid)
    async with means.connection() as conn:
        row = await store.details(conn, job.uuid)
    if row is None:
        raise JobNotFound("no such job", reason="neverExisted")
    details: dict[str, Any] = {**summary_of(row), "deadlineAt": row["deadline_at"], "claims": row["claims"]}
    named = {
        "requestId": row["request_id"],
        "remote": row["remote"],
        "webHook": row["web_hook"],
        "accessKeyUuid": row["access_key_uuid"],
        "waitsFor": row["waits_for"],
        "cancelAsked": row["cancel_asked"] or None,
        "request": _request_of(row),
        "result": job.result and orjson.loads(job.result),
    }
    return cast("JobDetails", details | {name: value for name, value in named.items() if value is not None})


def _request_of(row: Any) -> dict[str, Any] | None:
    """The parameters by their names on the wire; of an API that this release does not have, none."""
    declared = find_api(row["api"])
    if declared is None or row["request"] is None:
        return None
    request = declared.request.restore(row["request"], None)
    return request.model_dump(
        mode="json", by_alias=True, exclude_unset=True, exclude_none=True, warnings=False
    )
