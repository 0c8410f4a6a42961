"""The generated part of the Python SDK: `actions/`, `inventories.py` and `apis.json` of `sdk/src/zstack_sdk`.

What a program calls is a class per API, with its parameters as typed attributes; what the SDK and the command
line need to know while they run is data.
"""

from __future__ import annotations

import dataclasses
import json
import keyword
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zstack_mgmt.core.inventory import INVENTORIES
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.features import load
from zstack_mgmt.query.catalog import describe
from zstack_mgmt.reference.operations import PREFIX, WHO, Operation, operations
from zstack_mgmt.reference.schemas import REF, Components, Schema, type_text

_HEAD = "# Written by `make docs` from the declarations of the service; changes here are lost.\n"
_ELSEWHERE = ("poll", "stream")  # what the client does by itself
_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
_UUID_NOTE = "The uuid of a resource that should exist."
_WIDTH = 104
_TAKEN = ("call", "acall", "Result")  # names that an action has itself


def write_sdk(folder: Path) -> None:
    """Write the generated files of the SDK below the folder, and remove those of features that are gone."""
    made = sdk_files()
    for name, text in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    for path in (folder / "actions").glob("*.py*"):
        if f"actions/{path.name}" not in made:
            path.unlink()


def sdk_files() -> dict[str, str]:
    """Name -> text of each generated file."""
    load()
    components = Components()
    listed = [_at_first_path(o) for o in operations(components) if o.mode not in _ELSEWHERE]
    records = _Records(components)
    features: dict[str, list[Operation]] = {}
    for operation in listed:
        features.setdefault(operation.feature, []).append(operation)
    made = {
        f"actions/{feature}.py": _actions_module(feature, ops, records, components)
        for feature, ops in features.items()
    }
    made["actions/__init__.py"] = '"""One class per API, in a module per feature."""\n'
    made["actions/__init__.pyi"] = _names_stub(features)
    made["apis.json"] = _apis_json(listed, records, components)
    made["inventories.py"] = records.module()
    return made


def _at_first_path(operation: Operation) -> Operation:
    """The API as the SDK calls it: by its first path, whose variables are the only ones."""
    rest = "query" if operation.method in ("GET", "DELETE") else "body"
    return dataclasses.replace(
        operation,
        parameters=tuple(
            p
            if p.place != "path" or f"{{{p.name}}}" in operation.paths[0]
            else dataclasses.replace(p, place=rest)
            for p in operation.parameters
            if p.place != "path" or not operation.fields
        ),
    )


class _Records:
    """The classes of what answers hold, as they are found in the answers."""

    def __init__(self, components: Components) -> None:
        self._components = components
        self.bodies: dict[str, str] = {}

    def type_of(self, schema: Schema, name: str) -> tuple[str, str]:
        """The type of a value of an answer, and the class of records in it; `name` for one without a name."""
        if "$ref" in schema:
            found = self._component(str(schema["$ref"]).removeprefix(REF))
            return found, found
        if schema.get("type") == "array":
            inner, part = self.type_of(schema.get("items", {}), name)
            return f"list[{inner}]", part
        if schema.get("properties"):
            self._add(name, schema, set(schema.get("required", ())))
            return name, name
        if schema.get("type") == "object":
            return "dict[str, Any]", ""
        return _SCALARS.get(str(schema.get("type")), "Any"), ""

    def value_of(self, operation: Operation) -> tuple[str, str, dict[str, str]]:
        """What an API answers: the type, the class, and the classes of its fields if the class has none."""
        result = operation.result
        if "$ref" in result:
            found = self._component(str(result["$ref"]).removeprefix(REF))
            return found, found, {}
        fields = {name: part for name, part in result.get("properties", {}).items() if name != "schema"}
        if not fields:
            return ("AnyValue" if "properties" not in result else "Empty"), *(
                ("AnyValue" if "properties" not in result else "Empty"),
                {},
            )
        only = next(iter(fields)) if len(fields) == 1 else ""
        if operation.fields:
            _, part = self.type_of(fields["inventories"], "")
            return f"QueryValue[{part}]", "QueryValue", {"inventories": part}
        if only in ("inventory", "inventories"):
            _, part = self.type_of(fields[only], f"{operation.name}Inventory")
            if part:
                kind = "InventoryValue" if only == "inventory" else "ListValue"
                return f"{kind}[{part}]", kind, {only: part}
        name = f"{operation.name}Value"
        self._add(name, {**result, "properties": fields}, set(result.get("required", ())))
        return name, name, {}

    def module(self) -> str:
        """The module with all the classes that were found."""
        head = f'''"""What the service answers with: resources, and the other objects of answers."""

{_HEAD}
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zstack_sdk.record import Record
'''
        return "\n\n".join([head, *(self.bodies[name] for name in sorted(self.bodies))])

    def _component(self, name: str) -> str:
        schema = self._components.schemas[name]
        java = "x-java-class" in schema
        label = f"{name}Inventory" if java and not name.endswith("Inventory") else name
        if label not in self.bodies:
            self._add(label, schema, set(schema.get("required", ())))
        return label

    def _add(self, label: str, schema: Schema, needed: set[str]) -> None:
        self.bodies[label] = ""  # two records may refer to each other
        lines = [f"class {label}(Record):", *_docstring(str(schema.get("description", "")) or label, 4), ""]
        parts: dict[str, str] = {}
        for name, field in schema["properties"].items():
            kind, part = self.type_of(field, f"{label}{name[:1].upper()}{name[1:]}")
            if part:
                parts[name] = part
            lines.append(f"    {name}: {kind}{'' if name in needed or kind == 'Any' else ' | None'}")
            note = str(field.get("description", ""))
            if note and "time zone" not in note and "enum" not in field:
                lines += _docstring(note, 4)
            elif "enum" in field:
                lines += _docstring(type_text(field, self._components).replace("\\|", "|"), 4)
        if parts:
            shown = ", ".join(f'"{name}": "{part}"' for name, part in parts.items())
            lines += ["", f"    _parts: ClassVar[Mapping[str, str]] = {{{shown}}}"]
        self.bodies[label] = "\n".join(lines) + "\n"


