"""What outside jobs of one account share: looks, transactions and flushes, as short jobs share theirs.

What is asked while one of them is under way forms the next, so a single job waits for nobody. Jobs share only
what locks nothing that others wait for in another order: each its own row, in the order of their uuids.
"""

from __future__ import annotations

from asyncio import Semaphore
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from zstack_mgmt import db
from zstack_mgmt.auth.standing import Login, SessionCaller, callers_now, shared_with
from zstack_mgmt.db import Connection
from zstack_mgmt.engine import store
from zstack_mgmt.engine.model import ClaimedJob, Outcome
from zstack_mgmt.together import Together

P = TypeVar("P")
R = TypeVar("R")
_MOST = 32
Results = Mapping[P, Any]  # values, and the exceptions of those that failed


class JobLost(Exception):
    """The job is no longer held under this epoch, or its cancellation was asked for; the work must stop."""


@dataclass(frozen=True, eq=False, slots=True)
class _Part:
    """What one job does in a transaction, which may be undone and done again."""

    job: ClaimedJob
    row: str
    act: Callable[[Connection], Awaitable[Any]]


@dataclass(frozen=True, eq=False, slots=True)
class _End:
    job: ClaimedJob
    outcome: Outcome


class Shares:
    """The shared work of one process.

    Args:
        database: whose turn it is among outside jobs.
    """

    def __init__(self, pool: db.Pool, database: Semaphore, retention_s: float) -> None:
        self._pool = pool
        self._database = database
        self._retention_s = retention_s
        self._callers = Together[Login, SessionCaller](self._look_for_callers, _MOST)
        self._shared = Together[tuple[str, str], bool](self._look_for_shares, 8 * _MOST)
        self._flushes = Together[None, None](self._flush, _MOST)
        self._parts = Together[_Part, Any](self._run, _MOST)
        self._ends = Together[_End, Any](self._end, _MOST)

    async def caller(self, job: ClaimedJob) -> SessionCaller | None:
        """Who has submitted the job, with the rights of now; None: it may not act any more."""
        login = (job.account_uuid, job.user_uuid)
        return (await self._callers.find(job.account_uuid, {login})).get(login)

    async def only_shared(self, account_uuid: str, uuids: Collection[str]) -> str | None:
        """One of the resources, if any, that the account may use and not change."""
        keys = {(account_uuid, uuid) for uuid in uuids}
        found = await self._shared.find(account_uuid, keys)
        return next((uuid for account, uuid in keys if found.get((account, uuid))), None)

    async def flush(self, account_uuid: str) -> None:
        """What was committed before the call is on disk after it."""
        await self._flushes.find(account_uuid, {None})

    async def run(self, job: ClaimedJob, row: str, act: Callable[[Connection], Awaitable[R]]) -> R:
        """Do this in a transaction that commits, unflushed, only while the job is held; raises JobLost.

        Args:
            row: all that is locked besides rows of the job's own.
        """
        part = _Part(job, row, act)
        return _value(await self._parts.find(job.account_uuid, {part}), part)

    async def finish(self, job: ClaimedJob, outcome: Outcome) -> bool:
        """End the job; True when a webhook is now due. Raises PostgresError ZS001 if it was lost."""
        end = _End(job, outcome)
        return _value(await self._ends.find(job.account_uuid, {end}), end)

    async def _look_for_callers(self, logins: Collection[Login]) -> Mapping[Login, SessionCaller]:
        async with self._database, self._pool.acquire() as conn:
            return await callers_now(conn, logins)

    async def _look_for_shares(self, keys: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], bool]:
        (account_uuid,) = {account for account, _ in keys}  # a lane is an account
        async with self._database, self._pool.acquire() as conn:
            found = await shared_with(conn, account_uuid, [uuid for _, uuid in keys])
        return {(account_uuid, uuid): True for uuid in found}

    async def _flush(self, _: Collection[None]) -> Mapping[None, None]:
        async with self._database, self._pool.acquire() as conn:
            await store.flush(conn)
        return {}

    async def _run(self, parts: Collection[_Part]) -> Results[_Part]:
        return await _each_alone_after_failure(sorted(parts, key=lambda part: part.row), self._in_one)

    async def _in_one(self, parts: Sequence[_Part]) -> Results[_Part]:
        async with self._database, db.transaction(self._pool) as conn:
            held = await store.hold(conn, [part.job for part in parts], flush=False)
            return {
                part: await part.act(conn) if part.job.key in held else JobLost(part.job.uuid)
                for part in parts
            }

    async def _end(self, ends: Collection[_End]) -> Results[_End]:
        return await _each_alone_after_failure(list(ends), self._end_in_one)

    async def _end_in_one(self, ends: Sequence[_End]) -> Results[_End]:
        async with self._pool.acquire() as conn:
            jobs, outcomes = [end.job for end in ends], [end.outcome for end in ends]
            hooked = await store.finish(conn, jobs, outcomes, self._retention_s)
        return dict.fromkeys(ends, hooked)


async def _each_alone_after_failure(
    parts: Sequence[P], act: Callable[[Sequence[P]], Awaitable[Results[P]]]
) -> Results[P]:
    """What comes of the parts in one go or, when one of them fails, of each by itself."""
    if len(parts) > 1:
        try:
            return await act(parts)
        except db.UNAVAILABLE:
            raise
        except Exception:  # noqa: BLE001 (it comes again for the one that it belongs to)
            return {part: (await _each_alone_after_failure([part], act))[part] for part in parts}
    try:
        return await act(parts)
    except Exception as error:  # noqa: BLE001 (it is raised where the part came from)
        return {parts[0]: error}


def _value(results: Results[P], part: P) -> Any:
    value = results[part]
    if isinstance(value, Exception):
        raise value
    return value
