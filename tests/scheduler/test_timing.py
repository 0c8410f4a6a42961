"""Due times of simple triggers, and what is refused: the product's own vectors."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zstack_mgmt.core.errors import InvalidArgument
from zstack_mgmt.scheduler.timing import Timing, check, next_due, parse_start

ZONE = ZoneInfo("UTC")
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MAX_INT = 2**31 - 1


def simple(interval_s: int | None, count: int | None, start: int | None = None) -> Timing:
    begin = NOW if start is None else parse_start(start)
    return Timing("simple", interval_s, count or 0, begin)


@pytest.mark.parametrize(
    ("interval", "count", "start"),
    [
        (MAX_INT, 1000, None),
        (MAX_INT, MAX_INT, 2147454846),
        (None, None, None),
        (None, 2, None),
        (MAX_INT, 1000, 0),
    ],
)
def test_refused(interval: int | None, count: int | None, start: int | None) -> None:
    with pytest.raises(InvalidArgument):
        check(simple(interval, count, start), NOW, ZONE)


@pytest.mark.parametrize(
    ("interval", "count", "start"),
    [(2, None, 2037454847), (None, 1, None), (12222, 22222, None), (2, 2, 0), (2, None, 1)],
)
def test_accepted(interval: int | None, count: int | None, start: int | None) -> None:
    check(simple(interval, count, start), NOW, ZONE)


def test_stop_time() -> None:
    assert simple(2222, 2222).stop == NOW + timedelta(seconds=2221 * 2222)
    assert simple(None, 1).stop == NOW
    assert simple(5, 0).stop is None
    assert simple(5, 3, 0).stop is None


def test_start_is_seconds_or_milliseconds() -> None:
    assert parse_start(1510669257141) == datetime(2017, 11, 14, 14, 20, 57, 141000, tzinfo=UTC)
    assert parse_start(1510669257) == datetime(2017, 11, 14, 14, 20, 57, tzinfo=UTC)
    assert parse_start(2147454847) is not None
    assert parse_start(0) is None
    for late in (2147454848, 2147454847001, 10**11, 10**15):
        with pytest.raises(InvalidArgument):
            parse_start(late)


def test_a_single_run_in_the_past_is_refused() -> None:
    past = int(NOW.timestamp()) - 60
    with pytest.raises(InvalidArgument, match="past"):
        check(simple(None, 1, past), NOW, ZONE)
    check(simple(None, 1, past + 55), NOW, ZONE)
    check(simple(120, None, past), NOW, ZONE)
    check(simple(3600, 100, 1510669257141), NOW, ZONE)  # the manual's sample


@pytest.mark.parametrize(
    "timing",
    [
        Timing("simple", 5, 0, NOW, cron="0 0 0 * * ?"),
        Timing("cron"),
        Timing("cron", interval_s=5, cron="0 0 0 * * ?"),
        Timing("cron", repeat_count=5, cron="0 0 0 * * ?"),
        Timing("cron", start=NOW, cron="0 0 0 * * ?"),
        Timing("cron", cron="0 0 0 * * *"),
        Timing("cron", cron="0 0 0 30 2 ?"),
    ],
)
def test_types_do_not_mix(timing: Timing) -> None:
    with pytest.raises(InvalidArgument):
        check(timing, NOW, ZONE)


@given(
    st.integers(1, 10_000_000),
    st.integers(0, 50),
    st.integers(-600_000_000, 600_000_000),
)
def test_the_grid(interval_s: int, count: int, seconds: int) -> None:
    timing = simple(interval_s, count)
    after = NOW + timedelta(seconds=seconds / 10)
    grid = [NOW + timedelta(seconds=interval_s * n) for n in range(min(count or 70, 70))]
    expected = next((moment for moment in grid if moment > after), None)
    found = next_due(timing, NOW, after, ZONE)
    if count or expected is not None:
        assert found == expected
    else:
        assert found is not None
        assert after < found <= after + timedelta(seconds=interval_s)
        assert (found - NOW) % timedelta(seconds=interval_s) == timedelta()


def test_a_single_run_is_due_once() -> None:
    assert next_due(simple(None, 1), NOW, NOW - timedelta(seconds=1), ZONE) == NOW
    assert next_due(simple(None, 1), NOW, NOW, ZONE) is None
    assert next_due(simple(7, 1), NOW, NOW, ZONE) is None
