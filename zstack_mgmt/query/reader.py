"""Answering queries: by the shortest way that fits, on connections that never wait for a client.

GETs by uuid that wait while one statement is on its way share the next one. A single one waits for nothing;
under load the database answers dozens of them for the price of a few.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import lru_cache
from zoneinfo import ZoneInfo

from zstack_mgmt import db
from zstack_mgmt.core.answer import JsonText
from zstack_mgmt.core.values import is_uuid
from zstack_mgmt.query import catalog
from zstack_mgmt.query.encode import Body, Encoder, encoder_of
from zstack_mgmt.query.parser import Query
from zstack_mgmt.query.plan import Scope
from zstack_mgmt.query.run import Answer, is_small, pieces, run
from zstack_mgmt.query.tree import Condition, Op, grow

_MAX_BATCH = 256
_Key = tuple[str, Scope]
_Waiting = dict[str, list[asyncio.Future[Body | None]]]  # by uuid


def _can_share(query: Query) -> bool:
    """Whether the query is such a GET: by a well-formed uuid, of whole rows."""
    return (
        query.uuid is not None
        and not query.fields
        and is_uuid(query.uuid)
        and catalog.meta_of(query.inventory).primary_key == "uuid"
    )


class Reader:
    """Answers the queries of one process."""

    def __init__(self, pool: db.Pool, zone: ZoneInfo, *, exact: bool = False) -> None:
        self._pool = pool
        self._zone = zone
        self._exact = exact
        self._waiting: dict[_Key, _Waiting] = {}
        self._tasks: dict[_Key, asyncio.Task[None]] = {}

    async def answer(self, query: Query, scope: Scope) -> Answer | JsonText:
        """The answer, of a page that can be large in pieces. Raises what `run` raises, before any piece."""
        if _can_share(query):
            answer = await self._share(query, scope)
            if answer["inventories"]:
                answer["inventory"] = answer["inventories"][0]  # the manual's overview shows this form
            return answer
        if is_small(query):
            async with self._pool.acquire() as conn:
                return await run(conn, query, scope, self._zone, exact=self._exact)
        rest = pieces(self._pool.acquire, query, scope, self._zone, exact=self._exact)
        return JsonText(await anext(rest), rest)

    async def _share(self, query: Query, scope: Scope) -> Answer:
        key = (query.inventory, scope)
        future: asyncio.Future[Body | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, {}).setdefault(query.uuid or "", []).append(future)
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._answer(key))
        body = await future
        bodies = [] if body is None else [body]
        return {"inventories": bodies, "schema": _encoder(query.inventory).schema(bodies)}

    async def _answer(self, key: _Key) -> None:
        """One statement after another until nobody waits."""
        try:
            while waiting := self._waiting.pop(key, None):
                uuids = list(waiting)
                for first in range(0, len(uuids), _MAX_BATCH):
                    part = uuids[first : first + _MAX_BATCH]
                    await self._look_up(key, {uuid: waiting[uuid] for uuid in part})
        finally:
            del self._tasks[key]

    async def _look_up(self, key: _Key, waiting: _Waiting) -> None:
        inventory, scope = key
        where = grow([Condition(("uuid",), Op.IN, ",".join(waiting))])
        try:
            async with self._pool.acquire() as conn:
                answer = await run(conn, Query(inventory, where, limit=len(waiting)), scope, self._zone)
        except Exception as error:  # noqa: BLE001 (no boundary: each of the callers gets it as its own)
            for _, future in _still_there(waiting):
                future.set_exception(error)
            return
        found = {body["uuid"]: body for body in answer["inventories"]}
        for uuid, future in _still_there(waiting):
            future.set_result(found.get(uuid))


def _still_there(waiting: _Waiting) -> Iterator[tuple[str, asyncio.Future[Body | None]]]:
    return ((uuid, one) for uuid, futures in waiting.items() for one in futures if not one.done())


@lru_cache(256)
def _encoder(inventory: str) -> Encoder:
    meta = catalog.meta_of(inventory)
    return encoder_of(meta, catalog.output_fields(meta, ()))