def _actions_module(feature: str, listed: list[Operation], records: _Records, components: Components) -> str:
    bodies = [_action(operation, records, components) for operation in listed]
    text = "\n\n".join(bodies)
    used = [
        name for name in ("Any", "Literal") if f"{name}[" in text or f"{name}]" in text or f": {name}" in text
    ]
    typing = ", ".join(["TYPE_CHECKING", *used])
    bases = [base for base in ("Action", "QueryAction") if f"({base}[" in text]
    own = [
        n for n in ("AnyValue", "Empty", "InventoryValue", "ListValue") if f"{n}[" in text or f'"{n}"' in text
    ]
    classes = sorted({name for name in records.bodies if f"{name}]" in text or f'"{name}"' in text})
    imports = [f"    from zstack_sdk.inventories import {name}" for name in classes]
    imports += [f"    from zstack_sdk.record import {', '.join(own)}"] if own else []
    checked = "\n".join(["if TYPE_CHECKING:", *imports]) + "\n" if imports else ""
    return f'''"""The APIs of {feature}."""

{_HEAD}
from __future__ import annotations

from typing import {typing if imports else ", ".join(used)}

from zstack_sdk.action import {", ".join(bases)}

{checked}

{text}'''


def _action(operation: Operation, records: _Records, components: Components) -> str:
    kind, _, parts = records.value_of(operation)
    base = f'QueryAction["{parts["inventories"]}"]' if operation.fields else f'Action["{kind}"]'
    lines = [f"class {operation.name}Action({base}):", *_docstring(_told(operation), 4)]
    if not operation.fields:
        for p in operation.parameters:
            required = p.required and not (p.place == "path" and p.name == "sessionUuid")
            lines += ["", f"    {p.name}: {_input(p.schema)}{'' if required else ' | None = None'}"]
            if keyword.iskeyword(p.name) or p.name in _TAKEN:
                raise TypeError(f"{operation.name}: an action cannot have the attribute {p.name}")
            note = _parameter_note(p.schema, components)
            lines += _docstring(note, 4) if note else []
    return "\n".join(lines) + "\n"


def _told(operation: Operation) -> str:
    how = {"job": ", a job", "cancel": ", which asks for the end of a job"}.get(operation.mode, "")
    told = [operation.summary]
    if operation.details:
        told.append(operation.details)
    told.append(f"`{operation.method} {operation.paths[0]}`{how}. Who may call: {WHO[operation.access]}.")
    if operation.fields:
        told.append(f"Fields for conditions: {', '.join(operation.fields)}.")
    if operation.links:
        told.append(f"Links: {', '.join(f'{link}.' for link in operation.links)}")
    codes = dict.fromkeys(f"{error.code} ({error.__name__})" for error in operation.raises)
    if codes:
        told.append(f"Errors: {', '.join(codes)}.")
    return "\n\n".join(told)


def _input(schema: Schema) -> str:
    """The type of a parameter."""
    choices = [value for value in schema.get("enum", ()) if value]
    if "const" in schema:
        choices = [schema["const"]]
    if choices:
        return f"Literal[{', '.join(json.dumps(value) for value in choices)}]"
    if schema.get("type") == "array":
        return f"list[{_input(schema.get('items', {}))}]"
    if schema.get("type") == "object" or "$ref" in schema:
        return "dict[str, Any]"
    return _SCALARS.get(str(schema.get("type")), "Any")


