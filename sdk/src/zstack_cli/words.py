"""From the words of a command to the parameters of an API."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from zstack_cli.messages import Messages
from zstack_sdk.apis import Api, Parameter

OPERATOR = re.compile(r"!\?=|\?=|!~=|~=|!=|>=|<=|=|>|<")
"""The operators of conditions, the longer ones first."""
_NULL = re.compile(r"[\w.]+ (is|not) null", re.IGNORECASE)
OPTIONS = (
    Parameter("systemTags", "body", "array", False),
    Parameter("userTags", "body", "array", False),
)


class BadWord(Exception):
    """A word means nothing; the message says why."""


class Split(NamedTuple):
    """A word at its operator."""

    name: str
    operator: str
    value: str


def split(word: str) -> Split:
    """A word at its first operator; without one it is all name.

    >>> split("name~=web%"), split("zone.name")
    (Split(name='name', operator='~=', value='web%'), Split(name='zone.name', operator='', value=''))
    """
    found = OPERATOR.search(word)
    if found is None:
        return Split(word, "", "")
    return Split(word[: found.start()], found[0], word[found.end() :])


def known(api: Api) -> dict[str, Parameter]:
    """The parameters that a command can name."""
    listed = [p for p in api.parameters if p.name != "conditions"]
    if not api.query:
        listed += OPTIONS
    if api.mode == "job":
        listed.append(Parameter("apiTimeout", "header", "integer", False))
    return {parameter.name: parameter for parameter in listed}


def parse(api: Api, words: Sequence[str], say: Messages) -> dict[str, Any]:
    """The parameters of a call.

    Raises:
        BadWord: a word is not of the form name=value, names nothing, or has a value of another type.
    """
    found: dict[str, Any] = {}
    conditions: list[str] = []
    parameters = known(api)
    for word in words:
        name, operator, value = split(word)
        if operator == "=" and name in parameters:
            found[name] = _value(parameters[name], value, say)
        elif api.query and (operator or _NULL.fullmatch(word)):
            conditions.append(word)
        elif not operator:
            raise BadWord(say("no_value", word=word))
        else:
            raise BadWord(say("unknown_parameter", api=api.name, name=name, hint=hint(name, parameters, say)))
    return found | ({"conditions": conditions} if conditions else {})


def hint(name: str, among: Any, say: Messages) -> str:
    """The end of a message: known names that resemble an unknown one."""
    lower = {each.lower(): each for each in among}
    close = difflib.get_close_matches(name.lower(), list(lower), n=3)
    return say("did_you_mean", names=", ".join(lower[each] for each in close)) if close else ""


def _value(parameter: Parameter, text: str, say: Messages) -> Any:
    if text.startswith("@") and parameter.kind in ("array", "object"):
        try:
            text = Path(text[1:]).read_text("utf-8")
        except (OSError, ValueError) as error:
            raise BadWord(say("bad_json", name=parameter.name, error=error)) from error
    try:
        match parameter.kind:
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}[text.lower()]
            case "array" if text.lstrip().startswith("["):
                return json.loads(text)
            case "array":
                return [part.strip() for part in text.split(",") if part.strip()]
            case "object":
                return json.loads(text)
            case _:
                return text
    except json.JSONDecodeError as error:
        raise BadWord(say("bad_json", name=parameter.name, error=error)) from error
    except (ValueError, KeyError) as error:
        kind = say.kind(parameter.kind)
        raise BadWord(say("bad_value", name=parameter.name, value=text, kind=kind)) from error
