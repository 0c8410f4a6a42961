"""A parameter that names resources has a type that lets only uuids reach its handler."""

import asyncio
from types import SimpleNamespace
from typing import Annotated, Any, Optional, cast

import pytest
from pydantic import Field

from zstack_mgmt.core.errors import ResourceNotFound
from zstack_mgmt.core.registry import APIS, ApiRequest, api
from zstack_mgmt.core.values import ExistingUuid, NamesResource, ResourceUuid, new_uuid
from zstack_mgmt.features import load

load()

OTHERS = {
    "AttachTagToResources.resource_uuids": "the answer tells of each",
    "CreateResourcePrice.account_uuid": "has no effect",
    "DetachTagFromResources.resource_uuids": "what does not have the tag needs no detaching",
    "GetResourceNames.uuids": "what does not exist is left out",
    "GetVersion.uuid": "all processes have one version",
    "LogInByUser.account_uuid": "a login tells unknown from wrong to nobody",
    "ReconnectConsoleProxyAgent.agent_uuids": "each unknown one is told by itself",
    "RemovePolicyStatementsFromRole.policy_statement_uuids": "name statements of the role, no resources",
    "RevokeResourceSharing.account_uuids": "a share that does not exist needs no end",
    "RevokeResourceSharing.resource_uuids": "a share that does not exist needs no end",
    "ShareResource.account_uuids": "refused in the words of sharing",
    "ShareResource.resource_uuids": "refused in the words of sharing",
    "SubmitLongJob.target_resource_uuid": "the client's own note",
}
DECLARED_ELSEWHERE = {"hosts", "jobs", "networks", "snapshots", "vips", "vms", "volumes", "webhooks"}


def is_checked(kind: type[ApiRequest], name: str) -> bool:
    info = kind.model_fields[name]
    marked = NamesResource() in info.metadata or "NamesResource" in str(info.annotation)
    return marked or info.annotation == Optional[ResourceUuid]  # noqa: UP045 (the aliases are no types)


def test_every_uuid_is_checked_by_its_type() -> None:
    unchecked = {
        f"{declared.name}.{name}"
        for declared in APIS.values()
        for name in declared.request.model_fields
        if name.endswith(("uuid", "uuids"))
        and name != "session_uuid"
        and declared.query is None
        and declared.feature not in DECLARED_ELSEWHERE
        and not is_checked(declared.request, name)
    }
    assert unchecked == set(OTHERS)


class FindThings(ApiRequest):
    """Find things.

    Source: this test.
    """

    uuid: ExistingUuid
    maybe_uuid: ExistingUuid | None = None
    many_uuids: Annotated[list[ExistingUuid], Field(max_length=9)] = []  # noqa: RUF012 (pydantic copies it)
    free_uuid: str = ""
    resource_uuid: ResourceUuid | None = None


@pytest.fixture
def find_things() -> Any:
    async def find(call: Any, conn: Any, request: FindThings) -> str:
        return "found"

    yield api(FindThings, http="POST /v1/things", mode="job", access="admin", java="x")(find)
    del APIS["FindThings"]


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ({}, "found"),
        ({"free_uuid": "nonsense"}, "found"),
        ({"maybe_uuid": new_uuid(), "many_uuids": [new_uuid()]}, "found"),
        ({"uuid": "nonsense"}, "no resource has the uuid nonsense"),
        ({"uuid": new_uuid().upper()}, None),
        ({"maybe_uuid": "nonsense"}, "no resource has the uuid nonsense"),
        ({"many_uuids": [new_uuid(), "x"]}, "no resource has the uuid x"),
    ],
)
def test_what_is_no_uuid_is_not_found_before_the_handler_runs(
    find_things: Any, given: dict[str, Any], outcome: str | None
) -> None:
    request = FindThings.model_validate({"uuid": new_uuid()} | given)
    call = cast("Any", SimpleNamespace())
    if outcome == "found":
        assert asyncio.run(find_things(call, None, request)) == outcome
        return
    with pytest.raises(ResourceNotFound) as refused:
        asyncio.run(find_things(call, None, request))
    assert outcome in (None, refused.value.details)
