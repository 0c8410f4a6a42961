"""What a webhook worker pulls: deliveries."""

from __future__ import annotations

from zstack_mgmt import db
from zstack_mgmt.core.registry import Services
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.lease import Lease
from zstack_mgmt.engine.puller import Kind
from zstack_mgmt.engine.sweep import Sweep
from zstack_mgmt.metrics import WEBHOOK_ATTEMPTS
from zstack_mgmt.webhooks.deliveries import Deliveries


def kinds(pool: db.Pool, services: Services, lease: Lease, bell: Bell) -> list[Kind]:
    """The kinds of work, each for a puller of its own."""
    settings = services.settings

    def count(outcome: str) -> None:
        WEBHOOK_ATTEMPTS.labels(outcome).inc()

    deliveries = Deliveries(pool, settings, services.sealer, lease, count)
    return [deliveries, deliveries.recording, Sweep(pool, settings, bell)]
