"""The OpenAPI 3.1 document, written from the registry alone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import groupby
from typing import Any

import zstack_mgmt
from zstack_mgmt.core.registry import PATH_VARIABLE
from zstack_mgmt.features import FOLDERS, load
from zstack_mgmt.reference.answers import RESPONSES, SCHEMAS, responses
from zstack_mgmt.reference.operations import PREFIX, WHO, Operation, Parameter, operations
from zstack_mgmt.reference.schemas import REF, Components, Schema

_INTRODUCTION = """\
Accounts, users, policies, quotas, sharing, sessions and jobs of a private cloud, over ZStack's REST API.

Every change is an asynchronous job: the call answers 202 with the job's `location`. Poll that (`PollApiJob`)
until it answers 200 (done, with the body that the call describes as its own 200) or 503 (failed). Or send
`Prefer: wait=30` with the call to wait for the end, or name a receiver in `X-Web-Hook`. Reads answer 200 at
once.

`/v1` is another name of `/zstack/v1`. Unknown parameters are ignored, and a null counts as not given.
Conditions on text compare case-sensitively. Errors have the body `{"error": {...}}`, or that of RFC 9457 with
`Accept: application/problem+json`."""

_HEADERS: dict[str, tuple[str, Schema, str]] = {
    "jobUuid": (
        "X-Job-UUID",
        {"type": "string", "pattern": "^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$"},
        """The job's uuid, chosen by the client (version 4, no dashes). The same call under it is accepted
once, however often it is sent. `Idempotency-Key` is an alias.""",
    ),
    "webHook": (
        "X-Web-Hook",
        {"type": "string", "format": "uri", "maxLength": 2048},
        "Where the result is posted when the job ends: an address that the operator's rules allow.",
    ),
    "apiTimeout": (
        "X-API-Timeout",
        {"type": "integer", "minimum": 1, "maximum": 604800},
        "Seconds after which an unfinished job fails; 1800 by default.",
    ),
    "prefer": (
        "Prefer",
        {"type": "string", "examples": ["wait=10"]},
        "`wait=N`: answer when the job has ended, after N seconds at the latest (N ≤ 30).",
    ),
    "jsonSchema": (
        "X-JSON-Schema",
        {"type": "boolean"},
        "`true` adds `schema`, a map from paths of the body to class names, as ZStack's SDKs need it.",
    ),
    "lastEvent": ("Last-Event-ID", {"type": "string"}, "The id of the last event that was seen."),
}


def document() -> dict[str, Any]:
    """The document as JSON values."""
    load()
    components = Components()
    listed = _with_shared_choices(components, _with_one_name(operations(components)))
    components.schemas |= SCHEMAS
    queried = {path: o.name.removeprefix("Query") for o in listed if o.fields for path in o.paths}
    paths: dict[str, dict[str, Any]] = {}
    routes = sorted(
        ((path, o.method, o) for o in listed for path in o.paths), key=lambda route: (route[0], route[1])
    )
    for (path, method), group in groupby(routes, key=lambda route: (route[0], route[1])):
        served = [operation for _, _, operation in group]
        noun = queried.get(path.removesuffix("/actions"), "")
        paths.setdefault(path, {})[method.lower()] = _operation(components, path, served, noun)
    parameters: dict[str, Any] = {
        key: {"name": name, "in": "header", "schema": schema, "description": text}
        for key, (name, schema, text) in _HEADERS.items()
    }
    parameters |= {p.name: _parameter(p) for o in listed if o.fields for p in o.of("query")}
    used = components.reached_from([paths, parameters, RESPONSES])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "zstack-mgmt",
            "version": zstack_mgmt.__version__,
            "description": _INTRODUCTION,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": PREFIX}, {"url": "/v1", "description": "the same API"}],
        "security": [{"session": []}],
        "tags": [
            {"name": name, "description": _about(name)} for name in dict.fromkeys(o.feature for o in listed)
        ],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "session": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`OAuth <session uuid>`, with the uuid that the login returned",
                }
            },
            "parameters": parameters,
            "responses": RESPONSES,
            "schemas": {name: components.schemas[name] for name in sorted(used)},
        },
    }


def render() -> str:
    """The document as text, the same for the same registry."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


@cache
def cached() -> bytes:
    """The document as it is served: rendered when it is first asked for."""
    return render().encode()


def _with_one_name(listed: list[Operation]) -> list[Operation]:
    """The operations, with one name for one place of a path: OpenAPI tells paths by their shape."""
    named: dict[str, str] = {}
    for path in sorted((path for o in listed for path in o.paths), key=len):
        named.setdefault(PATH_VARIABLE.sub("{}", path), path)
    made: list[Operation] = []
    for o in listed:
        paths = tuple(named[PATH_VARIABLE.sub("{}", path)] for path in o.paths)
        ours, theirs = (PATH_VARIABLE.findall(" ".join(some)) for some in (o.paths, paths))
        names = dict(zip(ours, theirs, strict=True))
        renamed = tuple(
            replace(p, name=names.get(p.name, p.name)) if p.place == "path" else p for p in o.parameters
        )
        made.append(replace(o, paths=paths, parameters=renamed))
    return made


