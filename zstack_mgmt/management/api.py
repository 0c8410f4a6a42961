"""The APIs of the service about itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from zstack_mgmt import __version__
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.db import Connection
from zstack_mgmt.management.model import ManagementNode
from zstack_mgmt.query.declare import query_api

JAVA = "org.zstack.header.managementnode"


class GetVersion(ApiRequest):
    """The release of this service, for anybody. It is not a release of ZStack.

    Source: ZStack's management API.
    """

    uuid: Annotated[str, StringConstraints(max_length=64)] = ""


class Version(TypedDict):
    """A release."""

    version: str


@api(
    GetVersion,
    http="PUT /v1/management-nodes/actions",
    also=("/v1/management-nodes/actions/{uuid}", "/v1/management-nodes/{uuid}/actions"),
    mode="sync",
    access="public",
    java=JAVA,
    is_read=True,
    response_key="",
    exclusive=(),
)
async def get_version(call: Call, conn: Connection, request: GetVersion) -> Version:
    return {"version": __version__}


query_management_node = query_api(
    ManagementNode,
    http="GET /v1/management-nodes",
    access="admin",
    java=JAVA,
    category="management",
    source="ZStack's management API",
)
