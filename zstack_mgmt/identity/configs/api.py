"""The APIs of global configurations."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from zstack_mgmt.core.errors import InvalidArgument, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.db import Connection
from zstack_mgmt.engine.store import note_changes
from zstack_mgmt.identity.configs import store
from zstack_mgmt.identity.configs.model import QUOTA, GlobalConfig, checked, uuid_of
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource

Name = Annotated[str, StringConstraints(max_length=255)]

configs = Resource(
    GlobalConfig,
    "/v1/global-configurations",
    java="org.zstack.core.config",
    category="globalConfig",
    access="admin",
    source="ZStack's API of global configurations",
)


class UpdateGlobalConfig(ApiRequest):
    """Give a global configuration another value, which holds for what begins from then on.

    Without a value it goes back to its default.

    Source: ZStack's API of global configurations.
    """

    category: Name
    name: Name
    value: Name | None = None


@configs.action(
    UpdateGlobalConfig,
    "PUT /v1/global-configurations/{category}/{name}/actions",
    raises=(ResourceNotFound, InvalidArgument),
    exclusive=(),
)
async def update_global_config(call: Call, conn: Connection, request: UpdateGlobalConfig) -> GlobalConfig:
    uuid = uuid_of(request.category, request.name)
    found = await rows.find(conn, GlobalConfig, uuid, lock="NO KEY UPDATE")
    if found is None:
        raise ResourceNotFound(f"there is no global configuration {request.category}.{request.name}")
    chosen = None if request.value is None else checked(found.category, found.name, request.value)
    if found.category == QUOTA:
        await store.set_quota_default(conn, found.name, int(chosen or found.default_value))
    changed = await rows.update(conn, GlobalConfig, uuid, {"chosen": chosen})
    await note_changes(conn, call.job_uuid, {f"{found.category}.{found.name}": (found.value, changed.value)})
    return changed


configs.query(access="user")
