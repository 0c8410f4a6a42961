"""Declaring a Query API: one line in a feature's `api.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ConfigDict, PrivateAttr, create_model

from zstack_mgmt.core.errors import InternalError, InvalidArgument
from zstack_mgmt.core.inventory import Inventory
from zstack_mgmt.core.registry import Access, ApiRequest, Call, api
from zstack_mgmt.query.parser import Query, parse_parameters
from zstack_mgmt.query.plan import Scope


class QueryRequest(ApiRequest):
    """The parameters of a Query API as they came, decoded but not trimmed, and the uuid of the path, if any.

    Making one raises BadRequest for malformed conditions and numbers, and InternalError for a negative limit:
    what can be said without the catalog.
    """

    model_config = ConfigDict(str_strip_whitespace=False)

    parameters: list[tuple[str, str]] = []  # noqa: RUF012 (pydantic copies it)
    uuid: str | None = None
    _inventory: str = PrivateAttr(default="")
    _query: Query = PrivateAttr()

    def model_post_init(self, _context: Any, /) -> None:
        self._query = parse_parameters(self._inventory, self.parameters, self.uuid)

    @property
    def query(self) -> Query:
        """The parsed query, for `query.run`."""
        return self._query


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
    plural = meta.name + ("es" if meta.name.endswith("s") else "s")
    origin = source or f'manual, "{label}"'
    request = create_model(
        label,
        __base__=QueryRequest,
        __module__=inventory.__module__,
        __doc__=f"Find {plural} by conditions on their fields, tags and links.\n\nSource: {origin}.",
        _inventory=(str, PrivateAttr(default=meta.name)),
    )

    async def handler(call: Call, means: object, request: QueryRequest) -> Any:
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
        name=label,
    )(handler)
