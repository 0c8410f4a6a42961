"""The periodic tasks: each is one call into a feature."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from zstack_mgmt import db
from zstack_mgmt.auth import throttle
from zstack_mgmt.compute.snapshots import store as snapshots
from zstack_mgmt.compute.vms import reconcile
from zstack_mgmt.console import store as consoles
from zstack_mgmt.core.registry import Services
from zstack_mgmt.engine import store as jobs
from zstack_mgmt.engine import traces
from zstack_mgmt.engine.periodic import Task
from zstack_mgmt.identity.access_keys import store as access_keys
from zstack_mgmt.identity.audit import trail as audit
from zstack_mgmt.identity.sessions import store as sessions
from zstack_mgmt.longjobs import store as long_jobs
from zstack_mgmt.scheduler import due
from zstack_mgmt.webhooks import outbox

log = structlog.get_logger()

_BATCH = 5000
_ROUND_S = 20.0  # what is left then waits for the next round
_KEPT_DAYS = 90  # executions


def periodic_tasks(pool: db.Pool, services: Services) -> dict[str, tuple[Task, float]]:
    """The tasks by their names, each with the seconds from one round to the next."""
    settings = services.settings
    transaction = partial(db.transaction, pool)

    kept_s = float(settings.tombstone_retention_s)

    async def in_batches(do_some: Callable[[db.Connection], Awaitable[int]]) -> None:
        """Go on until a batch is short: more may have come since the last round than one batch takes.

        The connection is given back after each batch, so that nobody waits for it longer than that.
        """
        until, done = time.monotonic() + _ROUND_S, _BATCH
        while done >= _BATCH and time.monotonic() < until:
            async with pool.acquire() as conn:
                done = await do_some(conn)

    async def expire_jobs() -> None:
        """Drop job results past their time or their account's bytes; free jobs whose release was missed."""
        await in_batches(lambda conn: jobs.expire(conn, kept_s, _BATCH))
        await in_batches(lambda conn: jobs.trim(conn, settings.max_account_kept_bytes, _BATCH))
        await in_batches(lambda conn: traces.forget_old(conn, kept_s, _BATCH))

    async def expire_deliveries() -> None:
        """Drop webhook deliveries past their time, with their attempts."""
        await in_batches(lambda conn: outbox.purge(conn, kept_s, _BATCH))

    async def expire_sessions() -> None:
        """Drop expired sessions."""
        await in_batches(lambda conn: sessions.delete_expired(conn, _BATCH))

    async def expire_signatures() -> None:
        """Drop signatures that are too old to be shown again."""
        await in_batches(lambda conn: access_keys.forget_uses(conn, _BATCH))

    async def expire_console_tokens() -> None:
        """Drop console tokens past their time, and agents that are long gone."""
        await in_batches(lambda conn: consoles.forget_old(conn, _BATCH))

    async def expire_trails() -> None:
        """Drop audit lines past their time."""
        await in_batches(lambda conn: audit.delete_old(conn, settings.audit_retention_s, _BATCH))

    async def trim_trails() -> None:
        """Drop the oldest audit lines of accounts that have too many."""
        async with pool.acquire() as conn:
            surplus = await audit.surplus(conn, settings.max_account_audit_lines)
        for account_uuid, lines in surplus.items():
            log.warning(
                "audit lines go before their time", action="audit", account_uuid=account_uuid, lines=lines
            )
            for begun in range(0, lines, _BATCH):
                async with pool.acquire() as conn:
                    await audit.delete_oldest(conn, account_uuid, min(_BATCH, lines - begun))

    async def expire_failures() -> None:
        """Drop counters of failed logins that no longer count."""
        await in_batches(lambda conn: throttle.forget_old(conn, settings, _BATCH))

    async def settle_executions() -> None:
        """Keep the outcomes of the jobs that the scheduler fired."""
        await in_batches(lambda conn: due.settle(conn, _BATCH))

    async def settle_long_jobs() -> None:
        """Keep the outcomes of long jobs."""
        await in_batches(lambda conn: long_jobs.settle(conn, _BATCH))

    async def expire_executions() -> None:
        """Drop executions past their time."""
        await in_batches(lambda conn: due.forget_old(conn, _KEPT_DAYS, _BATCH))

    async def settle_vms() -> None:
        """Settle VMs and snapshots whose jobs are gone, and destroy domains that should not be there."""
        async with transaction() as conn:
            await snapshots.delete_abandoned(conn)
        await reconcile.settle_abandoned(services, transaction)
        await reconcile.destroy_strays(services, transaction)

    async def check_hosts() -> None:
        """Ask the hosts whose turn it is for a sign of life."""
        await reconcile.check_hosts(services, transaction)

    todo: dict[float, tuple[Task, ...]] = {
        2.0: (settle_executions, settle_long_jobs),
        10.0: (
            expire_jobs,
            expire_deliveries,
            expire_sessions,
            expire_signatures,
            expire_console_tokens,
            expire_trails,
            expire_failures,
            settle_vms,
            check_hosts,
        ),
        600.0: (expire_executions, trim_trails),
    }
    return {task.__name__: (task, every_s) for every_s, some in todo.items() for task in some}
