"""JSON Schemas of what goes over the wire, from the request models and the inventories."""

from __future__ import annotations

import inspect
import types
import typing
from typing import Any, Union, get_args, get_origin

import typing_extensions
from pydantic import TypeAdapter

from zstack_mgmt.core.inventory import INVENTORIES, Field, Inventory
from zstack_mgmt.core.registry import Answer, Api, ApiRequest
from zstack_mgmt.engine.model import State

Schema = dict[str, Any]
REF = "#/components/schemas/"
TAGS = ("systemTags", "userTags")
DATE: Schema = {
    "type": "string",
    "description": "`MMM d, yyyy h:mm:ss a` in the server's time zone",
    "pattern": r"^[A-Z][a-z]{2} \d{1,2}, \d{4,} \d{1,2}:\d{2}:\d{2} [AP]M$",
    "examples": ["Jan 1, 2017 9:31:07 AM"],
}
FREE: Schema = {"type": "object", "additionalProperties": True}
"""An object with any fields; without the second word generated clients take it for an empty one."""
_OF_JOBS: dict[Answer, Schema] = {
    "job": FREE | {"description": "What the call that made the job describes as its 200."},
    "accepted": {},
    "events": {
        "type": "object",
        "description": "one event",
        "properties": {
            "id": {"type": "string"},
            "event": {"type": "string", "enum": ["accepted", *get_args(State)[1:]]},
            "data": {"type": "string", "description": "JSON: when it happened, at the end the result"},
        },
        "required": ["id", "event", "data"],
    },
}
_PLAIN: dict[str, Schema] = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "object": FREE,
    "list": {"type": "array"},
    "date": DATE,
}


class Components:
    """The named schemas of one document. Naming one adds it, and what it refers to."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}

    def inventory(self, kind: type[Inventory]) -> Schema:
        """A reference to an inventory, with all the fields that are never null."""
        name = kind.meta.name
        if name not in self.schemas:
            self.schemas[name] = {}  # two inventories may refer to each other
            self.schemas[name] = {
                "type": "object",
                "description": inspect.cleandoc(kind.__doc__ or ""),
                "properties": {f.name: _noted(self._field(kind, f), f.doc) for f in kind.meta.fields},
                "required": [f.name for f in kind.meta.fields if not f.nullable],
                "x-java-class": kind.meta.java_class,
            }
        return {"$ref": REF + name}

    def value(self, hint: Any) -> Schema:
        """The schema of a value of this type, such as a handler's return value."""
        if typing_extensions.is_typeddict(hint) and _holds_inventory(hint):  # of which pydantic knows nothing
            parts = typing_extensions.get_type_hints(hint)
            return {
                "type": "object",
                "description": inspect.cleandoc(hint.__doc__ or ""),
                "properties": {name: self.value(part) for name, part in parts.items()},
                "required": sorted(hint.__required_keys__),
            }
        if get_origin(hint) in (Union, types.UnionType):
            inner = [arg for arg in get_args(hint) if arg is not type(None)]
            return self.value(inner[0]) if len(inner) == 1 else {"anyOf": [self.value(arg) for arg in inner]}
        if isinstance(hint, type) and issubclass(hint, Inventory):
            return self.inventory(hint)
        if get_origin(hint) is list:
            return {"type": "array", "items": self.value(get_args(hint)[0])}
        if hint is Any or hint is inspect.Signature.empty:
            return {}
        if get_origin(hint) is dict:
            return {"type": "object", "additionalProperties": self.value(get_args(hint)[1]) or True}
        adapter: TypeAdapter[Any] = TypeAdapter(typing.cast("Any", hint))
        return self.adopt(adapter.json_schema(by_alias=True, ref_template=REF + "{model}"))

    def adopt(self, schema: Schema) -> Schema:
        """A schema of pydantic's without its titles and nulls; its definitions become components."""
        for name, part in schema.pop("$defs", {}).items():
            self.schemas[name] = tidy(part)
        return tidy(schema)

    def choice(self, name: str, schema: Schema) -> Schema:
        """The schema of a choice, with its words in a schema of this name, if no other has taken that."""
        # The empty word, which ZStack's clients may send, means the default.
        words: Schema = {"type": "string", "enum": [word for word in schema["enum"] if word]}
        if self.schemas.setdefault(name, words) != words:
            return schema
        return {"$ref": REF + name} | {key: part for key, part in schema.items() if key not in words}

    def reached_from(self, value: Any) -> list[str]:
        """The names of the schemas that a value refers to, directly or through others."""
        found: dict[str, None] = {}

        def walk(part: Any) -> None:
            if isinstance(part, dict):
                inner = typing.cast("Schema", part)
                name = str(inner.get("$ref", "")).removeprefix(REF)
                if name in self.schemas and name not in found:
                    found[name] = None
                    walk(self.schemas[name])
                walk(list(inner.values()))
            elif isinstance(part, list):
                for one in typing.cast("list[Any]", part):
                    walk(one)

        walk(value)
        return list(found)

    def _field(self, kind: type[Inventory], field: Field) -> Schema:
        link = kind.meta.links.get(kind.meta.nested.get(field.name, ""))
        item = INVENTORIES[link.target] if link is not None and link.target in INVENTORIES else field.item
        if item is not None:
            inner = self.inventory(item)
            return {"type": "array", "items": inner} if field.kind == "list" else inner
        if field.choices:
            return {"type": "string", "enum": list(field.choices)}
        if field.kind == "list":
            part = get_args(_without_none(typing.get_type_hints(kind)[field.attribute]))
            return {"type": "array", "items": self.value(part[0]) if part else {}}
        return dict(_PLAIN[field.kind])


