"""When deliveries are tried again, and what a breaker does."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zstack_mgmt.config import Settings
from zstack_mgmt.webhooks.model import Delivery, Exchange
from zstack_mgmt.webhooks.schedule import Breaker, horizon_s, next_step, retry_after_s, retry_delay_s

SCHEDULE = Settings().webhook_schedule_s
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def delivery(attempts: int = 0, *, probe: bool = False, due_in_s: float = 0.0) -> Delivery:
    return Delivery(
        "msg_1", 1, "1" * 32, "a" * 32, "http://r/", "http://r", True, b"{}", attempts, due_in_s, probe
    )


def failed(retry_after: float = 0.0) -> Exchange:
    return Exchange("failed", 0.0, 0.1, "http-status", 500, retry_after_s=retry_after)


def test_the_schedule_is_the_designed_one():
    delays = [retry_delay_s(SCHEDULE, n, 0.5) for n in range(1, 15)]
    assert delays == [2, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 14400, 28800, 28800, None]


@given(st.integers(1, 13), st.floats(0, 1, exclude_max=True), st.floats(0, 10_000))
def test_jitter_stays_within_a_fifth_and_never_lowers_the_receivers_wish(failed_attempts, chance, wish):
    delay = retry_delay_s(SCHEDULE, failed_attempts, chance, wish)
    base = SCHEDULE[failed_attempts - 1]
    assert delay is not None
    assert delay >= min(wish, 3600)
    assert base * 0.8 <= delay <= max(base * 1.2, 3600 if wish else 0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("7", 7),
        (" 7 ", 7),
        ("86400", 3600),
        ("9" * 400, 3600),
        ("-5", 0),
        ("1.5", 0),
        ("٣", 0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0),
        ("Fri, 02 Jan 2026 00:00:00 GMT", 3600),
        ("Thu, 01 Jan 2026 00:00:30", 30),
        ("Thu, 01 Jan 99999999999 00:00:30 GMT", 0),
        ("soon", 0),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(header, seconds):
    assert retry_after_s(header, NOW) == seconds


@pytest.mark.parametrize("outcome", ["delivered", "gone"])
def test_2xx_and_410_end_a_delivery(outcome):
    step = next_step(SCHEDULE, delivery(3), Exchange(outcome, 0, 1), 60, 0.5)
    assert (step.state, step.attempts, step.delay_s) == (outcome, 4, None)


def test_a_failure_uses_up_an_attempt_and_the_last_one_is_final():
    assert next_step(SCHEDULE, delivery(0), failed(), 60, 0.5).delay_s == 2
    last = next_step(SCHEDULE, delivery(13), failed(), 60, 0.5)
    assert (last.state, last.attempts) == ("dead", 14)


def test_a_retry_after_also_holds_back_probes():
    step = next_step(SCHEDULE, delivery(0), failed(120), 60, 0.0)
    assert (step.delay_s, step.not_before_s) == (120, 120)


def test_an_early_probe_uses_up_nothing_but_a_due_one_does():
    early = next_step(SCHEDULE, delivery(6, probe=True, due_in_s=250), failed(), 60, 0.5)
    assert (early.state, early.attempts, early.delay_s) == ("pending", 6, None)
    due = next_step(SCHEDULE, delivery(6, probe=True, due_in_s=-1), failed(), 60, 0.5)
    assert (due.attempts, due.delay_s) == (7, 900)


def test_five_failures_in_a_row_open_the_breaker_and_a_success_closes_it():
    breaker = Breaker()
    assert [breaker.fail(probe=False) for _ in range(5)] == [False] * 4 + [True]
    assert breaker.is_open
    assert not breaker.fail(probe=True)
    assert breaker.succeed()
    assert (breaker.failures, breaker.is_open) == (0, False)
    assert [breaker.fail(probe=False) for _ in range(4)] == [False] * 4
    assert not breaker.succeed()


def test_probes_start_at_the_schedules_pace_and_come_within_the_interval():
    breaker = Breaker()
    for _ in range(5):
        breaker.fail(probe=False)
    paces = []
    for _ in range(7):
        pace, latest = breaker.probe_delays_s(SCHEDULE, 60, 0.999)
        assert 48 <= latest <= 57
        paces.append(round(pace))
        breaker.fail(probe=True)
    assert paces == [2, 5, 15, 30, 57, 57, 57]


def test_the_interval_counts_from_the_start_of_a_hanging_probe():
    breaker = Breaker()
    for _ in range(5):
        breaker.fail(probe=False, took_s=15)
    assert breaker.probe_delays_s(SCHEDULE, 60, 0.0)[1] == 48 - 15


def test_after_two_hours_the_probes_come_each_five_minutes():
    breaker = Breaker(failures=50, probes=40, open_for_s=7201)
    pace, latest = breaker.probe_delays_s(SCHEDULE, 60, 0.0)
    assert pace == latest == 240


def test_a_delivery_waits_behind_a_breaker_for_more_than_the_whole_schedule():
    assert horizon_s(SCHEDULE) > sum(SCHEDULE)
    assert horizon_s((0.1,)) == 86400
