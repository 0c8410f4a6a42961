"""Every API has an example in the documentation, and every example is what the service answers.

RECORD_EXAMPLES=1 writes the answers into the stories instead of comparing them.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import zstack_mgmt
from app import Service
from directory import running_directory
from example_player import Player, pretty
from receivers import receiver
from zstack_mgmt.features import FEATURES, FOLDERS, load
from zstack_mgmt.reference.examples import load_story
from zstack_mgmt.reference.operations import operations
from zstack_mgmt.reference.schemas import Components

PACKAGE = Path(zstack_mgmt.__file__).parent
STORIES = [name for name in (*FEATURES, "jobs") if (PACKAGE / FOLDERS[name] / "examples.json").exists()]
RECORD = bool(os.environ.get("RECORD_EXAMPLES"))
RERECORD = (
    "RECORD_EXAMPLES=1 make test ARGS=tests/docs/test_examples.py, look at the difference, then `make docs`"
)


@pytest.fixture
def directory(feature: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a directory for the story that needs one."""
    if feature != "ldap":
        yield "ldap://none.invalid"
        return
    with running_directory(tmp_path_factory.mktemp("directory")) as running:
        yield running.url


@pytest.mark.parametrize("feature", STORIES)
async def test_example_is_what_the_service_answers(
    service: Service, feature: str, directory: str, agent: None
) -> None:
    path = PACKAGE / FOLDERS[feature] / "examples.json"
    written: list[dict[str, Any]] = json.loads(path.read_text())
    async with receiver() as received:
        player = Player(service, received.url, feature, directory)
        try:
            story = load_story(feature)
            await player.prepare(story)
            for entry, step in zip(written, story, strict=True):
                status, answer = await player.play(step)
                if not step.api:
                    assert status in (200, 202), f"{feature}: the step {step.call} answers {status}: {answer}"
                elif RECORD and status < 300:
                    entry.update(status=status, answer=answer)
                else:
                    recorded = (step.status, step.answer)
                    said = f"the answer to {step.call} has changed; if rightly: {RERECORD}"
                    assert (status, answer) == recorded, said
        finally:
            await player.hold("")
    if RECORD:
        path.write_text(pretty(written))


def test_every_api_has_an_example() -> None:
    load()
    shown = {step.api for feature in STORIES for step in load_story(feature)}
    missing = [f"{o.feature}: {o.name}" for o in operations(Components()) if o.name not in shown]
    assert not missing, f"no example in zstack_mgmt/<feature>/examples.json (docs/contributing.md): {missing}"


def test_every_example_belongs_to_an_api_of_its_feature() -> None:
    load()
    known = {(o.feature, o.name): o for o in operations(Components())}
    for feature in STORIES:
        for step in load_story(feature):
            if step.api:
                assert known[feature, step.api].method == step.method, step
