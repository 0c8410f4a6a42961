"""Quartz cron expressions, against a naive evaluator that asks of each second or minute if it matches."""

import calendar
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zstack_mgmt.scheduler.cron import Cron, CronError, next_after, parse_cron

ZONE = ZoneInfo("UTC")
NEW_YORK = ZoneInfo("America/New_York")  # 2026: clocks forward on Mar 8, 2:00, back on Nov 1, 2:00
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # half an hour; 2026: back on Apr 5, 2:00, forward on Oct 4, 2:00
JAN_1 = datetime(2026, 1, 1, tzinfo=UTC)  # a Thursday


def times(text: str, after: datetime = JAN_1, count: int = 3, zone: ZoneInfo = ZONE) -> list[str]:
    found: list[str] = []
    cron = parse_cron(text)
    while len(found) < count:
        due = next_after(cron, after, zone)
        if due is None:
            break
        found.append(due.astimezone(zone).strftime("%m-%d %H:%M:%S"))
        after = due
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0/3 17-23 * * ?", ["01-01 17:00:00", "01-01 17:03:00", "01-01 17:06:00"]),
        ("59 0/2 * * * ?", ["01-01 00:00:59", "01-01 00:02:59", "01-01 00:04:59"]),
        ("*/3 * * * * ?", ["01-01 00:00:03", "01-01 00:00:06", "01-01 00:00:09"]),
        ("0 30 17 ? * *", ["01-01 17:30:00", "01-02 17:30:00", "01-03 17:30:00"]),
        ("0 0 12 L * ?", ["01-31 12:00:00", "02-28 12:00:00", "03-31 12:00:00"]),
        ("0 0 12 L-3 * ?", ["01-28 12:00:00", "02-25 12:00:00", "03-28 12:00:00"]),
        ("0 0 12 LW * ?", ["01-30 12:00:00", "02-27 12:00:00", "03-31 12:00:00"]),
        ("0 0 12 15W * ?", ["01-15 12:00:00", "02-16 12:00:00", "03-16 12:00:00"]),  # Feb 15 is a Sunday
        (
            "0 0 12 1W AUG ?",
            ["08-03 12:00:00", "08-02 12:00:00", "08-01 12:00:00"],
        ),  # Aug 1, 2026: a Saturday
        ("0 0 12 31W MAY ?", ["05-29 12:00:00", "05-31 12:00:00", "05-31 12:00:00"]),  # 2026: a Sunday
        ("0 0 12 ? * 6L", ["01-30 12:00:00", "02-27 12:00:00", "03-27 12:00:00"]),
        ("0 0 12 ? * FRI#3", ["01-16 12:00:00", "02-20 12:00:00", "03-20 12:00:00"]),
        ("0 0 12 ? * 2#5", ["03-30 12:00:00", "06-29 12:00:00", "08-31 12:00:00"]),
        ("0 0 12 ? * L", ["01-03 12:00:00", "01-10 12:00:00", "01-17 12:00:00"]),
        ("0 0 12 ? * 1", ["01-04 12:00:00", "01-11 12:00:00", "01-18 12:00:00"]),
        ("0 0 0 ? JAN-MAR/2 FRI-MON", ["01-02 00:00:00", "01-03 00:00:00", "01-04 00:00:00"]),
        ("0 0 22-2/2 1 * ?", ["01-01 02:00:00", "01-01 22:00:00", "02-01 00:00:00"]),
        ("0 0 0 29 feb ?", ["02-29 00:00:00"] * 3),
        ("0 /20 0 1,15 * ?", ["01-01 00:20:00", "01-01 00:40:00", "01-15 00:00:00"]),
    ],
)
def test_expressions(text: str, expected: list[str]) -> None:
    assert times(text) == expected


@pytest.mark.parametrize("text", ["0 0 0 31 2 ?", "0 0 0 L-30 2 ?"])
def test_what_never_comes_due(text: str) -> None:
    assert next_after(parse_cron(text), JAN_1, ZONE) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * * *",
        "0 0 12 * * ? 2026",
        "0 0 12 * * *",
        "0 0 12 ? * ?",
        "60 0 12 * * ?",
        "0 60 12 * * ?",
        "0 0 24 * * ?",
        "0 0 12 0 * ?",
        "0 0 12 32 * ?",
        "0 0 12 * 13 ?",
        "0 0 12 ? * 0",
        "0 0 12 ? * 8",
        "0 0 12 ? * MON#6",
        "0 0 12 ? * #2",
        "0 0 12 ? * XL",
        "0 0 12 W * ?",
        "0 0 12 1-5W * ?",
        "0 0 12 L-31 * ?",
        "0 0 12 FOO * ?",
        "0/0 0 12 * * ?",
        "0/60 0 12 * * ?",
        "0 0,,1 12 * * ?",
        "0 0 -1 * * ?",
        "0 0 ١ * * ?",
        "0 " + "0," * 200 + "0 12 * * ?",
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(CronError):
        parse_cron(text)


