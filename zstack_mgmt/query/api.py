"""What can be queried, for command lines that complete names."""

from __future__ import annotations

from typing import Annotated, Any

from zstack_mgmt.core.errors import ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Doc
from zstack_mgmt.query.catalog import describe
from zstack_mgmt.query.tree import Op


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
