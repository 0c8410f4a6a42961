"""Telling others of a change, in the transaction that makes it: billing and the scheduler subscribe.

A handler runs after the row has its new values. It writes to the database only, and an exception undoes all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from zstack_mgmt.db import Connection

C = TypeVar("C")


class Topic(Generic[C]):
    """One kind of change, and who is told of it."""

    def __init__(self) -> None:
        self.handlers: list[Callable[[Any, C], Awaitable[None]]] = []

    def subscribe(self, handler: Callable[[Any, C], Awaitable[None]]) -> Callable[[Any, C], Awaitable[None]]:
        """Register a handler: `async def f(conn, change) -> None`."""
        self.handlers.append(handler)
        return handler

    async def tell(self, conn: Connection, change: C) -> None:
        """Run the handlers, in the order of their registration, inside the caller's transaction."""
        for handler in self.handlers:
            await handler(conn, change)
