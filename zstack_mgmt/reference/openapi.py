"""The OpenAPI 3.1 document, written from the registry alone."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from itertools import groupby
from typing import Any

import zstack_mgmt
from zstack_mgmt.core.registry import PATH_VARIABLE
from zstack_mgmt.features import load
from zstack_mgmt.reference.operations import LOCATION, PREFIX, WHO, Operation, operations
from zstack_mgmt.reference.schemas import REF, Components, Schema

_INTRODUCTION = """\
Accounts, users, policies, quotas, sharing, sessions and jobs of a private cloud, over ZStack's REST API.

Every change is an asynchronous job: the call answers 202 with the job's `location`. Poll that until it
answers 200 (done) or 503 (failed), send `Prefer: wait=30` to wait for the end, or name a receiver in
`X-Web-Hook`. Reads answer 200 at once.

`/v1` is another name of `/zstack/v1`. Unknown parameters are ignored, and a null counts as not given.
Conditions on text compare case-sensitively. Errors have the body `{"error": {...}}`, or that of RFC 9457 with
`Accept: application/problem+json`."""

_ERRORS = {
    "400": ("Malformed", "The request is malformed; nothing was stored."),
    "404": ("NotFound", "No such path, or no such job."),
    "405": ("MethodNotAllowed", "The path does not take the method; `Allow` lists those it takes."),
    "409": ("AlreadyFinal", "The job has ended already."),
    "413": ("TooLarge", "The body is larger than 1 MiB."),
    "503": (
        "Failed",
        """Refused or failed; `error.code` says why. ID.1001: no valid session. ID.1002: not permitted.
