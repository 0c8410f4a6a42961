"""Which page of a query comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from zstack_sdk.apis import data
from zstack_sdk.encoding import declared

if TYPE_CHECKING:
    from zstack_sdk.action import QueryAction
    from zstack_sdk.record import Record


class Turn:
    """The pages of one query, in turn.

    Rows come in the order of their key, and a page begins behind the last row of the one before, so that
    what is created or deleted meanwhile moves nothing. Where the query has an order or a start of its own, or
    its fields lack the key, pages are counted.
    """

    def __init__(self, query: QueryAction[Any], size: int) -> None:
        if size < 1:
            raise ValueError("a page has at least one row")
        self._query = query
        self._size = self._asked = size
        self._left = query.limit
        self._read = 0
        self._last = ""
        self._ended = False
        inventory: dict[str, Any] = data()["inventories"][declared(query).query]
        key: str = inventory["key"]
        counted = query.sortBy or query.start or query.groupBy or (query.fields and key not in query.fields)
        self._key = "" if counted or key not in inventory["fields"] else key

    def next_page(self) -> QueryAction[Any] | None:
        """The query for the next page; None after the last one."""
        size = self._size if self._left is None else min(self._size, self._left)
        if self._ended or size <= 0:
            return None
        page = type(self._query)(**vars(self._query))
        page.limit = self._asked = size
        if not self._key:
            page.start = (self._query.start or 0) + self._read
            return page
        page.sortBy, page.sortDirection = self._key, "asc"
        if self._last:
            page.conditions = [*(self._query.conditions or []), f"{self._key}>{self._last}"]
        return page

    def take(self, answer: Record) -> list[Any]:
        """The rows of the page that was asked for."""
        rows: list[Any] = cast("Any", answer).inventories or []
        self._read += len(rows)
        self._left = None if self._left is None else self._left - len(rows)
        self._ended = len(rows) < self._asked
        if rows and self._key:
            self._last = str(rows[-1].to_dict()[self._key])
        return rows
