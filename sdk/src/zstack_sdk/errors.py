"""What can go wrong, in one tree.

ZStackError
├── ApiError              the service refused the call, or its job failed
├── MissingParameter      a required parameter was not set; nothing was sent
├── ConnectionFailed      the service was not reached, or its answer was lost, for as long as `retry_s`
├── UnexpectedReply       what answered was not the service
└── StillRunning          the job goes on after `wait_s`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast


class ZStackError(Exception):
    """Base of all errors of this package."""


@dataclass(frozen=True)
class ErrorCode:
    """Why a call failed, as the service says it."""

    code: str  # `SYS.1007`; docs/errors.md lists them
    description: str  # the same for every error of the code
    details: str  # what is wrong in this case
    opaque: Mapping[str, Any] = field(default_factory=dict[str, Any])
    cause: ErrorCode | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> ErrorCode:
        """From its JSON form."""
        cause = body.get("cause")
        return cls(
            code=str(body.get("code", "")),
            description=str(body.get("description", "")),
            details=str(body.get("details", "")),
            opaque=cast("Mapping[str, Any]", body.get("opaque") or {}),
            cause=cls.of(cast("Mapping[str, Any]", cause)) if isinstance(cause, dict) else None,
        )

    def __str__(self) -> str:
        return f"{self.code}: {self.details or self.description}"


class ApiError(ZStackError):
    """The service refused the call, or its job failed.

    Attributes:
        error: why.
        job_uuid: of the job that failed; empty if there was none.
    """

    def __init__(self, error: ErrorCode, job_uuid: str = "") -> None:
        super().__init__(str(error))
        self.error = error
        self.job_uuid = job_uuid

    @property
    def code(self) -> str:
        """`SYS.1007`."""
        return self.error.code


class MissingParameter(ZStackError):
    """A required parameter was not set. Nothing was sent."""


class ConnectionFailed(ZStackError):
    """The service was not reached, or its answer was lost.

    A job may have been accepted: the same action called again finds it, because it keeps its `jobUuid`.

    Attributes:
        is_final: trying again is of no use, as with a certificate that is not trusted.
    """

    def __init__(self, why: str, *, is_final: bool = False) -> None:
        super().__init__(why)
        self.is_final = is_final


class UnexpectedReply(ZStackError):
    """The reply has no form of the service's: something else answered."""


class StillRunning(ZStackError):
    """The job has not ended within `wait_s`. It goes on: `client.wait(job_uuid)` waits again."""

    def __init__(self, job_uuid: str) -> None:
        super().__init__(f"the job {job_uuid} has not ended yet")
        self.job_uuid = job_uuid