def test_an_hour_that_is_left_out_fires_once_when_the_clock_jumps() -> None:
    start = datetime(2026, 3, 7, 23, tzinfo=NEW_YORK)
    assert times("0 30 2 * * ?", start, 2, NEW_YORK) == ["03-08 03:00:00", "03-09 02:30:00"]
    assert times("0 0/20 2 * * ?", start, 2, NEW_YORK) == ["03-08 03:00:00", "03-09 02:00:00"]
    assert times("0 0/30 * * * ?", datetime(2026, 3, 8, 1, tzinfo=NEW_YORK), 2, NEW_YORK) == [
        "03-08 01:30:00",
        "03-08 03:00:00",
    ]


def test_an_hour_that_is_repeated_fires_once_unless_every_hour_does() -> None:
    start = datetime(2026, 11, 1, 0, tzinfo=NEW_YORK)
    assert times("0 30 1 * * ?", start, 2, NEW_YORK) == ["11-01 01:30:00", "11-02 01:30:00"]
    showings = times("0 30 * * * ?", start, 4, NEW_YORK)
    assert showings == ["11-01 00:30:00", "11-01 01:30:00", "11-01 01:30:00", "11-01 02:30:00"]


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    part = st.one_of(
        number.map(str),
        st.tuples(number, number).map(lambda p: f"{p[0]}-{p[1]}"),
        st.tuples(number, st.integers(1, high)).map(lambda p: f"{p[0]}/{p[1]}"),
        st.integers(1, high).map(lambda step: f"*/{step}"),
    )
    return st.one_of(st.just("*"), st.lists(part, min_size=1, max_size=3).map(",".join))


DAYS_OF_MONTH = st.one_of(
    field(1, 31),
    st.sampled_from(["L", "LW", "1W", "15W", "31W", "L-3", "L-2W", "L,15"]),
    st.integers(1, 31).map("{}W".format),
)
DAYS_OF_WEEK = st.one_of(
    field(1, 7),
    st.sampled_from(["L", "SUN", "MON-FRI", "SAT,WED", "FRI-MON/2"]),
    st.tuples(st.integers(1, 7), st.integers(1, 5)).map(lambda p: f"{p[0]}#{p[1]}"),
    st.integers(1, 7).map("{}L".format),
)
EXPRESSIONS = st.one_of(
    st.tuples(field(0, 59), field(0, 23), DAYS_OF_MONTH, field(1, 12)).map(
        "0 {0[0]} {0[1]} {0[2]} {0[3]} ?".format
    ),
    st.tuples(field(0, 59), field(0, 23), field(1, 12), DAYS_OF_WEEK).map(
        "0 {0[0]} {0[1]} ? {0[2]} {0[3]}".format
    ),
)


