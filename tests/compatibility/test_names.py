"""What does not hang on one client's exchanges."""

import asyncio
import json

import pytest

from app import Service
from compatibility.java_actions import ACTIONS, Action
from compatibility.java_classes import KNOWN
from compatibility.player import Wire
from zstack_mgmt.core.inventory import INVENTORIES
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.features import load

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS = {
    "org.zstack.header.audit.AuditInventory",
    "org.zstack.accessKey.AccessKeyInventory",
    "org.zstack.header.identity.role.RoleInventory",
    "org.zstack.header.scheduler.SchedulerJobHistoryInventory",
}
"""Classes of resources that the SDK of 2.3.1 does not have."""


async def test_every_inventory_bears_the_name_of_a_class_that_the_java_sdk_knows() -> None:
    load()
    assert {kind.meta.java_class for kind in INVENTORIES.values()} - KNOWN == OURS


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
async def test_api_is_where_the_java_sdk_calls_it(action: Action) -> None:
    load()
    declared = APIS[action.name]
    assert declared.method == action.method
    assert f"/v1{action.path}" in declared.paths
    assert (declared.mode == "job") == action.polls
    if action.wrapper:
        assert declared.body_key == action.wrapper


async def test_location_names_the_host_that_the_client_used(service: Service) -> None:
    """SDKs that find another host there cut the address at /zstack/v1/api-jobs and go on with their own."""
    host, _, port = service.origin.removeprefix("http://").rpartition(":")
    wire = Wire(host, int(port))
    body = b'{"params":{"name":"zone"}}'
    head = [
        "POST /v1/zones HTTP/1.1",
        "Host: cloud.example:8080",
        f"Authorization: OAuth {service.admin.token}",
        f"Content-Length: {len(body)}",
        "",
        "",
    ]
    async with asyncio.timeout(10):
        status, _, text = await wire.exchange("\r\n".join(head).encode() + body)
    await wire.close()
    assert status == 202
    assert json.loads(text)["location"].startswith("http://cloud.example:8080/zstack/v1/api-jobs/")
