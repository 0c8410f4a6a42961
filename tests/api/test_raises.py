"""Each error that an API declares in `raises` is provoked.

Some follow from the declaration, or from the API's example: see `variants`. For others `TABLE` has the calls,
made in the cloud of `build_cloud`. The rest have tests of their own, marked `provokes(api, *errors)`.
"""

import ast
import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.provocations import TABLE, build_cloud
from app import ADMIN, Answer, Client, Service
from example_player import NAME, Player
from receivers import receiver
from zstack_mgmt.config import Settings
from zstack_mgmt.core import errors
from zstack_mgmt.core.errors import (
    ApiError,
    DuplicateResource,
    InternalError,
    InvalidArgument,
    ResourceNotFound,
)
from zstack_mgmt.core.registry import APIS, Api
from zstack_mgmt.features import FEATURES, load
from zstack_mgmt.reference.examples import Step, fill, load_story

load()

TESTS = Path(__file__).parents[1]
NOBODY = "0123456789ab4cde8123456789abcdef"
QUERY: dict[type[ApiError], str] = {InvalidArgument: "?q=nonsense=1", InternalError: "?limit=-1"}
KEEP = {"admin", "receiver", "directory"}  # variables of the stories that are no resources

Pair = tuple[str, type[ApiError]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, session_max_concurrent=20)


def is_answer(answer: Answer, declared: Api, error: type[ApiError]) -> bool:
    status = 503 if declared.mode == "job" else error.status
    if answer.status != status or answer.code != error.code:
        return False
    return error is not DuplicateResource or "uuid" in answer.body["error"]["details"]


def has_rule(declared: Api, error: type[ApiError]) -> bool:
    if declared.query is not None:
        return error in QUERY
    if error is DuplicateResource:
        return "resource_uuid" in declared.request.model_fields
    return error is ResourceNotFound and declared.feature != "ldap" and (declared.name, error) not in TABLE


def variants(step: Step, error: type[ApiError]) -> Iterator[Step]:
    """Calls made of an example, one of which ends so.

    They have a uuid that nothing has, or that never was one; or a uuid for the new resource that another has.
    """
    if error is DuplicateResource:
        body = copy.deepcopy(step.body)
        body["params"]["resourceUuid"] = ADMIN
        yield replace(step, body=body)
    else:
        text = json.dumps({"call": step.call, "body": step.body})
        for wrong in (NOBODY, "nonsense"):
            for name in sorted(set(NAME.findall(text)) - KEEP):
                yield replace(step, **json.loads(text.replace(f"{{{name}}}", wrong)))


async def test_errors_of_queries(service: Service) -> None:
    for declared in APIS.values():
        for error in declared.raises if declared.query is not None else ():
            answer = await service.admin.get(declared.paths[0].removeprefix("/v1") + QUERY[error])
            assert is_answer(answer, declared, error), (declared.name, error)


@pytest.mark.parametrize("feature", [name for name in FEATURES if name != "ldap"])
async def test_errors_that_follow_from_the_example(service: Service, feature: str, agent: None) -> None:
    async with receiver() as received:
        player = Player(service, received.url, feature, "ldap://none.invalid")
        try:
            story = load_story(feature)
            await player.prepare(story)
            for step in story:
                declared = APIS.get(step.api)
                if declared is not None and declared.query is None:
                    for error in declared.raises:
                        if has_rule(declared, error):
                            assert await is_provoked(player, step, declared, error), (step.api, error)
                await player.play(step)
        finally:
            await player.hold("")


async def is_provoked(player: Player, step: Step, declared: Api, error: type[ApiError]) -> bool:
    for variant in variants(step, error):
        call = replace(variant, headers={}, keep={}, until={}, accepted=False)
        if is_answer(await player.exchange(call), declared, error):
            return True
    return False


async def test_errors_of_the_table(service: Service) -> None:
    cloud = await build_cloud(service)
    wrong = []
    for (name, error), params in TABLE.items():
        declared = APIS[name]
        values: dict[str, Any] = fill(params, cloud.variables.__getitem__)
        client: Client = cloud.clients[values.pop("_as", "admin")]
        for statement in values.pop("_first", ()):
            await service.db.execute(statement)
        answer = await call(client, declared, values, repeat=values.pop("_repeat", 1))
        if not is_answer(answer, declared, error):
            wrong.append((name, error.__name__, answer.status, answer.body))
    assert not wrong, "\n".join(map(str, wrong))


async def call(client: Client, declared: Api, values: dict[str, Any], repeat: int) -> Answer:
    """Call an API as its declaration says, with values by their names on the wire."""
    path = next(path for path in reversed(declared.paths) if set(NAME.findall(path)) <= values.keys())
    path = path.removeprefix("/v1")
    for name in NAME.findall(path):
        path = path.replace(f"{{{name}}}", values.pop(name))
    body = {declared.body_key: values} if declared.body_key else None
    query = [] if body else [(key, str(value)) for key, value in values.items()]
    for _ in range(repeat):
        answer = await client.job(declared.method, path, body, params=query)
        if answer.status != 200:
            break
    return answer


def marked() -> set[Pair]:
    """The pairs of the tests that are marked. Such a test must look at the error's code."""
    found: set[Pair] = set()
    for path in TESTS.glob("*/test_*.py"):
        if "mark.provokes" not in path.read_text():
            continue
        for test in ast.walk(ast.parse(path.read_text())):
            for mark in getattr(test, "decorator_list", ()):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.provokes":
                    api, *names = [ast.literal_eval(argument) for argument in mark.args]
                    for name in names:
                        error = getattr(errors, name)
                        assert error.code in ast.unparse(test), f"{path.name}: {name}"
                        found.add((api, error))
    return found


def test_every_error_is_provoked() -> None:
    declared = {(one.name, error) for one in APIS.values() for error in one.raises}
    by_rule = {(name, error) for name, error in declared if has_rule(APIS[name], error)}
    provoked = by_rule | TABLE.keys() | marked()
    assert not declared - provoked, listed(declared - provoked)
    assert not provoked - declared, f"not declared: {listed(provoked - declared)}"


def listed(pairs: set[Pair]) -> str:
    return "\n".join(sorted(f"{name}: {error.__name__}" for name, error in pairs))
