"""What the SDK does without a service."""

import doctest
from importlib import import_module
from typing import Any

import pytest

import zstack_sdk
from zstack_sdk import Patience, StillRunning
from zstack_sdk.conversation import call
from zstack_sdk.exchange import Reply, Request


def test_every_action_can_be_named() -> None:
    names = [
        name for name in dir(zstack_sdk) if name.endswith("Action") and name not in ("Action", "QueryAction")
    ]
    assert len(names) > 180
    for name in names:
        assert getattr(zstack_sdk, name).__name__ == name
    scope: dict[str, object] = {}
    exec("from zstack_sdk import *", scope)
    assert set(names) < scope.keys()
    with pytest.raises(AttributeError):
        _ = zstack_sdk.CreateNothingAction  # pyright: ignore[reportAttributeAccessIssue]


def test_a_wait_that_is_over_says_that_the_job_goes_on() -> None:
    talk = call(
        Request("POST", "/x", {}),
        lambda _method, _target: {},
        Patience(wait_s=0),
        lambda uuid: f"/api-jobs/{uuid}",
        job_uuid="a" * 32,
    )
    first: Any = next(talk)
    assert first.headers.get("Prefer") in (None, "wait=1")
    with pytest.raises(StillRunning):
        talk.send(Reply(202, {"x-job-state": "running"}, b'{"location": "x"}'))


@pytest.mark.parametrize(
    "name",
    [
        "zstack_sdk.signing",
        *(f"zstack_cli.{n}" for n in ("messages", "progress", "scripts", "shell", "words")),
    ],
)
def test_doctests(name: str) -> None:
    failed, attempted = doctest.testmod(import_module(name))
    assert (failed, attempted > 0) == (0, True)