SYS.1010, with `Retry-After`: too busy, try again. A failed job answers with this status too.""",
    ),
}
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
        {"type": "string", "enum": ["true", "false"]},
        "`true` adds `schema`, a map from paths of the body to class names, as ZStack's SDKs need it.",
    ),
    "lastEvent": ("Last-Event-ID", {"type": "string"}, "The id of the last event that was seen."),
}


def document() -> dict[str, Any]:
    """The document as JSON values."""
    load()
    components = Components()
    listed = _with_one_name(operations(components))
    components.schemas["ErrorCode"] = _ERROR_CODE
    components.schemas["Problem"] = _PROBLEM
    paths: dict[str, dict[str, Any]] = {}
    routes = sorted(
        ((path, o.method, o) for o in listed for path in o.paths), key=lambda route: (route[0], route[1])
    )
    for (path, method), group in groupby(routes, key=lambda route: (route[0], route[1])):
        served = [operation for _, _, operation in group]
        paths.setdefault(path, {})[method.lower()] = _operation(components, path, served)
    return {
        "openapi": "3.1.0",
        "info": {"title": "zstack-mgmt", "version": zstack_mgmt.__version__, "description": _INTRODUCTION},
        "servers": [{"url": PREFIX}, {"url": "/v1", "description": "the same API"}],
        "security": [{"session": []}],
        "tags": [{"name": name} for name in dict.fromkeys(o.feature for o in listed)],
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
            "parameters": {
                key: {"name": name, "in": "header", "schema": schema, "description": text}
                for key, (name, schema, text) in _HEADERS.items()
            },
            "responses": {name: _error_response(status, text) for status, (name, text) in _ERRORS.items()},
            "schemas": dict(sorted(components.schemas.items())),
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


def _operation(components: Components, path: str, served: list[Operation]) -> dict[str, Any]:
    first = served[0]
    names = [o.name for o in served]
    variables = [p for p in first.of("path") if f"{{{p.name}}}" in path]
    suffix = _suffix(first, path)
    by_key = bool(variables) and bool(first.fields)
    described = [_describe(o) for o in served]
    entry: dict[str, Any] = {
        "operationId": "Or".join(names) + suffix,
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
    parameters = [_parameter(p.name, p.schema, "path", required=True) for p in variables]
    parameters += [
        _parameter(p.name, p.schema, "query", required=p.required)
        for p in first.of("query")
        if not by_key or p.name == "fields"
    ]
    parameters += [{"$ref": f"#/components/parameters/{key}"} for key in _header_keys(first)]
    if parameters:
        entry["parameters"] = parameters
    if first.method in ("POST", "PUT"):
        entry["requestBody"] = _request_body(components, served)
    entry["responses"] = _responses(served)
    return entry


def _suffix(operation: Operation, path: str) -> str:
    """What tells the operation at a further path from the one at its first."""
    at = operation.paths.index(path)
    if at == 0:
        return ""
    names = [p.name[:1].upper() + p.name[1:] for p in operation.of("path") if f"{{{p.name}}}" in path]
    return "By" + "And".join(names) if at == 1 and names else str(at + 1)


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


def _parameter(name: str, schema: Schema, place: str, *, required: bool) -> dict[str, Any]:
    inner = dict(schema)
    entry: dict[str, Any] = {"name": name, "in": place, "required": required}
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
        body: Schema = {"type": "object", "description": operation.summary}
        body["properties"] = {operation.body_key: wrapped, "systemTags": _TAGS, "userTags": _TAGS}
        if needed or len(served) > 1:
            body["required"] = [operation.body_key]
        components.schemas[name] = body
        refs.append({"$ref": REF + name})
    schema = refs[0] if len(refs) == 1 else {"oneOf": refs}
    optional = len(served) == 1 and "required" not in components.schemas[f"{served[0].name}Body"]
    return {"required": not optional, "content": {"application/json": {"schema": schema}}}


def _responses(served: list[Operation]) -> dict[str, Any]:
    first = served[0]
    modes = {o.mode for o in served}
    found: dict[str, Any] = {}
    if first.mode == "stream":
        found["200"] = {
            "description": "The events.",
            "content": {"text/event-stream": {"schema": first.result}},
        }
    elif first.mode != "cancel":
        results: list[Schema] = []
        for operation in served:
            if operation.result not in results:
                results.append(operation.result)
        schema = results[0] if len(results) == 1 else {"anyOf": results}
        text = "The result, if the client asked to wait for it." if modes == {"job"} else "The answer."
        found["200"] = {"description": text, "content": {"application/json": {"schema": schema}}}
    if modes & {"job", "poll", "cancel"}:
        found["202"] = {
            "description": "The job is stored, and has not ended yet.",
            "headers": {
                "Location": {"schema": {"type": "string"}},
                "Retry-After": {
                    "schema": {"type": "integer"},
                    "description": "seconds to wait before the next poll",
                },
                "X-Job-UUID": {"schema": {"type": "string"}},
            },
            "content": {"application/json": {"schema": LOCATION}},
        }
    statuses = ["400", "404", "405", *(["409"] if "cancel" in modes else []), "413", "503"]
    return found | {status: {"$ref": f"#/components/responses/{_ERRORS[status][0]}"} for status in statuses}


def _error_response(status: str, text: str) -> dict[str, Any]:
    error: Schema = {
        "type": "object",
        "properties": {"error": {"$ref": REF + "ErrorCode"}},
        "required": ["error"],
    }
    response: dict[str, Any] = {
        "description": text,
        "content": {
            "application/json": {"schema": error},
            "application/problem+json": {"schema": {"$ref": REF + "Problem"}},
        },
    }
    if status == "405":
        response["headers"] = {"Allow": {"schema": {"type": "string"}, "required": True}}
    if status == "503":
        response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "of SYS.1010"}}
    return response


_TAGS: Schema = {"type": "array", "items": {"type": "string", "maxLength": 2048}}
_ERROR_CODE: Schema = {
    "type": "object",
    "description": "What went wrong. The codes are listed in docs/errors.md.",
    "properties": {
        "code": {"type": "string", "pattern": r"^[A-Z_]+\.\d{4}$", "examples": ["SYS.1007"]},
        "description": {"type": "string", "description": "the same for every error of the code"},
        "details": {"type": "string", "maxLength": 4096, "description": "what is wrong in this case"},
        "opaque": {"type": "object", "description": "further facts, by name"},
        "cause": {"$ref": REF + "ErrorCode"},
    },
    "required": ["code", "description", "details"],
}
_PROBLEM: Schema = {
    "type": "object",
    "description": "The same, in the form of RFC 9457.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail", "code"],
}
