"""From an action to what is sent, and from what came back to a record."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote, urlencode

from zstack_sdk.apis import Api, api_of
from zstack_sdk.errors import MissingParameter
from zstack_sdk.record import Record, class_of

if TYPE_CHECKING:
    from zstack_sdk.action import Action

V = TypeVar("V", bound=Record)
_OPTIONS = ("sessionId", "webHook", "jobUuid", "apiTimeout")
_TAGS = ("systemTags", "userTags")


def declared(action: Action[Any] | type[Action[Any]]) -> Api:
    """What is known of the API of an action."""
    kind = action if isinstance(action, type) else type(action)
    return api_of(kind.__name__.removesuffix("Action"))


def job_of(action: Action[Any]) -> str:
    """The uuid of the job that the call makes, the same at every call; empty for an API without jobs."""
    if declared(action).mode != "job":
        return ""
    if action.jobUuid is None:
        action.jobUuid = new_job_uuid()
    return action.jobUuid


def new_job_uuid() -> str:
    """A random uuid, version 4, without dashes."""
    digits = secrets.token_hex(16)
    return f"{digits[:12]}4{digits[13:16]}{'89ab'[int(digits[16], 16) % 4]}{digits[17:]}"


def given(action: Action[Any]) -> dict[str, Any]:
    """The parameters that were set, with the tags."""
    return {name: value for name, value in vars(action).items() if value is not None and name not in _OPTIONS}


def headers_of(action: Action[Any]) -> dict[str, str]:
    """The headers of a job's call, without those that say who calls."""
    job = job_of(action)
    if not job:
        return {}
    found = {"X-Job-UUID": job}
    if action.webHook is not None:
        found["X-Web-Hook"] = action.webHook
    if action.apiTimeout is not None:
        found["X-API-Timeout"] = str(action.apiTimeout)
    return found


def encode(api: Api, parameters: dict[str, Any], session_id: str | None) -> tuple[str, bytes | None]:
    """The path below `/zstack/v1` with its query, and the body of a call with these parameters.

    Raises:
        MissingParameter: a required one is not there.
    """
    rest = dict(parameters)
    path = api.path
    for parameter in api.parameters:
        if parameter.place == "path":
            value = rest.pop(parameter.name, None)
            if value is None and parameter.name == "sessionUuid":
                value = session_id  # the manual's LogOutAction and ValidateSessionAction name no other
            if value is None:
                raise MissingParameter(f"{api.name} needs {parameter.name}")
            path = path.replace(f"{{{parameter.name}}}", quote(str(value), safe=""))
        elif parameter.required and parameter.name not in rest:
            raise MissingParameter(f"{api.name} needs {parameter.name}")
    if api.method in ("GET", "DELETE"):
        pairs = [pair for name, value in rest.items() for pair in _pairs(api, name, value)]
        return (f"{path}?{urlencode(pairs)}" if pairs else path), None
    tags = {name: rest.pop(name) for name in _TAGS if name in rest}
    body = {api.body_key: rest} if api.body_key else rest
    return path, json.dumps(body | tags, ensure_ascii=False, default=str).encode()


def record_of(action: Action[V], body: dict[str, Any]) -> V:
    """The answer of an action's API."""
    api = declared(action)
    return cast("V", class_of(api.value)(body, api.parts))


def _pairs(api: Api, name: str, value: Any) -> list[tuple[str, str]]:
    if api.query and name == "conditions":
        return [("q", str(each)) for each in value]
    if api.query and name == "fields":
        return [("fields", value if isinstance(value, str) else ",".join(value))]
    if isinstance(value, list | tuple):
        return [(name, _text(each)) for each in cast("list[Any]", value)]
    return [(name, _text(value))]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict) else str(value)
