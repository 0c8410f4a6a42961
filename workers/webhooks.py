"""What a webhook worker pulls: deliveries, what came of them, and what dead workers held."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from zstack_mgmt import db
from zstack_mgmt.core.registry import Services
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.lease import Lease
from zstack_mgmt.engine.puller import Puller
from zstack_mgmt.engine.sweep import sweep
from zstack_mgmt.metrics import WEBHOOK_ATTEMPTS
from zstack_mgmt.webhooks.deliveries import Deliveries


def count_attempt(outcome: str) -> None:
    """Count an attempt in the metrics."""
    WEBHOOK_ATTEMPTS.labels(outcome).inc()


def pullers(
    pool: db.Pool, services: Services, lease: Lease, bell: Bell, count: Callable[[str], None] = count_attempt
) -> list[Puller]:
    """One puller for each kind of work."""
    settings = services.settings
    deliveries = Deliveries(pool, settings, services.sealer, lease, count)
    sending = Puller("deliveries", lease, deliveries.pull, deliveries.drop, deliveries.drain)
    recording = Puller("recording", lease, deliveries.record)
    deliveries.wake, deliveries.wake_recording = sending.wake, recording.wake
    return [sending, recording, Puller("sweep", lease, partial(sweep, pool, settings, bell))]