def type_text(schema: Schema, components: Components) -> str:
    """A schema in words.

    >>> type_text({"type": "array", "items": {"type": "string", "maxLength": 9}, "minItems": 1}, Components())
    'list of string, at most 9 characters; at least 1 of them'
    """
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(REF)
    if "enum" in schema:
        text = " or ".join(f"`{value}`" if value else "empty" for value in schema["enum"])
    elif schema.get("type") == "array":
        text = f"list of {type_text(schema.get('items', {}), components)}"
    else:
        text = str(schema.get("type", "any value"))
    limits = [
        words.format(schema[key])
        for key, words in (
            ("minLength", "at least {} characters"),
            ("maxLength", "at most {} characters"),
            ("minimum", "{} or more"),
            ("exclusiveMinimum", "more than {}"),
            ("maximum", "at most {}"),
            ("exclusiveMaximum", "less than {}"),
            ("pattern", "of the form `{}`"),
            ("minItems", "at least {} of them"),
            ("maxItems", "at most {} of them"),
            ("default", "`{}` by default"),
        )
        if key in schema and schema[key] != ""
    ]
    separator = "; " if schema.get("type") == "array" else ", "
    return separator.join([text, *limits]).replace("|", "\\|")


def parameters_of(components: Components, request: type[ApiRequest]) -> tuple[dict[str, Schema], list[str]]:
    """The properties of a request by their names on the wire, without the tags; and the required ones."""
    schema = components.adopt(request.model_json_schema(by_alias=True, ref_template=REF + "{model}"))
    properties = {
        wire: part
        for wire, part in sorted(schema.get("properties", {}).items(), key=_rank)
        if wire not in TAGS
    }
    return properties, [name for name in schema.get("required", []) if name in properties]


def result_of(components: Components, declared: Api) -> Schema:
    """The body that answers an API which succeeded."""
    java: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
    if declared.query is not None:
        rows: Schema = {"type": "array", "items": components.inventory(declared.query)}
        total: Schema = {"type": "integer", "minimum": 0}
        properties: dict[str, Schema] = {"inventories": rows, "total": total, "schema": java}
        return {"type": "object", "properties": properties, "required": ["schema"]}
    if declared.answer != "body":
        return _OF_JOBS[declared.answer]
    hint = typing.get_type_hints(declared.handler).get("return", Any)
    if hint is type(None) or hint is None:
        return {"type": "object", "maxProperties": 1, "properties": {"schema": java}}
    value = components.value(hint)
    if declared.response_key == "" and value == {} and declared.returns is not None:
        rows = {"type": "array", "items": components.inventory(declared.returns)}
        return {
            "type": "object",
            "properties": {"inventories": rows, "schema": java},
            "required": ["inventories", "schema"],
        }
    if declared.response_key == "":
        return value if value.keys() & {"properties", "$ref"} else FREE
    if value == {} and declared.returns is not None:
        value = components.inventory(declared.returns)
    return {
        "type": "object",
        "properties": {declared.response_key: value, "schema": java},
        "required": [] if _may_be_none(hint) else [declared.response_key],
    }


def tidy(schema: Any) -> Any:
    """Without titles, and without null: a parameter that is null counts as not given."""
    if isinstance(schema, list):
        return [tidy(part) for part in typing.cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    kept: Schema = {}
    for key, part in typing.cast("Schema", schema).items():
        if key == "properties":
            kept[key] = {name: tidy(inner) for name, inner in part.items()}
        elif key == "anyOf":
            parts = [tidy(inner) for inner in part if inner != {"type": "null"}]
            kept |= parts[0] if len(parts) == 1 else {"anyOf": parts}
        elif key != "title" and not (key == "default" and part in (None, [])):
            kept[key] = tidy(part)
    return kept


def _rank(property_: tuple[str, Schema]) -> int:
    """Which resource comes first, the uuid of a new one last; the others as they are declared."""
    return {"uuid": 0, "resourceUuid": 2}.get(property_[0], 1)


def _noted(schema: Schema, note: str) -> Schema:
    return schema | {"description": note} if note else schema


def _holds_inventory(hint: Any) -> bool:
    inner = typing_extensions.get_type_hints(hint).values() if typing_extensions.is_typeddict(hint) else ()
    parts = (*get_args(hint), *inner)
    return (isinstance(hint, type) and issubclass(hint, Inventory)) or any(map(_holds_inventory, parts))


def _may_be_none(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint)


def _without_none(hint: Any) -> Any:
    if not _may_be_none(hint):
        return hint
    return next(arg for arg in get_args(hint) if arg is not type(None))