def naive_numbers(text: str, low: int, high: int) -> set[int]:
    """One number after the other, going round at the end."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin = low if span == "*" else int(first)
        end = high if span == "*" or (step and not last) else int(last or first)
        value = begin
        while True:
            distance = (value - begin) % (high - low + 1)
            if distance % int(step or 1) == 0:
                found.add(value)
            if value == end:
                break
            value = low if value == high else value + 1
    return found


def naive_month_day(text: str, day: datetime) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    for part in text.split(","):
        if part.endswith("W") or part.startswith("L"):
            name = part.rstrip("W")
            wanted = last - int(name[2:] or 0) if name.startswith("L") else int(name)
            choices = [wanted]
            if part.endswith("W"):  # the nearest weekday of the month, the earlier one first
                choices = [d for gap in (0, -1, 1, -2, 2) if 1 <= (d := wanted + gap) <= last]
                choices = [d for d in choices if day.replace(day=d).weekday() < 5][:1]
            if 1 <= wanted <= last and day.day in choices:
                return True
        elif day.day in naive_numbers(part, 1, 31):
            return True
    return False


def naive_week_day(text: str, day: datetime) -> bool:
    number = (day.weekday() + 1) % 7 + 1
    if text == "L":
        return number == 7
    names = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
    for i, name in enumerate(names, 1):
        text = text.replace(name, str(i))
    if "#" in text:
        wanted, nth = text.split("#")
        same = [d for d in range(1, day.day + 1) if day.replace(day=d).weekday() == day.weekday()]
        return number == int(wanted) and len(same) == int(nth)
    if text.endswith("L"):
        return number == int(text[:-1]) and (day + timedelta(days=7)).month != day.month
    return any(number in naive_numbers(part, 1, 7) for part in text.split(","))


def naive_matches(text: str, local: datetime) -> bool:
    second, minute, hour, month_day, month, week_day = text.split()
    return (
        local.second in naive_numbers(second, 0, 59)
        and local.minute in naive_numbers(minute, 0, 59)
        and local.hour in naive_numbers(hour, 0, 23)
        and local.month in naive_numbers(month, 1, 12)
        and (month_day == "?" or naive_month_day(month_day, local))
        and (week_day == "?" or naive_week_day(week_day, local))
    )


@settings(max_examples=60)
@given(EXPRESSIONS, st.integers(0, 6 * 366 * 24 * 60))
def test_minute_by_minute(text: str, minute: int) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    expected = None
    for minutes in range(1, 3 * 24 * 60):
        if naive_matches(text, start + timedelta(minutes=minutes)):
            expected = start + timedelta(minutes=minutes)
            break
    found = next_after(parse_cron(text), start, ZONE)
    assert found == expected or (expected is None and (found is None or found - start >= timedelta(days=3)))


@settings(max_examples=60)
@given(st.tuples(field(0, 59), field(0, 59)).map("{0[0]} {0[1]} 3 * * ?".format), st.integers(0, 7200))
def test_second_by_second(text: str, offset: int) -> None:
    start = datetime(2026, 5, 5, 2, 30, tzinfo=UTC) + timedelta(seconds=offset)
    found = next_after(parse_cron(text), start, ZONE)
    assert found is not None
    moment = start
    while moment < found:
        moment += timedelta(seconds=1)
        if naive_matches(text, moment):
            break
        if moment - start > timedelta(minutes=10):
            return
    assert moment == found


NEAR_A_CHANGE = st.sampled_from(
    [
        datetime(2026, 3, 7, 22, tzinfo=NEW_YORK),
        datetime(2026, 10, 31, 22, tzinfo=NEW_YORK),
        datetime(2026, 4, 4, 22, tzinfo=LORD_HOWE),
        datetime(2026, 10, 3, 22, tzinfo=LORD_HOWE),
    ]
)


@settings(max_examples=60)
@given(NEAR_A_CHANGE, field(0, 59), st.one_of(st.just("*"), field(0, 23)), st.integers(0, 600))
def test_changes_of_the_clock(evening: datetime, minute: str, hour: str, offset: int) -> None:
    """An every-hour expression fires at each matching showing; another once for each matching local time."""
    zone = evening.tzinfo
    assert isinstance(zone, ZoneInfo)
    text = f"0 {minute} {hour} * * ?"
    hourly = len(parse_cron(text).hours) == 24
    start = evening.astimezone(UTC)
    showings: list[datetime] = []
    seen: set[datetime] = set()
    missed: list[datetime] = []  # local times in the gap
    previous: datetime | None = None
    for minutes in range(26 * 60):
        moment = start + timedelta(minutes=minutes)
        local = moment.astimezone(zone).replace(tzinfo=None)
        if previous is not None and local - previous > timedelta(minutes=1):
            gap = (
                previous + timedelta(minutes=m)
                for m in range(1, int((local - previous).total_seconds()) // 60)
            )
            missed = [time for time in gap if naive_matches(text, time)]
            if missed and not hourly:
                showings.append(moment)
        previous = local
        if naive_matches(text, local) and (local not in seen or hourly):
            showings.append(moment)
        seen.add(local)
    after = start + timedelta(minutes=offset)
    expected = next((moment for moment in sorted(set(showings)) if moment > after), None)
    found = next_after(parse_cron(text), after, zone)
    assert expected is None or found == expected


def test_far_away_changes_do_not_hide_a_time() -> None:
    """The day is months away, two changes of the clock in between; at its start nothing is skipped."""
    cron = parse_cron("0 15 * 1 12 ?")
    start = datetime(2026, 2, 1, tzinfo=UTC)
    found = next_after(cron, start, NEW_YORK)
    assert found == datetime(2026, 12, 1, 0, 15, tzinfo=NEW_YORK)


def test_parsed_expressions_are_values() -> None:
    assert parse_cron("0 0 0 1 1 ?") == parse_cron("0 0 0 1 JAN ?")
    assert isinstance(parse_cron("0 0 0 1 1 ?"), Cron)
