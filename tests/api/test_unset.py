"""What clients in Go send for a parameter that was not set means that it is absent."""

import pytest

from app import PRIMARY_STORAGE, Service
from zstack_mgmt.core.errors import BadRequest
from zstack_mgmt.core.registry import APIS, Api
from zstack_mgmt.core.values import wire_name
from zstack_mgmt.features import load

load()
OPTIONAL = [
    pytest.param(declared, wire_name(name), id=f"{label}-{name}")
    for label, declared in sorted(APIS.items())
    if declared.query is None
    for name, field in declared.request.model_fields.items()
    if not field.is_required() and "list" not in str(field.annotation)
]


@pytest.mark.parametrize(("declared", "name"), OPTIONAL)
def test_an_optional_parameter_may_be_empty(declared: Api, name: str) -> None:
    for empty in ("", "  ", 0):
        assert repr(name) not in refusal(declared, {name: empty})


def refusal(declared: Api, values: dict[str, object]) -> str:
    """Why the values are refused, if they are: for want of a required one."""
    try:
        declared.parse(values)
    except BadRequest as error:
        return error.details
    return ""


async def test_an_empty_uuid_or_size_is_absent(service: Service) -> None:
    offering = await service.admin.create("/disk-offerings", name="d", diskSize=1024)
    sized = await service.admin.create(
        "/volumes/data", name="v", diskSize=2048, diskOfferingUuid="", primaryStorageUuid="", resourceUuid=" "
    )
    assert sized["size"] == 2048
    assert "diskOfferingUuid" not in sized
    assert sized["primaryStorageUuid"] == PRIMARY_STORAGE
    offered = await service.admin.create(
        "/volumes/data", name="v", diskSize=0, diskOfferingUuid=offering["uuid"]
    )
    assert offered["size"] == 1024


@pytest.mark.parametrize("value", ["", 0])
async def test_a_required_parameter_is_not(service: Service, value: object) -> None:
    for path, params in (
        ("/eips", {"name": "e", "vipUuid": value}),
        ("/disk-offerings", {"name": "d", "diskSize": value}),
    ):
        answer = await service.admin.call("POST", path, {"params": params})
        assert answer.status == 400, answer
        assert list(params)[1] in answer.body["error"]["details"]
