"""When a delivery is tried again, and when a failing receiver is left alone. No clock, no database.

A failed attempt is repeated after the schedule's next delay, ±20 %. After the last one the delivery is dead.

Five failures in a row open the breaker of a lane, which is one account at one receiver. While it is open
its deliveries wait and use up no attempts, but for one probe at a time. A probe comes once a
delivery's own time has come, no sooner than the schedule's pace since the opening (2 s, 5 s, ...), and at the
latest after the probe interval. So the first retries of a lone delivery keep their times, and a receiver that
returns is noticed within a minute. The probe takes the delivery that has been due longest. A probe ahead of
that delivery's own time uses up no attempt. The first success closes the breaker, and makes due whatever
waits behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Literal

from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.webhooks.model import Delivery, Exchange

JITTER = 0.2
RETRY_AFTER_MAX_S: Annotated[
    float, Doc("seconds of a receiver's Retry-After that are heeded; a longer one means this"), Bound()
] = 3600.0
OPEN_AFTER = 5  # failures in a row
SLOW_AFTER_S = 2 * 3600.0  # an open breaker of this age probes less often
SLOW_FACTOR = 5.0
# Probes come a little early, so that polls and connect times do not take them past the promised interval.
_PROBE_SPREAD = (0.8, 0.95)
WAIT_AT_MOST_S = 86400.0  # how long a delivery may be overdue behind an open breaker; see `horizon_s`


def retry_delay_s(
    schedule: Sequence[float], failed: int, chance: float, retry_after_s: float = 0.0
) -> float | None:
    """The delay after the failure number `failed` (1 for the first), or None when the schedule is used up.

    Args: chance: uniform in [0, 1); retry_after_s: the receiver's wish, a floor that jitter cannot lower.

    >>> [retry_delay_s((2, 5), n, 0.5) for n in (1, 2, 3)]
    [2.0, 5.0, None]
    >>> retry_delay_s((2, 5), 1, 0.0, retry_after_s=30)
    30.0
    """
    if failed > len(schedule):
        return None
    jittered = schedule[failed - 1] * (1 - JITTER + 2 * JITTER * chance)
    return max(jittered, min(float(retry_after_s), RETRY_AFTER_MAX_S))


def retry_after_s(header: str | None, now: datetime) -> float:
    """The seconds that a Retry-After header asks for, at most 3600; 0 when it is missing or unreadable.

    >>> retry_after_s("120", datetime(2026, 1, 1, tzinfo=UTC))
    120.0
    >>> retry_after_s("Thu, 01 Jan 2026 00:00:30 GMT", datetime(2026, 1, 1, tzinfo=UTC))
    30.0
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), RETRY_AFTER_MAX_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)


def horizon_s(schedule: Sequence[float]) -> float:
    """How long a delivery may wait behind an open breaker past its own time, before it is given up."""
    return max(WAIT_AT_MOST_S, sum(schedule) * (1 + JITTER))


@dataclass(frozen=True, slots=True)
class Step:
    """How a delivery goes on after an attempt. `delay_s` None: its own time stays."""

    state: Literal["pending", "delivered", "gone", "dead"]
    attempts: int
    delay_s: float | None = None
    not_before_s: float | None = None


def next_step(
    schedule: Sequence[float],
    delivery: Delivery,
    exchange: Exchange,
    probe_s: float,
    chance: float,
) -> Step:
    """What an attempt means for its delivery.

    A probe that came far ahead of the delivery's own time uses up no attempt.
    """
    if exchange.outcome in ("delivered", "gone"):
        return Step("delivered" if exchange.outcome == "delivered" else "gone", delivery.attempts + 1)
    wish = exchange.retry_after_s
    if delivery.probe and delivery.due_in_s > probe_s / 2:
        later = wish if wish > delivery.due_in_s else None
        return Step("pending", delivery.attempts, later, wish or None)
    failed = delivery.attempts + 1
    delay = retry_delay_s(schedule, failed, chance, wish)
    return Step("dead", failed) if delay is None else Step("pending", failed, delay, wish or None)


@dataclass(slots=True)
class Breaker:
    """The failures in a row of one lane, as its one owner sees them."""

    failures: int = 0
    probes: int = 0  # failed ones since it opened
    open_for_s: float | None = None  # None: closed
    took_s: float = 0.0  # the last failure's exchange

    @property
    def is_open(self) -> bool:
        return self.open_for_s is not None

    def succeed(self) -> bool:
        """Count a success; whether it was open until now."""
        was_open = self.is_open
        self.failures, self.probes, self.open_for_s = 0, 0, None
        return was_open

    def fail(self, *, probe: bool, took_s: float = 0.0) -> bool:
        """Count a failure; whether it opened just now. An open one learns from probes only."""
        self.failures += 1
        self.took_s = took_s
        if self.open_for_s is not None:
            self.probes += probe
            return False
        if self.failures >= OPEN_AFTER:
            self.open_for_s = 0.0
        return self.is_open

    def probe_delays_s(self, schedule: Sequence[float], probe_s: float, chance: float) -> tuple[float, float]:
        """When the next probe may come if a delivery's own time has come, and when it comes anyway."""
        slow = self.open_for_s is not None and self.open_for_s >= SLOW_AFTER_S
        low, high = _PROBE_SPREAD
        latest = probe_s * (SLOW_FACTOR if slow else 1.0) * (low + (high - low) * chance)
        latest = max(latest - self.took_s, latest / 2)  # counted from the start of the last one
        pace = schedule[min(self.probes, len(schedule) - 1)] if schedule else latest
        return min(pace, latest), latest
