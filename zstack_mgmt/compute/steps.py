"""Every action on a hypervisor: intent in one transaction, the hypervisor, the outcome in another.

The job's uuid in the row tells a second run of the same job what the first one did: it goes on at the
hypervisor, whose calls are idempotent, or finds that nothing is left to do. Whatever a transaction writes for
a job that is no longer held is undone, so a worker that was frozen and wakes up changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from zstack_mgmt.compute.placement.sites import Site
from zstack_mgmt.core.errors import ApiError
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import Driver, DriverError, Host

P = TypeVar("P")
R = TypeVar("R")


class Work(Protocol):
    """What a step needs of its job, or of the periodic task that it belongs to."""

    @property
    def token(self) -> str:
        """Names the work to hypervisors."""
        ...

    def begin(self, intend: Callable[[Connection], Awaitable[R]]) -> Awaitable[R]:
        """Do this in a transaction that commits only while the work is still ours; it is then on disk."""
        ...

    def end(self, conclude: Callable[[Connection], Awaitable[R]], row: str | None = None) -> Awaitable[R]:
        """Do this in such a transaction, which is flushed later.

        Args:
            row: all that it locks besides rows of its own; it may then share the transaction.
        """
        ...

    def at(self, host_uuid: str) -> AbstractAsyncContextManager[None]:
        """A turn at a host."""
        ...


@dataclass(frozen=True, slots=True)
class Plan(Generic[P]):
    """What is to be done, and where; without a site there is no hypervisor that needs to know."""

    site: Site | None
    subject: P


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """Nothing is to be done at a hypervisor: the step ends with the first transaction, with this value."""

    value: R


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it: the value of the calls, or why they failed and what was found out after that."""

    value: Any = None
    failure: DriverError | None = None


@dataclass(frozen=True, slots=True)
class Evicted:
    """The VM has lost its place on the host meanwhile: what runs there is destroyed, and the error raised."""

    vm_uuid: str
    error: ApiError


async def run_step(
    work: Work,
    intend: Callable[[Connection], Awaitable[Plan[P] | Done[R]]],
    act: Callable[[Driver, Host, P], Awaitable[Any]],
    conclude: Callable[[Connection, P, Report], Awaitable[R | ApiError | Evicted]],
    *,
    after_failure: Callable[[Site, P], Awaitable[Any]] | None = None,
    row: str | None = None,
) -> R:
    """Run one action on a hypervisor to its end, and return what `conclude` makes of it.

    Args:
        intend: checks, and writes what is going to happen; what it raises leaves everything as it was.
        act: the calls on the hypervisor, outside any transaction.
        conclude: writes what came of it. An error that it returns is raised once that is committed.
        after_failure: what to ask or tell the hypervisor when the calls have failed, for the report.
        row: all that `conclude` locks when they have not, besides rows of its own.
    """
    plan = await work.begin(intend)
    if isinstance(plan, Done):
        return plan.value
    report = Report()
    if plan.site is not None:
        async with work.at(plan.site.host.uuid):
            report = await _attempt(plan.site, plan.subject, act, after_failure)
    subject = plan.subject
    result = await work.end(
        lambda conn: conclude(conn, subject, report), None if report.failure is not None else row
    )
    if isinstance(result, Evicted):
        if plan.site is not None:
            await plan.site.forget(result.vm_uuid, work.token)
        raise result.error
    if isinstance(result, ApiError):
        raise result
    return result


async def _attempt(
    site: Site,
    subject: P,
    act: Callable[[Driver, Host, P], Awaitable[Any]],
    after_failure: Callable[[Site, P], Awaitable[Any]] | None,
) -> Report:
    try:
        return Report(await site.call(lambda driver, host: act(driver, host, subject)))
    except DriverError as failure:
        return Report(None if after_failure is None else await after_failure(site, subject), failure)
