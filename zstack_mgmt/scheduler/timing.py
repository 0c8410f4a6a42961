"""When a trigger is due: a grid of moments, or a cron expression. No database, no clock of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from zstack_mgmt.core.errors import InvalidArgument
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.scheduler.cron import CronError, next_after, parse_cron

MAX_TIME_S: Annotated[
    int, Doc("Unix time of a trigger's start and of its last due time, in seconds"), Bound("InvalidArgument")
] = 2147454847
START_GRACE = timedelta(seconds=10)  # a start so little ago counts as now: the call was under way
MISFIRE_AFTER = timedelta(
    seconds=60
)  # due times that no worker has fired by then are left out; Quartz's default
_MS_ABOVE = 10**11  # no Unix time in seconds is larger


@dataclass(frozen=True, slots=True)
class Timing:
    """The timing of one trigger."""

    kind: Literal["simple", "cron"]
    interval_s: int | None = None
    repeat_count: int = 0  # fires in all; 0: forever
    start: datetime | None = None  # simple only; None: when a job is attached
    cron: str | None = None

    @property
    def stop(self) -> datetime | None:
        """The last due time; None: forever, or not known before a job is attached."""
        if self.start is None or self.repeat_count == 0:
            return None
        return self.start + timedelta(seconds=(self.repeat_count - 1) * (self.interval_s or 0))


def parse_start(value: float) -> datetime | None:
    """A startTime: Unix seconds, or milliseconds when it is that large; None for 0, which means at once.

    Raises:
        InvalidArgument: it is past 2147454847 s.

    >>> parse_start(1510669257) == parse_start(1510669257000)
    True
    """
    seconds = value / 1000 if value > _MS_ABOVE else value
    if seconds > MAX_TIME_S:
        raise InvalidArgument(f"startTime must not be later than {MAX_TIME_S} s")
    return datetime.fromtimestamp(seconds, UTC) if value else None


def check(timing: Timing, now: datetime, zone: ZoneInfo) -> None:
    """Refuse what cannot be carried out.

    Raises:
        InvalidArgument: SYS.1007; the message says which parameter is missing, superfluous or out of range.

    Source: the product's checks; but a past start is accepted for repeating triggers, because the manual's
    own sample has one, and what has passed is left out.
    """
    if timing.kind == "cron":
        _check_cron(timing, now, zone)
        return
    if timing.cron is not None:
        raise InvalidArgument("cron belongs to triggers of type cron")
    if timing.interval_s is None and timing.repeat_count == 0:
        raise InvalidArgument("a simple trigger needs schedulerInterval, or repeatCount 1 to run once")
    if timing.interval_s is None and timing.repeat_count > 1:
        raise InvalidArgument("repeatCount above 1 needs schedulerInterval")
    if timing.repeat_count == 1 and timing.start is not None and timing.start < now - START_GRACE:
        raise InvalidArgument("startTime of a trigger that runs once must not be in the past")
    lasts_s = (timing.repeat_count - 1) * (timing.interval_s or 0) if timing.repeat_count else 0
    if (timing.start or now).timestamp() + lasts_s > MAX_TIME_S:
        raise InvalidArgument(f"the last due time must not be later than {MAX_TIME_S} s")


def _check_cron(timing: Timing, now: datetime, zone: ZoneInfo) -> None:
    if timing.cron is None:
        raise InvalidArgument("a trigger of type cron needs cron")
    if timing.interval_s is not None or timing.repeat_count or timing.start is not None:
        raise InvalidArgument("a trigger of type cron takes no schedulerInterval, repeatCount or startTime")
    try:
        due = next_after(parse_cron(timing.cron), now, zone)
    except CronError as error:
        raise InvalidArgument(str(error)) from None
    if due is None:
        raise InvalidArgument(f"the expression {timing.cron!r} never comes due")


def next_due(timing: Timing, grid_start: datetime, after: datetime, zone: ZoneInfo) -> datetime | None:
    """The first due time later than `after`; None: there is none.

    Args:
        grid_start: of a simple trigger, its first due time; the others follow at whole intervals from it.
        zone: in which a cron expression is read.
    """
    if timing.cron is not None:
        return next_after(parse_cron(timing.cron), after, zone)
    if after < grid_start:
        return grid_start
    if timing.interval_s is None or timing.repeat_count == 1:
        return None
    interval = timedelta(seconds=timing.interval_s)
    number = (after - grid_start) // interval + 1
    if timing.repeat_count and number >= timing.repeat_count:
        return None
    return grid_start + number * interval
