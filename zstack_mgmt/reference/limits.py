"""docs/limits.md: every limit that callers meet, with its error, from the declarations."""

from __future__ import annotations

import pkgutil
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import zstack_mgmt
from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import ApiError
from zstack_mgmt.doc import Bound, doc_of
from zstack_mgmt.reference.operations import Operation
from zstack_mgmt.reference.schemas import Components, Schema, type_text

_NOT_LIMITED = ("zstack_mgmt.doors", "zstack_mgmt.drivers", "zstack_mgmt.local", "zstack_mgmt.__main__")
_UUID = "string, at most 255 characters"
_FEW = 6  # APIs, that are listed by name
_LIMITS = ("maxLength", "minLength", "maximum", "minimum", "exclusiveMinimum", "maxItems", "minItems")


def limits_page(listed: list[Operation], components: Components, errors: list[type[ApiError]]) -> str:
    """The page: settings, what is fixed, and the parameters."""
    by_name = {error.__name__: error for error in errors}
    settings = _rows(Settings, Settings(), by_name, named=True)
    fixed = [row for module in _modules() for row in _rows(module, module, by_name, named=False)]
    refused = _link(by_name["BadRequest"])
    lines = [
        "# Limits",
        "",
        "Quotas, which each account has of its own, are read with",
        "[GetAccountQuotaUsage](api/quotas.md#getaccountquotausage); what exceeds one fails with",
        f"{_link(by_name['QuotaExceeded'])}.",
        "As the result of a job every error answers 503, whatever its own status.",
        "",
        "The quota `text.size`, ours, is of the bytes that are kept of what an account's people have",
        "written: names, descriptions and content of policies, users, groups, scheduler jobs and",
        "triggers, and the tags of all that the account owns. Jobs and deliveries, which go after a",
        "while, have a limit of their own, `MAX_ACCOUNT_KEPT_BYTES`.",
        "",
        "## Set by the operator",
        "",
        "| Variable | Default | Limits | Error past it |",
        "|--|--|--|--|",
        *settings,
        "",
        "## Fixed",
        "",
        "| Limits | Value | Error past it |",
        "|--|--|--|",
        *sorted(fixed, key=str.lower),
        "",
        "## Parameters",
        "",
        f"A parameter outside its limits is refused with {refused}, and nothing is stored.",
        "",
        "| Parameter | Type and limits | Of |",
        "|--|--|--|",
        *_parameters(listed, components),
    ]
    return "\n".join(lines) + "\n"


def _modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(zstack_mgmt.__path__, "zstack_mgmt."):
        if not found.name.startswith(_NOT_LIMITED):
            yield import_module(found.name)


def _rows(declared: Any, values: Any, errors: dict[str, type[ApiError]], *, named: bool) -> Iterator[str]:
    """A row for each variable of a class or module that is marked as a bound."""
    for name, hint in get_type_hints(declared, include_extras=True).items():
        marks = get_args(hint) if get_origin(hint) is Annotated else ()
        bound = next((mark for mark in marks if isinstance(mark, Bound)), None)
        if bound is not None:
            value = format(getattr(values, name), ".15g")
            past = _link(errors[bound.error]) if bound.error else ""
            cells = [f"`{name.upper()}`", value, doc_of(hint)] if named else [doc_of(hint), value]
            yield f"| {' | '.join([*cells, past])} |"


def _parameters(listed: list[Operation], components: Components) -> Iterator[str]:
    """One row for each parameter and set of limits, with the APIs that have it, or with their number."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for operation in listed:
        for parameter in operation.parameters:
            schema = {key: part for key, part in parameter.schema.items() if key != "default"}
            text = type_text(schema, components)
            if _is_limited(schema) and not (text == _UUID and parameter.name.lower().endswith("uuid")):
                link = f"[{operation.name}](api/{operation.feature}.md#{operation.name.lower()})"
                found[parameter.name, text].append(link)
    yield f"| `uuid`, and all whose names end in `Uuid` | {_UUID} | every API that has it |"
    for (name, text), links in sorted(found.items(), key=lambda item: item[0][0].lower()):
        of = ", ".join(links) if len(links) <= _FEW else f"{len(links)} APIs"
        yield f"| `{name}` | {text} | {of} |"


def _is_limited(schema: Schema) -> bool:
    return any(key in schema for key in _LIMITS) or ("items" in schema and _is_limited(schema["items"]))


def _link(error: type[ApiError]) -> str:
    anchor = error.code.lower().replace(".", "")
    return f"[{error.code}](errors.md#{anchor}) {error.__name__}, {error.status}"