def _parameter_note(schema: Schema, components: Components) -> str:
    """What a parameter means, and its limits."""
    note = str(schema.get("description") or schema.get("items", {}).get("description", ""))
    if note.startswith(_UUID_NOTE):
        return "The uuid of a resource." if schema.get("type") != "array" else "The uuids of resources."
    limits = type_text(schema, components).replace("\\|", "|")
    if limits in ("string", "integer", "number", "boolean", "object", "any value"):
        limits = ""
    limits = limits.removeprefix("string, ").removeprefix("integer, ").removeprefix("number, ")
    limits = limits[:1].upper() + limits[1:]
    sentences = [s if s.endswith(".") else f"{s}." for s in (note[:1].upper() + note[1:], limits) if s]
    inner = components.schemas.get(str(schema.get("items", {}).get("$ref", "")).removeprefix(REF), {})
    if inner:
        sentences.append(f"Each has {', '.join(inner['properties'])}.")
    return " ".join(sentences)


def _docstring(text: str, indent: int) -> list[str]:
    """The lines of a docstring; paragraphs are filled."""
    pad = " " * indent
    text = text.replace("\\", "\\\\").replace('"""', "'''")
    paragraphs = [
        textwrap.wrap(" ".join(p.split()), _WIDTH - indent, break_long_words=False, break_on_hyphens=False)
        for p in text.split("\n\n")
    ]
    lines = [line for i, p in enumerate(paragraphs) for line in ([""] if i else []) + p]
    if len(lines) == 1 and not lines[0].endswith('"'):
        return [f'{pad}"""{lines[0]}"""']
    return [f'{pad}"""{lines[0]}', *(f"{pad}{line}" if line else "" for line in lines[1:]), f'{pad}"""']


def _names_stub(features: dict[str, list[Operation]]) -> str:
    lines = [f"{_HEAD}"]
    for feature, listed in features.items():
        for operation in listed:
            name = f"{operation.name}Action"
            lines.append(f"from zstack_sdk.actions.{feature} import {name} as {name}")
    return "\n".join(lines) + "\n"


def _apis_json(listed: list[Operation], records: _Records, components: Components) -> str:
    """The data: a line for each API and inventory, so that a change is seen in a difference."""
    query = next(o for o in listed if o.fields)
    standing = [
        {"name": "conditions", "in": "query", "type": "array", "doc": _flat(query.of("query")[0].schema)},
        *(
            _parameter(p.name, p.place, p.schema, required=False, components=components)
            for p in query.of("query")
            if p.name not in ("q", "condition", "sort")
        ),
    ]
    parts = [
        '"prefix": ' + json.dumps(PREFIX),
        '"queryParameters": ' + _lines(standing),
        '"apis": ' + _lines({o.name: _entry(o, records, components) for o in listed}),
        '"inventories": ' + _lines({entry["name"]: _metadata(entry) for entry in describe()}),
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _entry(operation: Operation, records: _Records, components: Components) -> dict[str, Any]:
    _, kind, parts = records.value_of(operation)
    entry: dict[str, Any] = {
        "feature": operation.feature,
        "method": operation.method,
        "path": operation.paths[0],
        "mode": operation.mode,
        "access": operation.access,
        "summary": operation.summary,
        "value": kind,
    }
    if parts:
        entry["parts"] = parts
    if operation.fields:
        return entry | {"query": APIS[operation.name].query.meta.name}
    if operation.body_key:
        entry["body"] = operation.body_key
    if operation.parameters:
        entry["params"] = [
            _parameter(
                p.name,
                p.place,
                p.schema,
                required=p.required and p.name != "sessionUuid",
                components=components,
            )
            for p in operation.parameters
        ]
    return entry


def _parameter(
    name: str, place: str, schema: Schema, *, required: bool, components: Components
) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "in": place, "type": schema.get("type", "any")}
    if required:
        entry["required"] = True
    choices = [value for value in schema.get("enum", ()) if value] or [
        schema[k] for k in ("const",) if k in schema
    ]
    if choices:
        entry["values"] = choices
    note = _parameter_note(schema, components)
    return entry | ({"doc": note} if note else {})


def _metadata(entry: dict[str, Any]) -> dict[str, Any]:
    """What a query of an inventory can name. Links that lead nowhere are left out."""
    fields = [f for f in entry["fields"] if f["queryable"]]
    found: dict[str, Any] = {
        "key": entry["primaryKey"],
        "fields": {f["name"]: f["type"] for f in fields},
        "values": {f["name"]: f["values"] for f in fields if "values" in f},
        "lists": [each["name"] for each in entry["lists"]],
        "links": {each["name"]: each["target"] for each in entry["links"] if each["target"] in INVENTORIES},
        "aliases": list(entry["aliases"]),
    }
    return {name: value for name, value in found.items() if value}


def _flat(schema: Schema) -> str:
    return str(schema.get("description", ""))


def _lines(value: Any) -> str:
    """JSON with a line for each part."""
    if isinstance(value, dict):
        inner: Iterator[str] = (f"{json.dumps(k)}: {_one_line(v)}" for k, v in value.items())  # pyright: ignore[reportUnknownVariableType]
        return "{\n" + ",\n".join(inner) + "\n}"
    return "[\n" + ",\n".join(_one_line(part) for part in value) + "\n]"


def _one_line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
