"""What ZStack's clients rely on in our answers to what they sent: one test for each thing."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from compatibility.java_classes import KNOWN
from compatibility.player import Played, value_at

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATE = "%b %d, %Y %I:%M:%S %p"
JOB = re.compile(r"http://[^/]+/zstack/v1/api-jobs/[0-9a-f]{32}")


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Each plain value of a body, with the name of its field."""
    if isinstance(value, dict):
        members: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        for key, item in members.items():
            yield from leaves(item, key)
    elif isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        for item in items:
            yield from leaves(item, name)
    else:
        yield name, value


def rows(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each row the fields that are wanted of it."""
    return [{name: row.get(name) for name in fields} for row, fields in zip(found, wanted, strict=True)]


async def test_status_tells_the_outcome(played: list[Played]) -> None:
    for step in played:
        assert step.status == step.exchange["status"], f"{step.line}: {step.text!r}"
        assert set(step.waited) <= {202}, "an SDK takes any other status for the end of the job"


async def test_body_is_a_json_object_that_every_client_can_read(played: list[Played]) -> None:
    """Never empty: the Go SDK would go on with nil. Never in an encoding that a client did not ask for."""
    for step in played:
        assert step.text[:1] == b"{", step.line
        assert step.headers["content-type"].startswith("application/json"), step.line
        assert "content-encoding" not in step.headers, step.line
        assert all(value is not None for _, value in leaves(step.body)), step.line


async def test_answer_has_what_the_client_reads(played: list[Played]) -> None:
    for step in played:
        for place, wanted in step.exchange.get("expect", {}).items():
            path, unordered, _ = place.partition(", in any order")
            found = value_at(step.outcome, path)
            if path == "inventories":
                if unordered:
                    found = sorted(found, key=lambda row: row["name"])
                found = rows(found, wanted)
            assert found == wanted, f"{step.line}: {place}"


async def test_location_is_where_the_client_came_in_and_has_the_path_that_sdks_cut_at(
    played: list[Played],
) -> None:
    for step in played:
        if step.status != 202:
            continue
        location = step.body["location"]
        assert JOB.fullmatch(location), step.line
        assert location.startswith(f"http://{step.header('Host')}/"), step.line
        chosen = step.header("X-Job-UUID")
        assert chosen is None or location.endswith(f"/{chosen}"), step.line


async def test_schema_is_there_when_asked_for(played: list[Played]) -> None:
    for step in played:
        final = "location" not in step.outcome and "error" not in step.outcome
        if final and (step.header("X-JSON-Schema") == "true" or "inventories" in step.outcome):
            assert "schema" in step.outcome, step.line


async def test_schema_names_only_what_is_there_and_parents_first(played: list[Played]) -> None:
    """The Java SDK walks the map in order, and throws at a path that leads nowhere."""
    for step in played:
        schema: dict[str, str] = step.outcome.get("schema", {})
        paths = list(schema)
        for at, path in enumerate(paths):
            assert value_at(step.outcome, path) is not None, f"{step.line}: {path}"
            late = [other for other in paths[at:] if path.startswith((f"{other}.", f"{other}["))]
            assert not late, f"{step.line}: {path} comes before {late}"
            assert schema[path] in KNOWN, f"{step.line}: {schema[path]} is unknown to the SDK"


async def test_error_is_an_error_code(played: list[Played]) -> None:
    for step in played:
        failed = step.status == 503 or (step.hook is not None and not step.exchange["webhook"])
        failed = failed or step.exchange.get("fails", False)  # at the message door, whose status is 200
        assert ("error" in step.outcome) == failed, step.line
        if failed:
            error = step.outcome["error"]
            assert re.fullmatch(r"[A-Z]+\.\d{4}", error["code"]), step.line
            assert isinstance(error["description"], str), step.line
            assert error["description"], step.line
            assert error["details"], step.line


async def test_dates_are_in_the_form_of_the_manual(played: list[Played]) -> None:
    seen = 0
    for step in played:
        for name, value in leaves(step.outcome):
            if re.search(r"Date$|^(start|stop)Time$", name):
                datetime.strptime(value, DATE)  # noqa: DTZ007 (the form has no zone)
                seen += 1
    assert seen


async def test_webhook_names_its_job_and_outcome(played: list[Played]) -> None:
    for step in played:
        if step.hook is not None:
            wanted = "true" if step.exchange["webhook"] else "false"
            assert step.hook.headers["x-job-success"] == wanted, step.line
            assert step.hook.headers["x-job-uuid"] == step.header("X-Job-UUID"), step.line
            assert b"\n" not in step.hook.body, "the SDK joins lines without a separator"