def _with_shared_choices(components: Components, listed: list[Operation]) -> list[Operation]:
    """The operations, with a schema of its own for what several APIs let one choose from under one name."""
    chosen = Counter((p.name, *p.schema["enum"]) for o in listed for p in o.parameters if "enum" in p.schema)

    def shared(p: Parameter) -> Parameter:
        if chosen[p.name, *p.schema.get("enum", ())] < 2:
            return p
        return replace(p, schema=components.choice(p.name[:1].upper() + p.name[1:], p.schema))

    return [replace(o, parameters=tuple(map(shared, o.parameters))) for o in listed]


def _about(feature: str) -> str:
    """The first line of what a feature says of itself."""
    module = import_module(f"zstack_mgmt.{FOLDERS[feature].replace('/', '.')}")
    return (module.__doc__ or "").partition("\n")[0]


def _operation(components: Components, path: str, served: list[Operation], noun: str) -> dict[str, Any]:
    """The entry of a path and method. Args: noun: what is queried where these operations act, if anything."""
    first = served[0]
    names = [o.name for o in served]
    named = f"ActOn{noun}" if noun and len(served) > 1 else "Or".join(names)
    variables = [p for p in first.of("path") if f"{{{p.name}}}" in path]
    by_key = bool(variables) and bool(first.fields)
    described = [_describe(o) for o in served]
    entry: dict[str, Any] = {
        "operationId": named + _suffix(first, path),
        "tags": [first.feature],
        "summary": " / ".join(o.summary for o in served),
        "description": "\n\n".join(described),
        "x-apis": names,
        "x-mode": first.mode if all(o.mode == first.mode for o in served) else "mixed",
        "x-access": first.access if all(o.access == first.access for o in served) else "mixed",
        "x-permission-names": [name for o in served for name in o.permissions],
    }
    if all(o.access == "public" for o in served):
        entry["security"] = []
    parameters = [_parameter(replace(p, required=True)) for p in variables]
    parameters += [
        {"$ref": f"#/components/parameters/{p.name}"} if first.fields else _parameter(p)
        for p in first.of("query")
        if not by_key or p.name == "fields"
    ]
    parameters += [{"$ref": f"#/components/parameters/{key}"} for key in _header_keys(first)]
    if parameters:
        entry["parameters"] = parameters
    if first.method in ("POST", "PUT"):
        entry["requestBody"] = _request_body(components, served)
    entry["responses"] = responses(components, served)
    return entry


def _suffix(operation: Operation, path: str) -> str:
    """What tells the operation at a further path from the one at its first."""
    at = operation.paths.index(path)
    if at == 0:
        return ""
    names = [p.name[:1].upper() + p.name[1:] for p in operation.of("path") if f"{{{p.name}}}" in path]
    by = f"By{'And'.join(names)}" if names else ""
    if at == 1 and names:
        return by
    words = PATH_VARIABLE.sub("", path).replace("-", "/").split("/")
    return f"{by}At{''.join(word.capitalize() for word in words)}"


def _describe(operation: Operation) -> str:
    lines = [f"**{operation.name}**: {operation.summary}"]
    if operation.details:
        lines.append(operation.details)
    lines.append(f"Who may call: {WHO[operation.access]}.")
    if operation.fields:
        lines.append(f"Fields for conditions: {', '.join(f'`{name}`' for name in operation.fields)}.")
    if operation.links:
        lines.append(f"Links to other resources: {', '.join(f'`{name}.`' for name in operation.links)}.")
    codes = dict.fromkeys(f"{error.code} ({error.__name__})" for error in operation.raises)
    if codes:
        lines.append(f"Errors: {', '.join(codes)}.")
    lines.append(f"Source: {operation.source}")
    return "\n\n".join(lines)


def _parameter(parameter: Parameter) -> dict[str, Any]:
    inner = dict(parameter.schema)
    entry: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
    }
    description = inner.pop("description", "")
    if description:
        entry["description"] = description
    return entry | {"schema": inner}


def _header_keys(operation: Operation) -> list[str]:
    match operation.mode:
        case "job":
            return ["jobUuid", "webHook", "apiTimeout", "prefer", "jsonSchema"]
        case "poll":
            return ["prefer", "jsonSchema"]
        case "stream":
            return ["lastEvent"]
        case "sync" if operation.feature != "jobs" and not operation.fields:
            return ["jsonSchema"]
        case _:
            return []


def _request_body(components: Components, served: list[Operation]) -> dict[str, Any]:
    refs: list[Schema] = []
    for operation in served:
        name = f"{operation.name}Body"
        inner = operation.of("body")
        needed = [p.name for p in inner if p.required]
        wrapped: Schema = {"type": "object", "properties": {p.name: p.schema for p in inner}}
        if needed:
            wrapped["required"] = needed
        components.schemas[f"{operation.name}Params"] = wrapped
        params = {"$ref": f"{REF}{operation.name}Params"}
        body: Schema = {"type": "object", "description": operation.summary}
        body["properties"] = {operation.body_key: params, "systemTags": _TAGS, "userTags": _TAGS}
        if needed or len(served) > 1:
            body["required"] = [operation.body_key]
        components.schemas[name] = body
        refs.append({"$ref": REF + name})
    schema = refs[0] if len(refs) == 1 else {"oneOf": refs}
    optional = len(served) == 1 and "required" not in components.schemas[f"{served[0].name}Body"]
    return {"required": not optional, "content": {"application/json": {"schema": schema}}}


_TAGS: Schema = {"type": "array", "items": {"type": "string", "maxLength": 2048}}
