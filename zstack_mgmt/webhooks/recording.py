"""Writes down what came of a batch of attempts: deliveries, attempt log and breakers, in one transaction."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from zstack_mgmt.config import Settings
from zstack_mgmt.db import Connection
from zstack_mgmt.webhooks import outbox
from zstack_mgmt.webhooks.outbox import BreakerChange, Record
from zstack_mgmt.webhooks.schedule import Breaker, horizon_s

log = structlog.get_logger()

Lane = tuple[str, str]  # receiver and account


@dataclass(frozen=True, slots=True)
class LaneChange:
    """A lane whose breaker is to be stored; `has_closed` when it was open until now."""

    breaker: Breaker
    has_closed: bool


async def write(
    conn: Connection,
    settings: Settings,
    owner: str,
    records: Sequence[Record],
    changes: Mapping[Lane, LaneChange],
    release: Sequence[str],
    now: float,
) -> float | None:
    """Write it all, or raise and leave everything as it was.

    Of an owner whose lease has ended only what came of its attempts counts: its lanes are another's now.

    Returns: the seconds until the first of the deliveries and lanes concerned is due again.
    """
    delays = [r.step.delay_s for r in records if r.step.delay_s is not None]
    if not changes:
        await outbox.record(conn, owner, records, release, now)
        return min(delays, default=None)
    failing = [_stored(lane, c.breaker, settings) for lane, c in changes.items() if c.breaker.failures]
    healthy = [lane for lane, change in changes.items() if not change.breaker.failures]
    async with conn.transaction():
        alive = await outbox.is_alive(conn, owner)
        await outbox.record(conn, owner, records, release, now)
        if not alive:
            return min(delays, default=None)
        await outbox.drop_breakers(conn, [name for name, _ in healthy], [account for _, account in healthy])
        await outbox.save_breakers(conn, failing)
        for lane in healthy:
            if changes[lane].has_closed:
                await outbox.drain(conn, *lane)
        for change in failing:
            if change.probe_s is not None:
                delays.append(change.probe_s)
                await _give_up(conn, settings, change)
    return min(delays, default=None)


def _stored(lane: Lane, breaker: Breaker, settings: Settings) -> BreakerChange:
    probe_s = latest_s = None
    if breaker.is_open:
        chance = random.random()  # noqa: S311 - jitter
        probe_s, latest_s = breaker.probe_delays_s(
            settings.webhook_schedule_s, settings.webhook_probe_s, chance
        )
    return BreakerChange(*lane, breaker.failures, breaker.probes, probe_s, latest_s)


async def _give_up(conn: Connection, settings: Settings, change: BreakerChange) -> None:
    horizon = horizon_s(settings.webhook_schedule_s)
    count = await outbox.give_up(conn, change.receiver, change.account_uuid, horizon)
    if count:
        log.warning(
            "webhooks given up", receiver=change.receiver, account_uuid=change.account_uuid, count=count
        )
