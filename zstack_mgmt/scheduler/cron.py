"""Quartz cron expressions: `sec min hour day-of-month month day-of-week`.

cronsim walks the calendar; the reading of the fields and the rules of days are Quartz's and ours, because its
weekdays count from 1 = Sunday, `?` leaves a field open, and `W` and `L-3` exist.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS = (("second", 0, 59), ("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12))
_MAX_LENGTH = 255
_NEAR = timedelta(hours=3)  # longer than any change of a clock, and shorter than the time between two


class CronError(ValueError):
    """The expression is not one of the dialect; the message says which part."""


@dataclass(frozen=True, slots=True)
class MonthDay:
    """A day of the month: `15`, or `L-2` two days before the last; with `W` the nearest weekday."""

    day: int = 0  # 0: counted from the end
    before_last: int = 0
    nearest_weekday: bool = False

    def matches(self, day: date) -> bool:
        last = monthrange(day.year, day.month)[1]
        wanted = self.day or last - self.before_last
        if not 1 <= wanted <= last:
            return False
        if not self.nearest_weekday:
            return day.day == wanted
        weekday = day.replace(day=wanted).weekday()
        if weekday == 5:
            wanted += 2 if wanted == 1 else -1
        elif weekday == 6:
            wanted += -2 if wanted == last else 1
        return day.day == wanted


@dataclass(frozen=True, slots=True)
class WeekDay:
    """A day of the week, 0 = Sunday: each one, the `nth` of the month, or with -1 the month's last."""

    day: int
    nth: int = 0

    def matches(self, day: date) -> bool:
        if day.isoweekday() % 7 != self.day:
            return False
        if self.nth == -1:
            return day.day + 7 > monthrange(day.year, day.month)[1]
        return self.nth == 0 or (day.day + 6) // 7 == self.nth


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression. Exactly one of the two kinds of days is set; it is never empty."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    month_days: frozenset[MonthDay]
    week_days: frozenset[WeekDay]

    @property
    def every_hour(self) -> bool:
        return len(self.hours) == 24

    def matches_day(self, day: date) -> bool:
        """Whether the day is one of the expression's, its month aside."""
        return any(rule.matches(day) for rule in (self.month_days or self.week_days))


class _Walk(CronSim):
    """cronsim's walk over local times, with our days."""

    def __init__(self, cron: Cron, after: datetime) -> None:
        lists = (cron.seconds, cron.minutes, cron.hours, cron.months)
        second, minute, hour, month = (",".join(map(str, sorted(values))) for values in lists)
        super().__init__(f"{second} {minute} {hour} * {month} *", after)
        self._cron = cron

    def match_day(self, d: date) -> bool:
        return self._cron.matches_day(d)


def next_after(cron: Cron, after: datetime, zone: ZoneInfo) -> datetime | None:
    """The first instant later than `after` at which the expression is due in the zone; None: never again.

    An expression for every hour is due whenever the clock on the wall shows one of its times: twice in an
    hour that is repeated, never in one that is left out. Any other expression is due once for each local
    time: at the first of two, and at the end of the gap when the clock jumps over it.
    """
    after = after.astimezone(UTC).replace(microsecond=0)
    return _each_showing(cron, after, zone) if cron.every_hour else _each_time(cron, after, zone)


def _each_time(cron: Cron, after: datetime, zone: ZoneInfo) -> datetime | None:
    for local in _walk(cron, after.astimezone(zone).replace(tzinfo=None)):
        instant = _end_of_gap(local, zone)
        if instant > after:
            return instant
    return None


