"""What takes rights away is in force with its 202: it runs in the transaction that accepts it.

No worker has to be there for that. Only when an earlier job of somebody else on the same resource has not
ended does it wait in the queue; the sessions of whom it names end all the same.
"""

from __future__ import annotations

import time

import asyncpg
import structlog

from zstack_mgmt import db
from zstack_mgmt.core.errors import TooBusy
from zstack_mgmt.engine import store
from zstack_mgmt.engine.accept import AWAY, UNCLEAR, refusal
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.execute import Executor, accounts_of
from zstack_mgmt.engine.model import ClaimedJob, Outcome, Submission
from zstack_mgmt.turns import Turns

log = structlog.get_logger()

_PLACES, _MOST = 4, 2  # of one process's connections, and of these for one account
_TRIES = 3
Ended = tuple[ClaimedJob, Outcome, bool]
"""A job, how it ended, and whether a webhook is now due."""


class AtOnce:
    """Accepts revocations. One per process."""

    def __init__(self, pool: db.Pool, executor: Executor, bell: Bell) -> None:
        self._pool = pool
        self._executor = executor
        self._bell = bell
        self._turns = Turns(_PLACES, _MOST)

    async def submit(self, submission: Submission) -> bool:
        """Store the job and end it, or find that the same call stored it before; False: it may have ended.

        Raises what `refusal` says, and TooBusy when the database is away or others change the same rows; its
        text says whether the job may have been stored.
        """
        await self._turns.take(submission.account_uuid)
        try:
            tries = 1
            while not await self._is_stored(submission, last=tries == _TRIES):
                tries += 1
        except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
            if isinstance(error, db.UNAVAILABLE):
                self._pool.absence.lost(error)
            else:
                log.warning("a revocation is not stored", action="accept", error=repr(error))
            raise TooBusy(AWAY if isinstance(error, (*db.FULL, *db.CONFLICTS)) else UNCLEAR) from error
        finally:
            self._turns.give(submission.account_uuid)
        self._bell.ring("jobs")
        return False

    async def _is_stored(self, submission: Submission, *, last: bool) -> bool:
        """Try once; False when it lost against others and is not the last try."""
        try:
            await self._store(submission)
        except db.CONFLICTS:
            if last:
                raise
            return False
        return True

    async def _store(self, submission: Submission) -> None:
        started = time.perf_counter()
        async with self._bell.changing_rights(accounts_of([submission])):
            ended = await self._stored(submission)
        if ended is not None:
            job, outcome, hooked = ended
            self._executor.report([job], [outcome], time.perf_counter() - started, hooked=hooked)

    async def _stored(self, submission: Submission) -> Ended | None:
        """What has ended with its acceptance; None when the call was stored before, or has to wait."""
        async with db.transaction(self._pool) as conn:
            for _, account_uuid, fingerprint in await store.accept(conn, [submission]):
                error = refusal(submission, account_uuid, fingerprint)
                if error is not None:
                    raise error
                return None
            job = await store.begin(conn, submission.uuid)
            if job is None:
                await store.end_sessions(conn, submission.uuid)
                return None
            return job, *await self._executor.run_within(conn, job)
