"""The catalog as one process keeps it: read again when its version is another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zstack_mgmt.db import Pool
from zstack_mgmt.identity.catalog import store


class KeptCatalog:
    """The endpoints of the catalog. One per process."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._version: object = None
        self._endpoints: Sequence[Any] = ()

    async def endpoints(self, version: object) -> Sequence[Any]:
        """As `store.endpoints` says, of this version or, when it has changed since, of a later one."""
        if version is None or version != self._version:
            async with self._pool.acquire() as conn:
                self._version, self._endpoints = await store.versioned_endpoints(conn)
        return self._endpoints
