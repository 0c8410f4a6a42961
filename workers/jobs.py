"""What a jobs worker pulls: API jobs, due triggers, periodic work, and what dead workers held."""

from __future__ import annotations

from functools import partial

from zstack_mgmt import db
from zstack_mgmt.core.registry import APIS, Services
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.execute import Executor
from zstack_mgmt.engine.jobs import Jobs
from zstack_mgmt.engine.lease import Lease
from zstack_mgmt.engine.periodic import Periodic
from zstack_mgmt.engine.puller import Puller
from zstack_mgmt.engine.sweep import sweep
from zstack_mgmt.scheduler.firing import DueTriggers

from .periodic import periodic_tasks


def pullers(pool: db.Pool, services: Services, lease: Lease, bell: Bell) -> list[Puller]:
    """One puller for each kind of work."""
    settings = services.settings
    due = Puller("due-triggers", lease, DueTriggers(pool, services, bell).pull)
    scheduling = {api.name for api in APIS.values() if api.feature == "scheduler"}
    submitting = {api.name for api in APIS.values() if api.feature == "longjobs"}

    def look_again(ended: set[str]) -> None:
        if not ended.isdisjoint(scheduling):
            due.wake()  # something may be due sooner than was known
        if not ended.isdisjoint(submitting):
            running.wake()  # a job may have made another

    jobs = Jobs(pool, settings, Executor(pool, settings, services, bell), bell, lease, look_again)
    running = Puller("jobs", lease, jobs.pull, jobs.drop, jobs.drain)
    jobs.wake = running.wake
    periodic = Periodic(pool, periodic_tasks(pool, services))
    return [
        running,
        due,
        Puller("periodic", lease, periodic.pull, drain=periodic.drain),
        Puller("sweep", lease, partial(sweep, pool, settings, bell)),
    ]
