"""What can be queried, for command lines that complete names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import StringConstraints

from zstack_mgmt.auth.permissions import authorise
from zstack_mgmt.core.errors import (
    BadRequest,
    InternalError,
    InvalidArgument,
    PermissionDenied,
    ResourceNotFound,
)
from zstack_mgmt.core.registry import APIS, ApiRequest, Call, api
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Doc
from zstack_mgmt.query.catalog import describe, nearest
from zstack_mgmt.query.plan import Scope
from zstack_mgmt.query.tree import Op
from zstack_mgmt.query.zql import parse_zql


class GetQueryMetadata(ApiRequest):
    """List what can be queried: of every resource its fields with their types, its lists, links and aliases.

    Source: ours; ZStack's command line has these names baked in and needs a release for each change.
    """

    resource: Annotated[str, Doc("the inventory's name, `Zone`; empty: all")] = ""


@api(
    GetQueryMetadata,
    http="GET /v1/query-metadata",
    also=("/v1/query-metadata/{resource}",),
    mode="sync",
    access="user",
    java="org.zstack.query",
    category="query",
    is_read=True,
    response_key="",
    raises=(ResourceNotFound,),
    exclusive=(),
)
async def get_query_metadata(call: Call, conn: Connection, request: GetQueryMetadata) -> dict[str, Any]:
    return {"inventories": describe(request.resource), "operators": [op.value for op in Op]}


class ZQLQuery(ApiRequest):
    """Find resources by sentences with and, or and parentheses.

    `query zone.uuid,name where name like 'a%' or state = 'Disabled' return with (total) order by name desc
    limit 10 offset 20 named as 'mine'`; `count` in place of `query` counts only. Semicolons part sentences,
    whose results come in their order. Operators: = != > < >= <= like, not like, in, not in, is null, is not
    null. What a sentence finds is what the Query API of its type finds for the caller.

    Source: ZStack's ZQL, without its subqueries, `restrict by`, `sum` and `search`.
    """

    zql: Annotated[str, StringConstraints(min_length=1, max_length=16_384)]


def _classes(body: Mapping[str, Any]) -> dict[str, str]:
    return dict(body["schema"])


@api(
    ZQLQuery,
    http="GET /v1/zql",
    mode="sync",
    access="session",
    java="org.zstack.zql",
    category="query",
    is_read=True,
    response_key="",
    outside=True,
    raises=(BadRequest, InvalidArgument, InternalError, ResourceNotFound, PermissionDenied),
    exclusive=(),
    describe=_classes,
)
async def zql_query(call: Call, means: object, request: ZQLQuery) -> dict[str, Any]:
    queries = {one.query.meta.name.lower(): one for one in APIS.values() if one.query is not None}
    results: list[dict[str, Any]] = []
    schema: dict[str, str] = {}
    for i, sentence in enumerate(parse_zql(request.zql)):
        name = sentence.query.inventory.lower().removesuffix("inventory")
        declared = queries.get(name)
        if declared is None:
            raise ResourceNotFound(f"there is no resource {name[:64]!r}{nearest(name, queries)}")
        authorise(declared, call.caller)
        query = replace(sentence.query, inventory=declared.query.meta.name)
        found: dict[str, Any] = dict(await call.services.reader.answer(query, Scope.of(call.caller)))
        schema |= {f"results[{i}].{path}": java for path, java in found.pop("schema").items()}
        results.append(({"name": sentence.name} if sentence.name else {}) | found)
    return {"results": results, "schema": schema}
