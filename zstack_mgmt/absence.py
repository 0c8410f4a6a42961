"""The loss of a server is logged once when it goes and once when it returns, whoever notices."""

from __future__ import annotations

import time
from functools import cache
from urllib.parse import urlsplit

import structlog

log = structlog.get_logger()

_STALE_S = 2.0  # what began before the return may still fail for so long


class Absence:
    """A server as this process sees it."""

    def __init__(self, server: str, url: str) -> None:
        self._server = server
        self._address = address_of(url)
        self._since: float | None = None
        self._back_at = -_STALE_S

    def lost(self, error: BaseException) -> None:
        """Somebody could not use it."""
        now = time.monotonic()
        if self._since is None and now - self._back_at >= _STALE_S:
            self._since = now
            log.warning(
                "a server is lost",
                action="lost",
                server=self._server,
                address=self._address,
                error=type(error).__name__,
            )
        else:
            log.debug("a server is still away", action="lost", server=self._server, error=repr(error))

    def back(self) -> None:
        """Somebody could use it."""
        if self._since is not None:
            self._back_at = time.monotonic()
            away_s = round(self._back_at - self._since, 1)
            self._since = None
            log.warning(
                "a server is back", action="back", server=self._server, address=self._address, away_s=away_s
            )


@cache
def of_redis(url: str) -> Absence:
    """Redis at this address."""
    return Absence("redis", url)


@cache
def of_database(url: str) -> Absence:
    """PostgreSQL at this address."""
    return Absence("postgresql", url)


def address_of(url: str) -> str:
    """Host, port and database of a URL, and nothing of its login."""
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"
