"""The generated documentation: docs/api, errors, limits.md, openapi.json, and the settings in the READMEs.

`make docs` writes all of it. Nothing here is written by hand: the words are those of the declarations, the
exchanges those that tests/docs has played.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints
from zoneinfo import ZoneInfo

from zstack_mgmt.config import Settings
from zstack_mgmt.doc import doc_of
from zstack_mgmt.features import load
from zstack_mgmt.reference.chinese import SETTINGS
from zstack_mgmt.reference.errors import chinese_page, english_page, errors
from zstack_mgmt.reference.examples import Step, load_story, shown
from zstack_mgmt.reference.limits import limits_page
from zstack_mgmt.reference.openapi import render
from zstack_mgmt.reference.operations import PREFIX, WHO, Operation, Parameter, operations
from zstack_mgmt.reference.schemas import REF, Components, Schema, type_text

_GENERATED = "<!-- Written by `make docs` from the declarations; changes here are lost. -->\n"
_TABLE = ("<!-- settings: written by `make docs` -->", "<!-- end of settings -->")
_PASSED_ON = ("    # settings: written by `make docs`", "    # end of settings")
_PROCESSES = ("API_PROCESSES", "WORKER_PROCESSES", "WEBHOOK_PROCESSES", "CONSOLE_PROCESSES")
_PLACES = ("HOST", "PORT", "CONSOLE_PORT", "OPERATIONS_PORT", "DATA_DIR", "METRICS_DIR")
_OF_THE_CONTAINER = frozenset([*_PLACES, *_PROCESSES])
"""Settings that the image makes, or that are for a machine that runs all processes."""


def write_pages(folder: Path) -> None:
    """Write every generated file below the folder, and remove pages of features that are gone."""
    made = pages()
    for name, text in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    for path in (folder / "api").glob("*.md"):
        if f"api/{path.name}" not in made:
            path.unlink()
    for path in (*folder.parent.glob("README*.md"), *folder.parent.glob("compose.yaml")):
        path.write_text(with_settings(path.read_text("utf-8"), path.name), "utf-8")


def pages() -> dict[str, str]:
    """Name -> text of each generated file."""
    load()
    components = Components()
    listed = operations(components)
    features = list(dict.fromkeys(o.feature for o in listed))
    made = {
        f"api/{feature}.md": _feature_page(feature, [o for o in listed if o.feature == feature], components)
        for feature in features
    }
    made["api/README.md"] = _index_page(listed)
    made["errors.md"] = f"{_GENERATED}\n{english_page(listed)}"
    made["errors.zh-CN.md"] = f"{_GENERATED}\n{chinese_page(listed)}"
    made["limits.md"] = _GENERATED + limits_page(listed, components, errors())
    made["openapi.json"] = render()
    return made


def _index_page(listed: list[Operation]) -> str:
    lines = [_GENERATED, "# The APIs", "", f"Paths follow `{PREFIX}`; `/v1` serves the same.", ""]
    lines += ["| API | Call | Mode | Who may call |", "|--|--|--|--|"]
    for o in listed:
        name = f"[{o.name}]({o.feature}.md#{o.name.lower()})"
        lines.append(f"| {name} | `{o.method} {o.paths[0]}` | {o.mode} | {WHO[o.access]} |")
    return "\n".join(lines) + "\n"


def _feature_page(feature: str, listed: list[Operation], components: Components) -> str:
    examples = {step.api: step for step in load_story(feature) if step.api}
    lines = [
        _GENERATED,
        f"# {feature.capitalize()}",
        "",
        "In the examples `$ZSTACK` is the service's address,",
    ]
    lines += [f"`http://127.0.0.1:8080{PREFIX}`, and `$SESSION` the uuid that the login returned.", ""]
    for operation in listed:
        lines += _section(operation, components, examples.get(operation.name))
    inventories = _inventories(listed, components)
    for name in inventories:
        lines += _inventory(name, components.schemas[name])
    return "\n".join(lines).rstrip() + "\n"


def _section(operation: Operation, components: Components, example: Step | None) -> Iterator[str]:
    yield from (f"## {operation.name}", "", operation.summary, "")
    if operation.details:
        yield from (operation.details, "")
    for path in operation.paths:
        yield f"- `{operation.method} {path}`"
    answers = {"job": "202 with the job's location; its result later", "sync": "200 at once"}
    yield f"- Answers {answers[operation.mode]}" if operation.mode in answers else ""
    yield f"- Who may call: {WHO[operation.access]}"
    if operation.permissions:
        yield f"- Permission names: {', '.join(f'`{name}`' for name in operation.permissions)}"
    yield from (f"- Source: {operation.source}", "")
    if operation.fields:
        yield from (f"Fields for conditions: {', '.join(f'`{name}`' for name in operation.fields)}.", "")
    if operation.links:
        yield from (f"Links to other resources: {', '.join(f'`{name}.`' for name in operation.links)}.", "")
    if operation.parameters:
        yield from _parameter_table(operation, components)
    if operation.raises:
        yield from ("| Error | Class | When |", "|--|--|--|")
        for error in operation.raises:
            code = f"[{error.code}](../errors.md#{_anchor(error.code)})"
            yield f"| {code} | {error.__name__} | {error.reason} |"
        yield ""
    if example is not None:
        yield from _example(operation, example)


def _parameter_table(operation: Operation, components: Components) -> Iterator[str]:
    yield from ("| Parameter | Where | Type and limits | Required | |", "|--|--|--|--|--|")
    for p in operation.parameters:
        where = f"body, in `{operation.body_key}`" if p.place == "body" and operation.body_key else p.place
        note = _note(p.schema)
        needed = "yes" if p.required else ""
        yield f"| `{p.name}` | {where} | {type_text(p.schema, components)} | {needed} | {note} |"
        yield from _inner_rows(p, components)
    yield ""


def _inner_rows(parameter: Parameter, components: Components) -> Iterator[str]:
    """The rows of the objects that a list parameter is made of."""
    item = parameter.schema.get("items", {})
    name = item.get("$ref", "").removeprefix(REF)
    part = components.schemas.get(name, {})
    for inner, schema in part.get("properties", {}).items():
        needed = "yes" if inner in part.get("required", []) else ""
        note = _note(schema)
        yield f"| `{parameter.name}[].{inner}` | | {type_text(schema, components)} | {needed} | {note} |"


def _note(schema: Schema) -> str:
    """What a value means; of a list without a sentence of its own, what its parts mean."""
    note = schema.get("description") or schema.get("items", {}).get("description", "")
    return str(note).replace("|", "\\|")


def _example(operation: Operation, step: Step) -> Iterator[str]:
    yield from ("Example:", "", "```bash", curl(step), "```", "")
    if operation.mode == "job":
        yield f"The job's location comes with 202. Its poll answers {step.status}:"
    else:
        yield f"The answer is {step.status}:"
    answer = (
        step.answer if isinstance(step.answer, str) else json.dumps(step.answer, indent=2, ensure_ascii=False)
    )
    yield from ("", "```" if isinstance(step.answer, str) else "```json", answer.rstrip(), "```", "")


def curl(step: Step) -> str:
    """The call as a command line."""
    lines = [f'curl -X {step.method} "$ZSTACK{shown(step.path)}"']
    if step.session:
        lines.append('-H "Authorization: OAuth $SESSION"')
    lines += [f'-H "{name}: {shown(value)}"' for name, value in step.headers.items()]
    if step.body is not None:
        lines.append('-H "Content-Type: application/json"')
        text = json.dumps(shown(step.body), indent=2, ensure_ascii=False).replace("'", "'\\''")
        lines.append(f"-d '{text}'")
    return " \\\n  ".join(lines)


def _inventories(listed: list[Operation], components: Components) -> list[str]:
    """The inventories that these answers hold, with those inside them."""
    found = components.reached_from([operation.result for operation in listed])
    return [name for name in found if "x-java-class" in components.schemas[name]]


def _inventory(name: str, schema: Schema) -> Iterator[str]:
    yield from (f"## Inventory: {name}", "", schema["description"], "", "| Field | Type | |", "|--|--|--|")
    for field, part in schema["properties"].items():
        date = part.get("pattern", "").startswith("^[A-Z]")
        kind = "date" if date else type_text(part, Components())
        yield f"| `{field}` | {kind} | {_note(part)} |"
    yield ""


def _anchor(code: str) -> str:
    return code.lower().replace(".", "")


def settings_table(*, chinese: bool = False) -> str:
    """Every setting with its environment variable, default and meaning."""
    hints = get_type_hints(Settings, include_extras=True)
    lines = ["| 变量 | 默认值 | |" if chinese else "| Variable | Default | |", "|--|--|--|"]
    for f in dataclasses.fields(Settings):
        note = SETTINGS.get(f.name, "") if chinese else doc_of(hints[f.name]).replace("|", "\\|")
        if f.name != "given":
            lines.append(f"| `{f.name.upper()}` | {_default(f.default)} | {note} |")
    return "\n".join(lines)


def _default(value: object) -> str:
    if isinstance(value, ZoneInfo):
        value = value.key
    if isinstance(value, tuple):
        value = ",".join(str(item) for item in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return f"`{value}`" if str(value) else ""


def settings_passed_on(before: str) -> str:
    """The settings that compose takes from its own environment: all but those that the text before gives."""
    given = {*re.findall(r"^    (\w+): ", before, re.MULTILINE), *_OF_THE_CONTAINER, "GIVEN"}
    names = [f.name.upper() for f in dataclasses.fields(Settings)]
    return "\n".join(f"    {name}:" for name in names if name not in given)


def with_settings(text: str, name: str) -> str:
    """The file of this name with its list of settings brought up to date, if it has one."""
    for start, end in (_TABLE, _PASSED_ON):
        before, found, rest = text.partition(start)
        if found:
            chinese = ".zh-CN." in name
            made = settings_table(chinese=chinese) if start == _TABLE[0] else settings_passed_on(before)
            return f"{before}{start}\n{made}\n{end}{rest.partition(end)[2]}"
    return text
