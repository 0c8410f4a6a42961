"""What the OpenAPI document says of answers. Each body has a name, which generated clients give its class."""

from __future__ import annotations

from typing import Any

from zstack_mgmt.reference.operations import Operation
from zstack_mgmt.reference.schemas import FREE, REF, Components, Schema

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
_OF_JOBS = {"poll": "JobResult", "stream": "JobEvent"}
_EMPTY = REF + "EmptyResult"


def responses(components: Components, served: list[Operation]) -> dict[str, Any]:
    """What the operations of one path and method answer, by status."""
    first = served[0]
    modes = {o.mode for o in served}
    found: dict[str, Any] = {}
    if first.mode == "stream":
        content = {"text/event-stream": {"schema": _result(components, first)}}
        found["200"] = {"description": "The events.", "content": content}
    elif first.mode != "cancel":
        refs = {_result(components, o)["$ref"]: None for o in served}
        # A client that tries one after the other takes any body for the empty one.
        results: list[Schema] = [{"$ref": ref} for ref in sorted(refs, key=lambda ref: ref == _EMPTY)]
        schema = results[0] if len(results) == 1 else {"anyOf": results}
        text = "The result, if the client asked to wait for it." if modes == {"job"} else "The answer."
        found["200"] = {"description": text, "content": {"application/json": {"schema": schema}}}
    if modes & {"job", "poll", "cancel"}:
        found["202"] = {"$ref": "#/components/responses/Accepted"}
    statuses = ["400", "404", "405", *(["409"] if "cancel" in modes else []), "413", "503"]
    return found | {status: {"$ref": f"#/components/responses/{_ERRORS[status][0]}"} for status in statuses}


def _result(components: Components, operation: Operation) -> Schema:
    """A reference to the body of the answer, which is named after what is in it, or else after the API."""
    result = operation.result
    if "$ref" in result:
        return result
    parts = {name: part for name, part in result.get("properties", {}).items() if name != "schema"}
    if "schema" in result.get("properties", {}):
        result = result | {"properties": parts | {"schema": {"$ref": REF + "SchemaMap"}}}
    own = name = f"{operation.name}Result"
    if operation.fields:
        rows = {"type": "array", "items": _partial(components, parts["inventories"]["items"]["$ref"])}
        result = result | {"properties": result["properties"] | {"inventories": rows}}
    elif operation.mode in _OF_JOBS:
        name = _OF_JOBS[operation.mode]
    elif "properties" in result and not parts:
        name = _EMPTY.removeprefix(REF)
    elif len(parts) == 1:
        inside: Schema = parts.get("inventory") or parts.get("inventories", {}).get("items", {})
        if "$ref" in inside:
            name = f"{inside['$ref'].removeprefix(REF)}{'List' if 'inventories' in parts else ''}Result"
    if components.schemas.setdefault(name, result) != result:
        name = own
        components.schemas[name] = result
    return {"$ref": REF + name}


def _partial(components: Components, ref: str) -> Schema:
    """A reference to an inventory of which a query may have selected some fields only."""
    name = ref.removeprefix(REF)
    note = f"{name} as a query finds it: with all fields, or with those that `fields` names."
    whole = components.schemas[name]
    for field, part in whole["properties"].items():
        if "enum" in part:
            whole["properties"][field] = components.choice(name + field[:1].upper() + field[1:], part)
    rest = {key: part for key, part in whole.items() if key != "required"}
    components.schemas[f"Partial{name}"] = rest | {"description": note}
    return {"$ref": f"{REF}Partial{name}"}


def _error_response(status: str, text: str) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": text,
        "content": {
            "application/json": {"schema": {"$ref": REF + "Failure"}},
            "application/problem+json": {"schema": {"$ref": REF + "Problem"}},
        },
    }
    if status == "405":
        response["headers"] = {"Allow": {"schema": {"type": "string"}, "required": True}}
    if status == "503":
        response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "of SYS.1010"}}
    return response


_ACCEPTED: dict[str, Any] = {
    "description": "The job is stored, and has not ended yet.",
    "headers": {
        "Location": {"schema": {"type": "string"}},
        "Retry-After": {
            "schema": {"type": "integer"},
            "description": "seconds to wait before the next poll",
        },
        "X-Job-UUID": {"schema": {"type": "string"}},
    },
    "content": {"application/json": {"schema": {"$ref": REF + "JobLocation"}}},
}
RESPONSES: dict[str, Any] = {
    "Accepted": _ACCEPTED,
    **{name: _error_response(status, text) for status, (name, text) in _ERRORS.items()},
}
"""The responses that operations share."""

SCHEMAS: dict[str, Schema] = {
    "JobLocation": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "where the job can be polled"}},
        "required": ["location"],
    },
    "SchemaMap": {
        "type": "object",
        "description": "Class names of ZStack's by paths of the body, as its SDKs need them.",
        "additionalProperties": {"type": "string"},
    },
    "Failure": {
        "type": "object",
        "description": "The body of an error, and of a job that failed.",
        "properties": {"error": {"$ref": REF + "ErrorCode"}},
        "required": ["error"],
    },
    "ErrorCode": {
        "type": "object",
        "description": "What went wrong. The codes are listed in docs/errors.md.",
        "properties": {
            "code": {"type": "string", "pattern": r"^[A-Z_]+\.\d{4}$", "examples": ["SYS.1007"]},
            "description": {"type": "string", "description": "the same for every error of the code"},
            "details": {"type": "string", "maxLength": 4096, "description": "what is wrong in this case"},
            "opaque": FREE | {"description": "further facts, by name"},
            "cause": {"$ref": REF + "ErrorCode"},
        },
        "required": ["code", "description", "details"],
    },
    "Problem": {
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
    },
}
"""The bodies that are of no one API."""
