"""What a worker does to have a stored request again: once for each job, so it must be little."""

import sys
from typing import Any

import pytest

from zstack_mgmt.core.registry import APIS
from zstack_mgmt.features import load

load()
MOST = 150  # calls of Python functions; with looks at the signatures of its defaults it was 167 to 272


@pytest.mark.parametrize("name", ["CreateZone", "CreateVmInstance", "CreateUser"])
def test_restoring_a_request_takes_few_calls(name: str) -> None:
    request = APIS[name].request
    request.restore('{"name": "n"}', None)
    calls = 0

    def count(_: Any, event: str, __: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        restored = request.restore('{"name": "n"}', None)
    finally:
        sys.setprofile(None)
    assert calls < MOST
    assert restored.model_fields_set == {"name"}
    assert (restored.system_tags, restored.user_tags) == ([], [])
    assert restored.system_tags is not request.restore("{}", None).system_tags
