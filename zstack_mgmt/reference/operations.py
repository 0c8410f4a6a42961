"""All that the service answers under `/zstack/v1`, in one form: what the documents are written from."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from zstack_mgmt.core.errors import ApiError
from zstack_mgmt.core.registry import APIS, Access, Answer, Api
from zstack_mgmt.features import FEATURES
from zstack_mgmt.reference.schemas import Components, Schema, parameters_of, result_of

_MODES: dict[Answer, str] = {"job": "poll", "accepted": "cancel", "events": "stream"}
WHO: dict[Access, str] = {
    "public": "anybody; no session is needed",
    "admin": "system administrators",
    "account": "account sessions",
    "user": "account sessions, and users whose policies allow it",
    "session": "everybody with a session",
}
PREFIX = "/zstack/v1"
UUID: Schema = {"type": "string", "description": "32 lower-case hex digits"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; `place` is path, query or body."""

    name: str
    place: str
    schema: Schema
    required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One API with all that its documents say. Paths follow `/zstack/v1`."""

    name: str
    feature: str
    method: str
    paths: tuple[str, ...]
    mode: str  # job, sync; or poll, cancel, stream of a job
    access: Access
    summary: str
    details: str
    source: str
    parameters: tuple[Parameter, ...]
    result: Schema
    body_key: str = ""
    permissions: tuple[str, ...] = ()
    raises: tuple[type[ApiError], ...] = ()
    fields: tuple[str, ...] = ()  # that a query's conditions can name
    links: tuple[str, ...] = ()  # by which a query's conditions reach other inventories

    def of(self, place: str) -> list[Parameter]:
        """The parameters of a place."""
        return [p for p in self.parameters if p.place == place]


def operations(components: Components) -> list[Operation]:
    """All of them, the features in their order. Their schemas are added to `components`.

    Only the service's own features count, so that declarations made by a test stay out.
    """
    return [_of(components, d) for f in FEATURES for d in APIS.values() if d.feature == f]


def _of(components: Components, declared: Api) -> Operation:
    doc = inspect.cleandoc(declared.request.__doc__ or "")
    details = doc.partition("Source: ")[0].partition("\n")[2].strip()
    fields, links = _queryable(declared)
    return Operation(
        name=declared.name,
        feature=declared.feature,
        method=declared.method,
        paths=tuple(path.removeprefix("/v1") for path in declared.paths),
        mode=_MODES.get(declared.answer, declared.mode),
        access=declared.access,
        summary=declared.summary,
        details=details,
        source=declared.source,
        parameters=tuple(_parameters(components, declared)),
        result=result_of(components, declared),
        body_key=declared.body_key,
        permissions=declared.permissions,
        raises=declared.raises,
        fields=fields,
        links=links,
    )


def _parameters(components: Components, declared: Api) -> list[Parameter]:
    if declared.query is not None:
        path = [Parameter(name, "path", UUID, required=True) for name in declared.in_path]
        return [*path, *QUERY_PARAMETERS]
    properties, required = parameters_of(components, declared.request)
    rest = "query" if declared.method in ("GET", "DELETE") else "body"
    return [
        Parameter(name, "path" if name in declared.in_path else rest, schema, name in required)
        for name, schema in properties.items()
    ]


def _queryable(declared: Api) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if declared.query is None:
        return (), ()
    meta = declared.query.meta
    fields = [f.name for f in meta.fields if f.queryable and meta.computed.get(f.attribute) != ""]
    return (*fields, *meta.lists, *meta.aliases), tuple(meta.links)


def _query(name: str, schema: Schema, description: str) -> Parameter:
    return Parameter(name, "query", schema | {"description": description}, required=False)


_CONDITIONS: Schema = {"type": "array", "items": {"type": "string"}}
_COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
QUERY_PARAMETERS = (
    _query(
        "q",
        _CONDITIONS,
        "A condition: field, operator, value; all given ones must hold. Operators: "
        "`=` `!=` `>` `>=` `<` `<=` `?=` (one of a comma list) `!?=` `~=` (like, with `%` and `_`) `!~=` "
        "`is null` `not null`. `link.field` reaches other rows; `__userTag__`, `__systemTag__` name tags.",
    ),
    _query("condition", _CONDITIONS, "The same as `q`, in the manual's spelling."),
    _query("limit", _COUNT | {"default": 1000}, "Rows to return at most; more than 100000 count as 100000."),
    _query("start", _COUNT | {"default": 0}, "Rows to skip."),
    _query("count", {"type": "boolean"}, "Return `total` alone: how many rows match."),
    _query("replyWithCount", {"type": "boolean"}, "Return `total` beside the rows."),
    _query("groupBy", {"type": "string"}, "A field: one row for each of its values."),
    _query("sort", {"type": "string"}, "A field to order by, after `+` (ascending, the default) or `-`."),
    _query("sortBy", {"type": "string"}, "The field of `sort`, in the manual's spelling."),
    _query(
        "sortDirection", {"type": "string", "enum": ["asc", "desc"]}, "The direction that goes with `sortBy`."
    ),
    _query("fields", {"type": "string"}, "Fields to return, separated by commas; all by default."),
)
