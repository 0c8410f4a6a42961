"""The connections of a process to PostgreSQL, lent to accounts in turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, LiteralString, Protocol, Self

import asyncpg

from zstack_mgmt import absence
from zstack_mgmt.core.errors import ApiError
from zstack_mgmt.turns import Turns

if TYPE_CHECKING:
    from asyncpg import Record
    from asyncpg.cursor import CursorFactory
    from asyncpg.transaction import Transaction

    RawConnection = asyncpg.Connection[Any]
else:  # at run time the class takes no parameters
    RawConnection = asyncpg.Connection


class Connection(Protocol):
    """A connection to PostgreSQL, lent to the caller.

    A statement is a literal, so that no text from outside becomes part of one; only `query.compile` writes
    statements at run time.
    """

    async def execute(self, query: LiteralString, *args: Any) -> str: ...

    async def executemany(self, command: LiteralString, args: Iterable[Sequence[Any]]) -> None: ...

    async def fetch(self, query: LiteralString, *args: Any) -> list[Record]: ...

    async def fetchrow(self, query: LiteralString, *args: Any) -> Record | None: ...

    async def fetchval(self, query: LiteralString, *args: Any) -> Any: ...

    def cursor(self, query: LiteralString, *args: Any) -> CursorFactory[Record]: ...

    def transaction(
        self, *, isolation: Literal["repeatable_read"] | None = None, readonly: bool = False
    ) -> Transaction: ...


BORROWER: ContextVar[str] = ContextVar("borrower", default="")
"""For whom this task asks for connections: an account, an address; empty: the service itself."""

_MAX_IDLE_S = 300.0  # then a connection is closed
_MAX_LOANS = 50_000  # of one connection: its server process remembers what it has seen
_SETTLING_S = 10.0  # that an interrupted statement may take to end


class DatabaseLost(Exception):
    """A connection could not be made, broke, or did not answer in time."""


@contextmanager
def losses() -> Generator[None]:
    """Around what talks to the database and to nothing else: its losses become DatabaseLost.

    The client says them with OSError, TimeoutError and errors of its own, which others use as well.
    """
    try:
        yield
    except _LOSSES as error:
        raise _as_loss(error) from error


def _as_loss(error: BaseException) -> BaseException:
    """The loss that one of _LOSSES says. A ValueError is about a value that a statement cannot take."""
    if isinstance(error, ValueError):
        raise error
    return DatabaseLost(type(error).__name__)


# OSError is for connections that are being made.
_LOST_INSIDE = (TimeoutError, asyncpg.exceptions.InterfaceError, asyncpg.exceptions.InternalClientError)
_LOSSES = (OSError, *_LOST_INSIDE)
_HARMLESS = (ApiError, asyncpg.PostgresError)  # after them nothing is under way on the connection


class _Held:
    """A connection of the pool."""

    __slots__ = ("conn", "idle_since", "loans")

    def __init__(self, conn: RawConnection) -> None:
        self.conn = conn
        self.loans = 0
        self.idle_since = 0.0


class Pool:
    """Connections, lent to accounts in turn, and to each in the order of asking.

    One account has at most a third of them, so that another finds one at once. The one that came back
    last is lent first. asyncpg's own pool lets who asks just now overtake those who wait, and makes a task of
    each return, which takes as long as a short statement.

    Args:
        connect: makes a connection.
        size: connections that are open at the same time, at most.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[RawConnection]], size: int, lost: absence.Absence
    ) -> None:
        self.absence = lost
        self._connect = connect
        self._size = size
        self._turns = Turns(size, max(1, size // 3))
        self._open: set[_Held] = set()
        self._idle: list[_Held] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._closing = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def size(self) -> int:
        """Connections that are open."""
        return len(self._open)

    @property
    def idle(self) -> int:
        """Those of them that nobody has."""
        return len(self._idle)

    def acquire(self) -> _Loan:
        """A context in which a connection is the caller's. Its losses become DatabaseLost."""
        return _Loan(self, BORROWER.get())

    async def execute(self, query: LiteralString, *args: Any) -> str:
        async with self.acquire() as conn:
            return await conn.execute(query, *args)

    async def fetch(self, query: LiteralString, *args: Any) -> list[Record]:
        async with self.acquire() as conn:
            return await conn.fetch(query, *args)

    async def fetchrow(self, query: LiteralString, *args: Any) -> Record | None:
        async with self.acquire() as conn:
            return await conn.fetchrow(query, *args)

    async def fetchval(self, query: LiteralString, *args: Any) -> Any:
        async with self.acquire() as conn:
            return await conn.fetchval(query, *args)

    async def close(self) -> None:
        """Lend no more, wait until everything is back, and close it."""
        if self._closing:
            return
        self._closing = True
        taken = 0
        try:
            while taken < self._size:
                await self._turns.take()
                taken += 1
        finally:
            for _ in range(taken):  # who waits still gets its refusal
                self._turns.give()
        self._close(self._idle)
        await asyncio.gather(*self._ending)
        self._stop_sweeping()

    def terminate(self) -> None:
        """Cut all connections off at once, whoever has them."""
        self._closing = True
        for held in tuple(self._open):
            held.conn.terminate()
        self._open.clear()
        self._idle.clear()
        self._stop_sweeping()

    async def lend(self, borrower: str) -> _Held:
        """A connection, when it is the borrower's turn; to be given back. Raises DatabaseLost."""
        await self._turns.take(borrower)
        try:
            held = self._latest() or await self._new()
        except _LOSSES as error:
            self._turns.give(borrower)
            raise _as_loss(error) from error
        except BaseException:
            self._turns.give(borrower)
            raise
        held.loans += 1
        return held

    async def give_back(self, held: _Held, borrower: str, error: BaseException | None) -> None:
        """End a loan, in which the error was raised; what was interrupted by that has ended then."""
        if error is None or isinstance(error, _HARMLESS) or held.conn.is_closed():
            self._keep(held)
            self._turns.give(borrower)
        else:
            await asyncio.shield(self._in_background(self._settle(held, borrower)))

    def _latest(self) -> _Held | None:
        if self._closing:
            raise asyncpg.InterfaceError("the pool is closing")
        while self._idle:
            held = self._idle.pop()
            if not held.conn.is_closed():
                return held
            self._open.discard(held)
        return None

    async def _new(self) -> _Held:
        held = _Held(await self._connect())
        self._open.add(held)
        return held

    def _keep(self, held: _Held) -> None:
        """Have it lie ready for the next, unless it is no longer fit to be lent."""
        conn = held.conn
        if conn.is_closed() or conn.is_in_transaction() or self._closing or held.loans >= _MAX_LOANS:
            self._close([held])
            return
        held.idle_since = time.monotonic()
        self._idle.append(held)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(_MAX_IDLE_S, self._close_idle)

    async def _settle(self, held: _Held, borrower: str) -> None:
        """Keep it once what was interrupted has ended; asyncpg lets the next statement wait for that."""
        try:
            async with asyncio.timeout(_SETTLING_S):
                await held.conn.execute("SELECT 1")
        except (*_LOSSES, asyncpg.PostgresError):
            held.conn.terminate()
        finally:
            self._keep(held)
            self._turns.give(borrower)

    def _close_idle(self) -> None:
        """Close what nobody has wanted for long, and look again when the next may be due."""
        now = time.monotonic()
        self._close([held for held in self._idle if now - held.idle_since >= _MAX_IDLE_S])
        self._sweep = None
        if self._idle:
            due_s = self._idle[0].idle_since + _MAX_IDLE_S - now
            self._sweep = asyncio.get_running_loop().call_later(due_s, self._close_idle)

    def _close(self, all_of: list[_Held]) -> None:
        for held in tuple(all_of):
            self._open.discard(held)
            if held in self._idle:
                self._idle.remove(held)
            if not held.conn.is_closed():
                self._in_background(_end(held.conn))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="pool")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    def _stop_sweeping(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()


async def _end(conn: RawConnection) -> None:
    try:
        await conn.close(timeout=_SETTLING_S)
    except (*_LOSSES, asyncpg.PostgresError):
        conn.terminate()


class _Loan:
    """One of the pool's connections for the time of a block."""

    __slots__ = ("_borrower", "_held", "_pool")
    _held: _Held

    def __init__(self, pool: Pool, borrower: str) -> None:
        self._pool = pool
        self._borrower = borrower

    async def __aenter__(self) -> Connection:
        self._held = await self._pool.lend(self._borrower)
        return self._held.conn

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        await self._pool.give_back(self._held, self._borrower, error)
        if isinstance(error, _LOST_INSIDE):
            raise _as_loss(error) from error
