"""Which of several PostgreSQL servers takes writes: the one that connections are made to."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import asyncpg
import structlog
from asyncpg.connect_utils import SessionAttribute

from zstack_mgmt.addresses import servers_of
from zstack_mgmt.sockets import limit_silence

log = structlog.get_logger()

SERVER_S = 2.0
"""The longest that one of several servers may take to answer: one that is gone must not hide the others."""


_OWN_TYPES = 16384  # types with lower numbers are PostgreSQL's own, and the same in each database
_TYPES: dict[tuple[Any, ...], Any] = {}


class Connection(asyncpg.Connection):  # pyright: ignore[reportMissingTypeArgument] (it takes none at run time)
    """A connection that does not ask for itself what PostgreSQL's own types are made of.

    asyncpg asks on each connection, by a query that takes longer to plan than most of ours to run.
    """

    async def _introspect_types(self, typeoids: Collection[int], timeout: float | None) -> Any:
        own: Any = super()  # the stubs do not know it
        if max(typeoids) >= _OWN_TYPES:
            return await own._introspect_types(typeoids, timeout)
        asked = (self.get_server_version().major, *sorted(typeoids))
        if asked not in _TYPES:
            _TYPES[asked] = await own._introspect_types(typeoids, timeout)
        return _TYPES[asked]


class Primary:
    """Makes connections to the server that takes writes; the one that did last is asked first.

    Args:
        writes: False: a standby will do, and the first that answers is taken.
    """

    def __init__(self, url: str, *, writes: bool = True) -> None:
        self._servers = servers_of(url)
        self._writes = writes
        self._last = 0

    async def connect(
        self,
        *_: object,
        timeout: float = 60.0,
        connection_class: type[asyncpg.Connection[Any]] = Connection,
        **options: Any,
    ) -> asyncpg.Connection[Any]:
        """A connection. Raises what asyncpg does for the last server, when none will do.

        Args:
            timeout: seconds for a single server.
        """
        limit_s = timeout if len(self._servers) == 1 else min(timeout, SERVER_S)
        count = len(self._servers)
        for turn in range(count):
            server = (self._last + turn) % count if self._writes else turn
            try:
                connection: asyncpg.Connection[Any] = await asyncpg.connect(
                    self._servers[server],
                    timeout=limit_s,
                    connection_class=connection_class,
                    target_session_attrs=SessionAttribute.read_write
                    if self._writes
                    else SessionAttribute.any,
                    **options,
                )
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                if turn == count - 1:
                    raise
                continue
            limit_silence(connection._transport.get_extra_info("socket"))  # asyncpg has no public way to it
            if server != self._last:
                self._last = server
                log.info("connections go to another server", action="connect", server=server + 1, of=count)
            return connection
        raise AssertionError("unreachable")
