"""What a jobs worker pulls: API jobs, due triggers and periodic work."""

from __future__ import annotations

from workers.periodic import periodic_tasks
from zstack_mgmt import db
from zstack_mgmt.core.registry import APIS, Services
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.execute import Executor
from zstack_mgmt.engine.jobs import Jobs
from zstack_mgmt.engine.lease import Lease
from zstack_mgmt.engine.periodic import Periodic
from zstack_mgmt.engine.puller import Kind
from zstack_mgmt.engine.sweep import Sweep
from zstack_mgmt.scheduler.firing import DueTriggers


def kinds(pool: db.Pool, services: Services, lease: Lease, bell: Bell) -> list[Kind]:
    """The kinds of work, each for a puller of its own."""
    settings = services.settings
    triggers = DueTriggers(pool, services, bell)
    scheduling = {api.name for api in APIS.values() if api.feature == "scheduler"}

    def look_for_due(ended: set[str]) -> None:
        if not ended.isdisjoint(scheduling):
            triggers.wake()  # something may be due sooner than was known

    jobs = Jobs(pool, settings, Executor(pool, settings, services, bell), lease, look_for_due)
    return [jobs, triggers, Periodic(pool, periodic_tasks(pool, services)), Sweep(pool, settings, bell)]
