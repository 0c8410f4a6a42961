"""Errors that teach: what is missing, where it belongs, and which permission would do."""

import re
import uuid

import orjson
import pytest

from app import Service
from zstack_mgmt.auth.permissions import authorise, may_call
from zstack_mgmt.auth.policy import NO_POLICIES, PolicySet, rules_of
from zstack_mgmt.core.callers import UserCaller
from zstack_mgmt.core.errors import PermissionDenied
from zstack_mgmt.core.registry import APIS, PATH_VARIABLE, UNROUTED, Api
from zstack_mgmt.core.values import wire_name
from zstack_mgmt.doors.rest.parameters import from_body, lacks_wrapper, shape
from zstack_mgmt.features import load

load()
NOBODY = "0123456789ab4cde8123456789abcdef"
PROBLEM = {"Accept": "application/problem+json"}
WRAPPED = sorted(
    (d for d in APIS.values() if d.method in ("POST", "PUT") and d.body_key and not d.bare),
    key=lambda declared: declared.name,
)


async def test_a_body_without_its_wrapper_is_shown_the_shape(service: Service) -> None:
    for declared in WRAPPED:
        path = PATH_VARIABLE.sub(NOBODY, declared.paths[0].removeprefix("/v1"))
        answer = await service.admin.call(declared.method, path, {"name": "n"})
        assert answer.status == 400, declared.name
        assert answer.code == "SYS.1007"
        details = answer.body["error"]["details"]
        assert "the body lacks the object" in details
        assert shape(declared) in details


@pytest.mark.parametrize("declared", WRAPPED, ids=lambda declared: declared.name)
def test_the_shape_that_is_shown_is_taken(declared: Api) -> None:
    shown = orjson.loads(shape(declared).replace("{...}", "{}").replace("...", "1"))
    assert lacks_wrapper(declared, shown) == ""
    needed = {wire_name(name) for name, info in declared.request.model_fields.items() if info.is_required()}
    assert needed <= set(from_body(declared, shown)) | set(declared.in_path)


async def test_what_was_beside_the_wrapper_is_named(service: Service) -> None:
    answer = await service.admin.call("POST", "/zones", {"name": "z", "systemTags": []})
    assert answer.body["error"]["details"] == (
        "the body lacks the object 'params', and what is beside it (name) is not read: "
        'send {"params": {"name": ...}}'
    )
    empty = await service.admin.call("POST", "/zones")
    assert (
        empty.body["error"]["details"]
        == 'the body lacks the object \'params\': send {"params": {"name": ...}}'
    )
    action = await service.admin.call("PUT", f"/zones/{NOBODY}/actions", {"params": {"name": "z"}})
    assert '{"updateZone": {...}}' in action.body["error"]["details"]


async def test_who_may_not_call_learns_that_first(service: Service) -> None:
    _, tenant = await service.account("tenant")
    assert (await tenant.call("POST", "/zones", {"name": "z"})).code == "ID.1002"
    assert (await service.anonymous.call("POST", "/zones", {"name": "z"})).code == "ID.1001"


@pytest.mark.parametrize("declared", [*APIS.values(), *UNROUTED.values()], ids=lambda declared: declared.name)
@pytest.mark.parametrize("is_admin", [False, True])
def test_a_denied_call_names_the_permission_that_allows_it(declared: Api, is_admin: bool) -> None:
    without = UserCaller(NOBODY, NOBODY, is_admin, NO_POLICIES)
    if may_call(declared, without):
        return
    with pytest.raises(PermissionDenied) as denied:
        authorise(declared, without)
    named = re.search(r"one must allow '(.+)', and none", denied.value.details)
    rule = named[1] if named else ".*"
    statements = orjson.dumps([{"effect": "Allow", "actions": [rule]}]).decode()
    assert may_call(
        declared, UserCaller(NOBODY, NOBODY, is_admin, PolicySet([rules_of(statements)]))
    ) is bool(named)


async def test_a_failed_job_is_a_problem_to_who_asks_for_one(service: Service) -> None:
    await service.admin.create("/zones", name="z", resourceUuid=NOBODY)
    body = {"params": {"name": "z", "resourceUuid": NOBODY}}
    waited = await service.admin.call("POST", "/zones", body, headers=PROBLEM | {"Prefer": "wait=10"})
    location = f"/api-jobs/{waited.headers['X-Job-UUID']}"
    polled = await service.admin.get(location, headers=PROBLEM)
    plain = await service.admin.get(location)
    assert "error" in plain.body
    for answer in (waited, polled):
        assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")
        assert answer.headers["X-Job-State"] == "failed"
        assert answer.body == {
            "type": "/docs/errors#SYS.1000",
            "title": "An internal error happened in system",
            "status": 503,
            "detail": plain.body["error"]["details"],
            "code": "SYS.1000",
            "instance": f"/zstack/v1{location}",
        }
    shown = await service.http.get(f"{service.origin}{polled.body['type']}")
    assert 'id="SYS.1000"' in await shown.text()


async def test_an_answer_that_is_no_error_is_no_problem(service: Service) -> None:
    nobody = uuid.uuid4().hex
    refused = await service.admin.get(f"/api-jobs/{nobody}", headers=PROBLEM)
    assert (refused.status, refused.body["status"], refused.body["code"]) == (404, 404, "SYS.1003")
    good = await service.admin.call(
        "POST", "/zones", {"params": {"name": "y"}}, headers=PROBLEM | {"Prefer": "wait=10"}
    )
    assert (good.status, good.headers["Content-Type"]) == (200, "application/json")
