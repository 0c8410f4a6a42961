"""The base of the generated actions: one class per API, one object per call of it."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from zstack_sdk import result
from zstack_sdk.encoding import given
from zstack_sdk.paging import Turn
from zstack_sdk.record import QueryValue, Record

if TYPE_CHECKING:
    from zstack_sdk.client import Client

V = TypeVar("V", bound=Record)
T = TypeVar("T")


class Action(Generic[V]):
    """A call of an API. Set the parameters as attributes, then `call()`, or `await acall()`.

    An action can be called again: a job that was accepted under its `jobUuid` is not made twice. To repeat
    the deed itself, make a new action.
    """

    Result = result.Result  # the manual writes CreateAccountAction.Result

    sessionId: str | None = None
    """The session to call with; by default the client's."""
    systemTags: list[str] | None = None
    userTags: list[str] | None = None
    webHook: str | None = None
    """Where the service posts the result of the job."""
    jobUuid: str | None = None
    """The uuid of the job, version 4 without dashes. By default each action makes one of its own."""
    apiTimeout: int | None = None
    """Seconds after which an unfinished job fails, at most 604800; 1800 by default."""

    def __init__(self, **parameters: object) -> None:
        for name, value in parameters.items():
            setattr(self, name, value)

    if not TYPE_CHECKING:  # a type checker is to refuse unknown names itself

        def __setattr__(self, name: str, value: object) -> None:
            known = _names(type(self))
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {close[0]}?" if close else ""
                raise AttributeError(f"{type(self).__name__} has no parameter {name!r}{hint}")
            super().__setattr__(name, value)

    def call(self, client: Client | None = None) -> result.Result[V]:
        """Make the call and wait for its end.

        Args:
            client: the default one, which `configure` sets, if not given.

        Raises:
            ZStackError: there is no result, because the service was not reached. A refusal is a result.
        """
        from zstack_sdk.client import default_client

        return (client or default_client()).call(self)

    async def acall(self, client: Client | None = None) -> result.Result[V]:
        """The same in an event loop."""
        from zstack_sdk.client import default_client

        return await (client or default_client()).acall(self)

    def __repr__(self) -> str:
        # A password must not get into a log by way of a traceback.
        shown = ", ".join(f"{n}={'***' if _is_secret(n) else repr(v)}" for n, v in given(self).items())
        return f"{type(self).__name__}({shown})"


class QueryAction(Action[QueryValue[T]], Generic[T]):
    """A query. All conditions must hold."""

    conditions: list[str] | None = None
    """`name=web`, `cpuNum>4`, `name~=web%`, `state?=Running,Stopped`, `vmNics.eip.vipIp=10.0.0.1`,
    `hostUuid is null`."""
    limit: int | None = None
    """Rows to return at most; 1000 by default."""
    start: int | None = None
    """Rows to skip."""
    count: bool | None = None
    """Return `total` alone: how many rows match."""
    replyWithCount: bool | None = None
    """Return `total` beside the rows."""
    groupBy: str | None = None
    """A field: one row for each of its values."""
    sortBy: str | None = None
    sortDirection: str | None = None
    """asc or desc."""
    fields: list[str] | None = None
    """Fields to return; all by default."""

    def pages(self, client: Client | None = None, size: int = 1000) -> Iterator[list[T]]:
        """The rows in lists of `size`, one request each, until there are no more or `limit` are read.

        What is created or deleted meanwhile moves no other row, unless the query has an order, a start or a
        grouping of its own.

        Raises:
            ApiError: a request was refused.
        """
        turn = Turn(self, size)
        while (page := turn.next_page()) is not None:
            yield cast("list[T]", turn.take(page.call(client).value))

    async def apages(self, client: Client | None = None, size: int = 1000) -> AsyncIterator[list[T]]:
        """The same in an event loop."""
        turn = Turn(self, size)
        while (page := turn.next_page()) is not None:
            yield cast("list[T]", turn.take((await page.acall(client)).value))

    def each(self, client: Client | None = None, size: int = 1000) -> Iterator[T]:
        """All rows, one by one; see `pages`."""
        for page in self.pages(client, size):
            yield from page

    async def aeach(self, client: Client | None = None, size: int = 1000) -> AsyncIterator[T]:
        """The same in an event loop."""
        async for page in self.apages(client, size):
            for row in page:
                yield row


def _is_secret(name: str) -> bool:
    return "password" in name.lower() or "secret" in name.lower() or name == "sessionUuid"


@cache
def _names(kind: type[Action[Any]]) -> frozenset[str]:
    found: set[str] = set()
    for base in kind.__mro__:
        found |= getattr(base, "__annotations__", {}).keys()
    return frozenset(found)
