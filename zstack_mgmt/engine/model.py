"""What the engine knows of a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

import orjson

from zstack_mgmt.core.errors import ApiError

State = Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]
FINAL: frozenset[str] = frozenset({"succeeded", "failed", "canceled", "expired"})


class Submission(NamedTuple):
    """A call that is ready to be stored: authorised, validated, its secrets hashed or sealed."""

    uuid: str
    account_uuid: str
    user_uuid: str
    is_admin: bool
    api: str
    fingerprint: bytes  # keyed hash of method, path and body
    request: str
    request_id: str
    keys: str | None  # space-separated; a shared one starts with '~'
    outside: bool
    with_schema: bool
    web_hook: str | None
    timeout_s: int
    remote: str
    target: str | None  # uuid of the resource that the call names or makes
    secrets: str | None = None  # JSON: what is kept of the request's secret fields
    revokes: bool = False  # it takes rights away: it waits behind no job of whom it takes them from
    by_uuid: bool = False  # whoever knows its uuid may read it
    # Of the access key by which it was called, if not by a session:
    key_uuid: str | None = None
    signature: bytes | None = None
    signature_ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that this worker holds, under one epoch, for as long as the worker has its lease."""

    uuid: str
    epoch: int
    api: str
    request: str
    account_uuid: str
    user_uuid: str
    is_admin: bool
    request_id: str
    outside: bool
    with_schema: bool
    keyed: bool
    claims: int
    accepted_at: datetime
    remaining_s: float  # until its deadline, at the claim
    secrets: str | None = None
    lane: str = ""  # what takes turns: an account, its revocations apart

    @property
    def key(self) -> tuple[str, int]:
        """Tells this claim from every other one."""
        return self.uuid, self.epoch


@dataclass(frozen=True, slots=True)
class Lane:
    """What one lane still may have of a worker: of its slots inside, or of those outside the database."""

    name: str  # the account; of its revocations, with an exclamation mark before it
    outside: bool
    room: int  # free slots
    size: int  # jobs for one slot


@dataclass(frozen=True, slots=True)
class Wish:
    """What a worker has room for."""

    inside: int  # slots
    outside: int
    suspects: bool
    after: tuple[str, str]  # the accounts, inside and outside, after which it is whose turn
    rooms: tuple[int, int]  # slots of an account that has none yet
    size: int  # jobs of such an account for one slot
    lanes: Sequence[Lane]  # the others
    unknown: Sequence[str] = ()  # APIs that this release does not have


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: the final state and the body that poll and webhook show."""

    state: Literal["succeeded", "failed", "canceled"]
    body: str


@dataclass(frozen=True, slots=True)
class JobView:
    """What a reader may see of a job."""

    uuid: str
    account_uuid: str
    user_uuid: str
    by_uuid: bool  # whoever knows its uuid may read it
    api: str
    state: State
    epoch: int
    accepted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    result: str | None
    age_s: float  # since acceptance, by the database's clock


def failure_body(error: ApiError) -> str:
    """The body of a job that ended with this error."""
    return orjson.dumps({"error": error.to_json()}, default=str).decode()


def keys_of(exclusive: Sequence[Any], shared: Sequence[Any]) -> str | None:
    """The resource keys of a job, for `Submission.keys`; None when it names no resource."""
    if not exclusive and not shared:
        return None
    kept = list(dict.fromkeys(exclusive))
    kept += [f"~{key}" for key in dict.fromkeys(shared) if key not in exclusive]
    return " ".join(kept)
