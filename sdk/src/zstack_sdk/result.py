"""What a call of an API comes to."""

from __future__ import annotations

from typing import Generic, TypeVar, cast

from zstack_sdk.errors import ApiError, ErrorCode
from zstack_sdk.record import Record

V = TypeVar("V", bound=Record)


class Result(Generic[V]):
    """The end of a call: `error`, or None and then `value`.

    Attributes:
        error: why the call was refused or its job failed.
        job_uuid: of the job; empty for a call that was answered at once.
    """

    def __init__(self, value: V | None, error: ErrorCode | None, job_uuid: str = "") -> None:
        self._value = value
        self.error = error
        self.job_uuid = job_uuid

    @property
    def value(self) -> V:
        """What the API answers. Raises ApiError when it failed."""
        if self.error is not None:
            raise ApiError(self.error, self.job_uuid)
        return cast("V", self._value)

    def __repr__(self) -> str:
        return f"Result(error={self.error})" if self.error else f"Result({self._value!r})"