def _end_of_gap(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a local time, the first of two; of one that does not exist, the instant of the jump."""
    instant = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local:
        return instant
    return _jump(local.replace(tzinfo=zone, fold=1).astimezone(UTC), instant, zone)


def _each_showing(cron: Cron, after: datetime, zone: ZoneInfo) -> datetime | None:
    """Walk under the present offset, at each change of it under the new one.

    Far from the next time of the walk nothing can be due, whatever the clock does in between; so only the
    hours after the start and those before that time are searched for a change.
    """
    cursor, offset = after, _offset(after, zone)
    while True:
        local = next(_walk(cron, (cursor + offset).replace(tzinfo=None)), None)
        if local is None:
            return None
        instant = local.replace(tzinfo=UTC) - offset
        near = min(instant, cursor + _NEAR)
        if _offset(near, zone) != offset:
            jump = _jump(cursor, near, zone)
            cursor, offset = jump - timedelta(seconds=1), _offset(jump, zone)
        elif instant == near:
            return instant
        else:
            cursor = max(near, instant - _NEAR)
            offset = _offset(cursor, zone)


def _walk(cron: Cron, after: datetime) -> Iterator[datetime]:
    return iter(_Walk(cron, after))


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first second under the offset that the zone has at `after`, which is not the one at `before`."""
    old = _offset(before, zone)
    low, high = 0, round((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(before + timedelta(seconds=middle), zone) == old:
            low = middle
        else:
            high = middle
    return before + timedelta(seconds=high)


@lru_cache(4096)
def parse_cron(text: str) -> Cron:
    """Read an expression.

    Raises:
        CronError: not six fields, a field that is not of the dialect, or not exactly one `?` among the days.

    Source: Quartz's CronTrigger, without its optional year, which the product refuses.
    """
    if len(text) > _MAX_LENGTH:
        raise CronError(f"cron must not be longer than {_MAX_LENGTH} characters")
    parts = text.upper().split()
    if len(parts) != 6:
        raise CronError(
            f"cron needs 6 fields (second minute hour day-of-month month day-of-week), not {len(parts)}"
        )
    if (parts[3] == "?") == (parts[5] == "?"):
        raise CronError("cron needs a '?' as day of month or as day of week, and not as both")
    seconds, minutes, hours, months = (_numbers(parts[i], *_FIELDS[i]) for i in (0, 1, 2, 4))
    month_days = (
        [] if parts[3] == "?" else [rule for part in parts[3].split(",") for rule in _month_days(part)]
    )
    week_days = [] if parts[5] == "?" else [rule for part in parts[5].split(",") for rule in _week_days(part)]
    return Cron(seconds, minutes, hours, months, frozenset(month_days), frozenset(week_days))


def _month_days(part: str) -> Iterator[MonthDay]:
    weekday = part.endswith("W")
    name = part.removesuffix("W")
    if name == "L":
        yield MonthDay(nearest_weekday=weekday)
    elif name.startswith("L-"):
        yield MonthDay(before_last=_number(name[2:], "day of month", 1, 30), nearest_weekday=weekday)
    elif weekday:
        yield MonthDay(_number(name, "day of month", 1, 31), nearest_weekday=True)
    else:
        yield from (MonthDay(day) for day in _numbers(part, *_FIELDS[3]))


def _week_days(part: str) -> Iterator[WeekDay]:
    name, hash_, nth = part.partition("#")
    if part == "L":
        yield WeekDay(6)
    elif hash_:
        yield WeekDay(_number(name, "day of week", 1, 7) - 1, _number(nth, "day of week", 1, 5))
    elif part.endswith("L"):
        yield WeekDay(_number(part[:-1], "day of week", 1, 7) - 1, -1)
    else:
        yield from (WeekDay(day - 1) for day in _numbers(part, "day of week", 1, 7))


def _numbers(text: str, field: str, low: int, high: int) -> frozenset[int]:
    """The values of numbers, names, ranges and steps. A range may pass the end: `22-2` hours, `FRI-MON`."""
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, f"step of {field}", 1, high) if slash else 1
        first, dash, last = span.partition("-")
        if span in ("*", "") and (slash or span):
            start, end = low, high
        elif dash:
            start, end = _number(first, field, low, high), _number(last, field, low, high)
        else:
            start = _number(span, field, low, high)
            end = high if slash else start
        if end < start:
            end += high - low + 1
        found.update((value - low) % (high - low + 1) + low for value in range(start, end + 1, step))
    return frozenset(found)


def _number(text: str, field: str, low: int, high: int) -> int:
    names = _MONTHS if field == "month" else _DAYS if field == "day of week" else ()
    if text in names:
        return names.index(text) + 1
    if not text.isascii() or not text.isdigit() or len(text) > 4 or not low <= int(text) <= high:
        raise CronError(f"cron: {text[:32]!r} is no {field} from {low} to {high}")
    return int(text)
