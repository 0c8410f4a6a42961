"""Jobs as lists and details show them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from zstack_mgmt.engine.model import State


class JobSummary(TypedDict):
    """A job in a list."""

    uuid: str
    accountUuid: str
    userUuid: str
    api: str  # the API that was called, `CreateZone`
    targetUuid: NotRequired[str]  # of the resource that the call names
    state: State
    acceptedAt: datetime  # ISO 8601, as the others
    startedAt: NotRequired[datetime]
    finishedAt: NotRequired[datetime]


class JobDetails(JobSummary):
    """A job with all that its reader may see of it."""

    deadlineAt: datetime
    claims: int
    requestId: NotRequired[str]
    remote: NotRequired[str]  # the client's address
    webHook: NotRequired[str]
    accessKeyUuid: NotRequired[str]  # by which it was called, if not by a session
    waitsFor: NotRequired[str]
    cancelAsked: NotRequired[bool]
    request: NotRequired[dict[str, Any]]
    result: NotRequired[dict[str, Any]]


class JobPage(TypedDict):
    """A page of jobs, and the path of the next one if there may be more."""

    inventories: list[JobSummary]
    next: NotRequired[str]


def summary_of(row: Any) -> JobSummary:
    summary: JobSummary = {
        "uuid": row["uuid"],
        "accountUuid": row["account_uuid"],
        "userUuid": row["user_uuid"],
        "api": row["api"],
        "state": row["state"],
        "acceptedAt": row["accepted_at"],
    }
    if row["target"]:
        summary["targetUuid"] = row["target"]
    if row["started_at"] is not None:
        summary["startedAt"] = row["started_at"]
    if row["finished_at"] is not None:
        summary["finishedAt"] = row["finished_at"]
    return summary
