"""Declaring a Query API: one line in a feature's `api.py`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import create_model

from zstack_mgmt.core.callers import Caller
from zstack_mgmt.core.errors import InternalError, InvalidArgument
from zstack_mgmt.core.inventory import Inventory
from zstack_mgmt.core.registry import Access, ApiRequest, Call, api
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.query.parser import Query, parse_parameters
from zstack_mgmt.query.plan import Scope
from zstack_mgmt.query.tree import Condition, Op, grow

MAX_CANDIDATES: Annotated[int, Doc("resources that an API which lists candidates tells"), Bound()] = 500


class QueryRequest(ApiRequest):
    """The parameters of a Query API as they came, for the documents; calls have a QueryCall."""


@dataclass(frozen=True, slots=True)
class QueryCall:
    """A parsed query; it is not validated by pydantic, whose models cost more than the parsing."""

    query: Query

    def completed(self, caller: Caller) -> QueryCall:
        """The same: a query is made for whoever asks."""
        return self


def query_api(
    inventory: type[Inventory],
    *,
    http: str,
    access: Access,
    java: str,
    category: str = "",
    name: str = "",
    by_uuid: bool = True,
    also: tuple[str, ...] = (),
    source: str = "",
) -> Callable[[Call, Any, QueryRequest], Awaitable[Any]]:
    """Declare `Query<Inventory>` on a path and, unless `by_uuid` is false, on that path + `/{uuid}`.

    Args:
        inventory: what is queried; filters, visibility and the answer derive from its declaration.
        http: `GET /v1/zones`.
        java: package of the message class.
        name: of the API when it is not `Query<Inventory>`, such as `QueryResourcePrice`.
        also: further paths, a `{uuid}` at their end included where they take one.
        source: of the documentation; the manual's section of the same name by default.

    Returns: the handler, whose value is the whole body or, of a large page, its text in pieces.
    """
    meta = inventory.meta
    label = name or f"Query{meta.name}"
    path = http.partition(" ")[2]
    summary = f"Find {plural_of(meta.name)} by conditions on their fields, tags and links."
    origin = source or f'manual, "{label}"'
    request = create_model(
        label,
        __base__=QueryRequest,
        __module__=inventory.__module__,
        __doc__=f"{summary}\n\nSource: {origin}.",
    )

    def parse(values: Mapping[str, Any]) -> QueryCall:
        return QueryCall(parse_parameters(meta.name, values.get("parameters", ()), values.get("uuid")))

    async def handler(call: Call, means: object, request: Any) -> Any:
        """The request is a QueryCall."""
        return await call.services.reader.answer(request.query, Scope.of(call.caller))

    handler.__module__ = inventory.__module__
    handler.__qualname__ = handler.__name__ = label
    return api(
        request,
        http=http,
        mode="sync",
        access=access,
        java=java,
        category=category,
        is_read=True,
        also=(*((f"{path}/{{uuid}}",) if by_uuid else ()), *also),
        body_key="",
        response_key="",
        returns=inventory,
        outside=True,
        raises=(InvalidArgument, InternalError),
        exclusive=(),
        query=inventory,
        parser=parse,
        name=label,
    )(handler)


def plural_of(name: str) -> str:
    """The plural of an English noun, as far as our names go.

    >>> plural_of("Policy"), plural_of("AccessKey"), plural_of("IpAddress"), plural_of("Zone")
    ('Policies', 'AccessKeys', 'IpAddresses', 'Zones')
    """
    if name.endswith(("s", "x", "ch", "sh")):
        return f"{name}es"
    return f"{name[:-1]}ies" if re.search(r"[^aeiou]y$", name) else f"{name}s"


async def shown(call: Call, inventory: type[Inventory], uuids: Sequence[str]) -> Any:
    """The answer of a Get API with these rows, as a query shows them to the caller."""
    where = grow([Condition(("uuid",), Op.IN, ",".join(uuids))])
    query = Query(inventory.meta.name, where=where, limit=max(1, len(uuids)))
    return await call.services.reader.answer(query, Scope.of(call.caller))


def classes(body: Mapping[str, Any]) -> dict[str, str]:
    """The schema map of such an answer."""
    return dict(body["schema"])
