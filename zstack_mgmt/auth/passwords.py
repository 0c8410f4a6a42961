"""Password hashing: argon2id of the canonical form, off the event loop, a bounded number at a time."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import TooBusy
from zstack_mgmt.core.registry import Services
from zstack_mgmt.turns import Turns

_DIGEST = re.compile(r"[0-9a-fA-F]{128}")
_MAX_WAITING = 2000
_MAX_WAITING_OF_CLIENT = 200
T = TypeVar("T")
NEVER_FITS = "none"
"""Stored in place of a hash: no password fits, and a check costs as much as any other."""


def canonical(password: str) -> str:
    """The form that is hashed: the lower-case hex sha512, whether the client sent it or the clear text.

    So clients that send the digest and clients that send clear text mean the same password.

    >>> canonical("password") == canonical(canonical("password").upper())
    True
    """
    if _DIGEST.fullmatch(password):
        return password.lower()
    return digest(password)


def digest(clear: str) -> str:
    """The lower-case hex sha512 of a clear text, never taking it for a digest."""
    return hashlib.sha512(clear.encode()).hexdigest()


async def check_old_password(services: Services, stored: str | None, sealed: str) -> bool:
    """Whether the `oldPassword` of a request, sealed as it is kept with the job, fits the stored hash."""
    return await services.hasher.verify(stored, services.sealer.open(sealed, "old_password"))


class PasswordService:
    """Hashes and checks passwords in its own threads, so that a login never delays another request."""

    def __init__(self, settings: Settings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.password_time_cost, memory_cost=settings.password_memory_kib, parallelism=1
        )
        self._threads = ThreadPoolExecutor(settings.login_hash_concurrency, thread_name_prefix="argon2")
        self._turns = Turns(settings.login_hash_concurrency)  # by client
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The argon2id hash to store. Raises TooBusy when too many are waiting."""
        return await self._run(self._hasher.hash, canonical(password))

    async def verify(self, stored: str | None, password: str, client: str = "") -> bool:
        """Whether the password fits the stored hash; with None, does the same work and says no.

        Args:
            client: the address that asks; addresses take turns, so that many attempts of one delay no other.
        """
        if stored is None or stored == NEVER_FITS:
            await self._run(self._hasher.hash, canonical(password), client=client)
            return False
        return await self._run(self._check, stored, canonical(password), client=client)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _check(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[..., T], *args: str, client: str = "") -> T:
        if self._waiting >= _MAX_WAITING or self._turns.waiting(client) >= _MAX_WAITING_OF_CLIENT:
            raise TooBusy("too many passwords are being checked; try again soon")
        self._waiting += 1
        try:
            async with self._turns.turn(client):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        finally:
            self._waiting -= 1
