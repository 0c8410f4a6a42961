"""Our own OpenAPI document, held against the running service by generated requests, right and wrong."""

import asyncio
import json
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from app import Service
from zstack_mgmt.core.registry import PATH_VARIABLE
from zstack_mgmt.features import FEATURES
from zstack_mgmt.reference.openapi import document, render

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
REQUESTS = 1500  # in all, so that the time stays the same while APIs are added
MODES = {GenerationMode.POSITIVE: 0.6, GenerationMode.NEGATIVE: 0.4}  # share of the requests
LONGEST_LINE = 8000
UNSENT = ("X-Web-Hook",)  # tests reach no address of others


async def world(service: Service) -> list[str]:
    """Uuids of things that exist."""
    admin = service.admin
    made = [
        await admin.create("/zones", name="zone"),
        await admin.create("/accounts", name="tenant", password="secret"),
        await admin.create("/accounts/users", name="user", password="secret"),
        await admin.create("/accounts/groups", name="group"),
        await admin.create(
            "/accounts/policies", name="p", statements=[{"effect": "Allow", "actions": ["x"]}]
        ),
    ]
    accepted = await admin.call("POST", "/zones", {"params": {"name": "second"}})
    await admin.result(accepted.body["location"])
    return [one["uuid"] for one in made] + [accepted.body["location"].rpartition("/")[2]]


def name_real_things(value: Any, pick: Any) -> Any:
    """The body with its uuids replaced, mostly, by some that exist."""
    if isinstance(value, dict):
        return {
            key: pick(item) if key.lower().endswith("uuid") else name_real_things(item, pick)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [name_real_things(item, pick) for item in value]
    return value


def explore(operation: Any, mode: GenerationMode, examples: int, service: Service, uuids: list[str]) -> None:
    """Call one operation with generated requests. Raises AssertionError, or schemathesis' own failures."""
    base = f"{service.origin}/zstack/v1"
    session = {"Authorization": f"OAuth {service.admin.token}", "Prefer": "wait=10"}

    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    @budget(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
    )
    def run(case: schemathesis.Case, data: Any) -> None:
        def pick(given_value: Any) -> Any:
            return data.draw(st.sampled_from([given_value, *uuids]))

        for name in list(case.path_parameters or {}):
            case.path_parameters[name] = pick(case.path_parameters[name])
        if mode is GenerationMode.POSITIVE:
            case.body = name_real_things(case.body, pick)
        if case.path.endswith("/events"):
            case.query["seconds"] = 0  # or the stream lasts until the client gives up
        for name in UNSENT:
            case.headers.pop(name, None)
        response = case.call(base_url=base, headers=session, session=http, timeout=30)
        if len(response.request.url or "") > LONGEST_LINE:
            return  # the HTTP parser refuses it before any of our code runs
        case.validate_response(response, checks=CHECKS)
        assert response.status_code < 500 or response.status_code == 503, case.as_curl_command()
        if response.status_code >= 400:
            error = response.json()["error"]
            assert "unexpected error" not in error["details"], (case.as_curl_command(), error)

    with requests.Session() as http:
        run()


@pytest.mark.parametrize("feature", FEATURES)
async def test_every_answer_is_one_that_the_document_allows(service: Service, feature: str) -> None:
    uuids = await world(service)
    made = document()
    share = REQUESTS / sum(len(methods) for methods in made["paths"].values())
    schema = schemathesis.openapi.from_dict(made)
    found: Any = schema.include(tag=feature).get_all_operations()
    operations = [one.ok() for one in found]
    for operation in operations:
        for mode, part in MODES.items():
            examples = max(3, round(share * part))
            await asyncio.to_thread(explore, operation, mode, examples, service, uuids)
    assert (
        await service.db.fetchval("SELECT count(*) FROM api_jobs WHERE state IN ('queued', 'running')") == 0
    )


def test_the_document_is_valid_openapi_3_1() -> None:
    made: Any = json.loads(render())
    assert made["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(made).iter_errors()] == []
    del made["info"]["title"]
    assert list(OpenAPIV31SpecValidator(made).iter_errors()), "the check can fail"


def test_no_two_paths_differ_in_names_alone() -> None:
    shapes = [PATH_VARIABLE.sub("{}", path) for path in document()["paths"]]
    assert sorted(shapes) == sorted(set(shapes))
    for path, methods in document()["paths"].items():
        for operation in methods.values():
            told = {p["name"] for p in operation.get("parameters", ()) if p.get("in") == "path"}
            assert told == set(PATH_VARIABLE.findall(path)), path


def test_no_operation_is_left_out() -> None:
    tags = {
        operation["tags"][0] for methods in document()["paths"].values() for operation in methods.values()
    }
    assert tags <= set(FEATURES)


def test_every_body_and_answer_has_a_name() -> None:
    """Generated clients name their classes so; what has no name gets a class for each call."""
    made = document()
    listed = [operation for methods in made["paths"].values() for operation in methods.values()]
    places = [part for one in listed for part in (one.get("requestBody"), *one["responses"].values()) if part]
    content = [kind["schema"] for place in places for kind in place.get("content", {}).values()]
    assert len(content) > len(listed)
    for schema in content:
        choices = schema.get("anyOf") or schema.get("oneOf") or [schema]
        assert all(choice.keys() == {"$ref"} for choice in choices), schema


def test_what_acts_on_one_resource_in_several_ways_is_named_after_it() -> None:
    paths = document()["paths"]
    assert paths["/vm-instances/{uuid}/actions"]["put"]["operationId"] == "ActOnVmInstance"
    assert paths["/billing/prices"]["post"]["operationId"] == "CreateResourcePriceAtBillingPrices"


def test_ids_of_operations_are_unique_and_references_lead_somewhere() -> None:
    made = document()
    listed = [operation for methods in made["paths"].values() for operation in methods.values()]
    ids = [operation["operationId"] for operation in listed]
    assert len(set(ids)) == len(ids)

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                place: Any = made
                for part in value["$ref"].removeprefix("#/").split("/"):
                    place = place[part]
            for part in value.values():
                walk(part)
        elif isinstance(value, list):
            for part in value:
                walk(part)

    walk(made)
