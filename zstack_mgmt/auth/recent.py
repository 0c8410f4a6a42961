"""Answers of the database about who somebody is, kept for less than a second by one process."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

EVERYBODY = "*"
_MAX_KEPT = 20_000
_MAX_ACCOUNTS = 10_000
_CHANGING_S = 5.0  # the longest that a change is waited for; the word of its end comes sooner


class OfAccount(Protocol):
    """An answer that a change of the account's rights makes doubtful."""

    @property
    def account_uuid(self) -> str: ...


T = TypeVar("T", bound=OfAccount)


class Trust:
    """Since when answers about an account can be believed."""

    def __init__(self, kept_s: float) -> None:
        self.kept_s = kept_s
        self.changes = 0  # so far
        self._from: dict[str, float] = {}  # by account: earlier answers may be out of date
        self._under_way: Counter[str] = Counter()  # by account

    def changing(self, account_uuid: str) -> None:
        """Rights in the account (EVERYBODY: in all) are about to change: ask each time until `changed`."""
        self._under_way[account_uuid] += 1
        self._trust_from(account_uuid, time.monotonic() + _CHANGING_S)

    def changed(self, account_uuid: str) -> None:
        """Such a change is committed: ask again once, unless others are under way."""
        if self._under_way[account_uuid] > 1:
            self._under_way[account_uuid] -= 1
        else:
            del self._under_way[account_uuid]
            self._trust_from(account_uuid, time.monotonic())

    def covers(self, account_uuid: str, seen_at: float) -> bool:
        """Whether an answer of this moment still holds."""
        if seen_at + self.kept_s <= time.monotonic():
            return False
        known = self._from
        return not known or seen_at >= max(known.get(account_uuid, 0.0), known.get(EVERYBODY, 0.0))

    def _trust_from(self, account_uuid: str, moment: float) -> None:
        if len(self._from) > _MAX_ACCOUNTS:
            old = time.monotonic() - self.kept_s
            self._from = {name: at for name, at in self._from.items() if at > old}
        self._from[account_uuid] = moment
        self.changes += 1


class Recent(Generic[T]):
    """The answers to one kind of question, by name. Those who ask the same at once share one answer.

    Args: ask: what the database says, None for nobody.
    """

    def __init__(self, trust: Trust, ask: Callable[[str], Awaitable[T | None]]) -> None:
        self._trust = trust
        self._ask = ask
        self._kept: dict[str, tuple[float, T]] = {}  # with the moment of the question
        self._pending: dict[tuple[str, int], asyncio.Future[T | None]] = {}

    def kept(self, name: str) -> T | None:
        """The answer, if it is young enough and nothing has changed since."""
        entry = self._kept.get(name)
        if entry is None or not self._trust.covers(entry[1].account_uuid, entry[0]):
            return None
        return entry[1]

    async def find(self, name: str) -> T | None:
        """The kept answer, or what the database says now; its errors pass through."""
        found = self.kept(name)
        if found is not None:
            return found
        question = (name, self._trust.changes)  # what was asked before a change is no answer after it
        pending = self._pending.get(question)
        if pending is None:
            pending = self._pending[question] = asyncio.ensure_future(self._load(name))
            pending.add_done_callback(partial(self._answered, question))
        return await asyncio.shield(pending)

    def forget(self, name: str) -> None:
        """Drop the answer."""
        self._kept.pop(name, None)

    def _answered(self, question: tuple[str, int], _pending: asyncio.Future[T | None]) -> None:
        del self._pending[question]

    async def _load(self, name: str) -> T | None:
        asked_at = time.monotonic()
        found = await self._ask(name)
        if found is None:
            self.forget(name)
            return None
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
        self._kept[name] = (asked_at, found)
        return found
