"""The registry of APIs. Routes, validation, permissions and documents derive from one declaration each."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache, cached_property, wraps
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar, cast, get_args

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError
from pydantic import Field as PydanticField
from pydantic.fields import FieldInfo

from zstack_mgmt.config import Settings
from zstack_mgmt.core.callers import AccountCaller, Caller
from zstack_mgmt.core.errors import ApiError, BadRequest, ResourceNotFound
from zstack_mgmt.core.inventory import Inventory
from zstack_mgmt.core.values import NamesResource, is_uuid, wire_name
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.turns import Turns

Mode = Literal["sync", "job"]
Access = Literal["public", "admin", "account", "user", "session"]
"""Who may call: anybody; SystemAdmin accounts; account sessions; these and users whose policies allow it;
whoever has a session.
"""
Answer = Literal["body", "job", "accepted", "events"]
"""What a sync API answers with: its value, a job as it stands, that a job is to end, a stream of events."""
R = TypeVar("R", bound="ApiRequest")

MAX_TAG_BYTES: Annotated[int, Doc("bytes of a tag in UTF-8"), Bound("BadRequest")] = 2048


def _tag(text: str) -> str:
    if len(text.encode()) > MAX_TAG_BYTES:
        raise ValueError(f"a tag has at most {MAX_TAG_BYTES} bytes in UTF-8")
    return text


Tag = Annotated[
    str, StringConstraints(max_length=MAX_TAG_BYTES, strip_whitespace=False), AfterValidator(_tag)
]


MAX_TAGS: Annotated[int, Doc("tags of one kind in a call"), Bound("BadRequest")] = 100
MAX_ITEMS: Annotated[int, Doc("items of a list in a call, tags aside"), Bound("BadRequest")] = 1000
VALIDATION_ONLY = "ephemeral::validationOnly"
"""The system tag of a call that is to be checked and to change nothing. The manual does not name it."""


class ApiRequest(BaseModel):
    """Parameters of one API.

    Python's snake_case is the wire's camelCase; unknown fields are ignored; text is trimmed.
    """

    model_config = ConfigDict(
        alias_generator=wire_name,
        validate_by_name=True,
        validate_by_alias=True,
        extra="ignore",
        frozen=True,
        str_strip_whitespace=True,
        ser_json_inf_nan="constants",
        defer_build=True,  # most processes validate few of the APIs
    )

    # A factory: pydantic copies a default that is a list, in Python, for each call.
    system_tags: list[Tag] = PydanticField(default_factory=list)
    user_tags: list[Tag] = PydanticField(default_factory=list)

    def completed(self, caller: Caller) -> Self:
        """The request with what follows from the caller; most have nothing of the kind."""
        return self

    def takes_rights(self) -> bool:
        """Whether this call of an API that `revokes` does so."""
        return True

    @classmethod
    def restore(cls, stored: str, secrets: str | None) -> Self:
        """The request that was stored as this JSON. It was valid then, and is not validated again."""
        values: dict[str, Any] = orjson.loads(stored)
        for name, adapter in _adapters(cls).items():
            if name in values:
                values[name] = adapter.validate_python(values[name])
        if secrets is not None:
            values |= orjson.loads(secrets)
        given = set(values)
        for name, make in _factories(cls):  # pydantic would look at the signature of each, every time
            values.setdefault(name, make())
        return cls.model_construct(_fields_set=given, **values)


@cache
def _factories(kind: type[ApiRequest]) -> list[tuple[str, Callable[[], Any]]]:
    """The fields whose default is made anew for each request."""
    fields = kind.model_fields.items()
    return [(name, cast("Callable[[], Any]", f.default_factory)) for name, f in fields if f.default_factory]


@cache
def _adapters(kind: type[ApiRequest]) -> dict[str, TypeAdapter[Any]]:
    """What turns JSON into the values of those fields that hold more than JSON has."""
    fields = kind.model_fields.items()
    return {
        n: TypeAdapter[Any](f.annotation) for n, f in fields if f.annotation and not _is_json(f.annotation)
    }


def _is_json(annotation: Any) -> bool:
    if isinstance(annotation, type) and (issubclass(annotation, BaseModel | Decimal | datetime)):
        return False
    return all(_is_json(part) for part in get_args(annotation))


class Sealer(Protocol):
    """Keyed operations on secrets; `auth.secrets` has the real one."""

    def seal(self, clear: str, context: str) -> str: ...

    def open(self, sealed: str, context: str) -> str: ...

    def renewed(self, sealed: str, context: str) -> str | None: ...

    def keyed_hash(self, data: bytes, purpose: str) -> bytes: ...


class Hasher(Protocol):
    """Slow password hashing, off the event loop; `auth.passwords` has the real one."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, stored: str | None, password: str, client: str = "") -> bool: ...


class Reader(Protocol):
    """Answers queries; `query.reader` has the real one."""

    async def answer(self, query: Any, scope: Any) -> Any: ...


class Watcher(Protocol):
    """Waits for the ends of jobs; `engine.watch` has the real one."""

    leaving: bool

    def expecting(self, uuid: str) -> AbstractContextManager[asyncio.Event]: ...


class Doorbell(Protocol):
    """Tells other processes of new work and of ended jobs; `engine.bell` has the real one."""

    def ring(self, queue: Literal["jobs", "webhooks"]) -> None: ...

    def announce(self, uuids: list[str]) -> None: ...

    def changing_rights(self, accounts: Collection[str]) -> AbstractAsyncContextManager[None]: ...


@dataclass(frozen=True, slots=True)
class Services:
    """What a handler may use besides its connection; one per process."""

    settings: Settings
    sealer: Sealer
    hasher: Hasher
    explaining: Turns = field(default_factory=lambda: Turns(1), repr=False)  # of accounts, at what takes long
    # Only a process that answers calls has these: no handler of a job needs them.
    bell: Doorbell = field(default=None, repr=False)  # pyright: ignore[reportAssignmentType]
    watcher: Watcher = field(default=None, repr=False)  # pyright: ignore[reportAssignmentType]
    reader: Reader = field(default=None, repr=False)  # pyright: ignore[reportAssignmentType]
    forget_session: Callable[[str], None] = lambda _token: None  # drop a token from this process's cache


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an API: who makes it, in which request, and the services that its handler may use."""

    caller: Caller
    services: Services = field(repr=False, compare=False)
    request_id: str = ""
    remote: str = ""  # the client's address
    job_uuid: str = ""

    @property
    def account_uuid(self) -> str:
        return self.caller.account_uuid

    @property
    def user_uuid(self) -> str:
        """The user's uuid; of an account's own session that of the account."""
        return self.caller.user_uuid

    @property
    def is_admin(self) -> bool:
        """Whether the account is of type SystemAdmin."""
        return self.caller.is_admin

    @property
    def is_account_session(self) -> bool:
        return isinstance(self.caller, AccountCaller)


Handler = Callable[[Call, Any, Any], Awaitable[Any]]
"""(call, connection or Outside, request) -> Inventory, list of them, other JSON value or None."""


@dataclass(frozen=True, eq=False)
class Api:
    """One API as declared."""

    name: str  # `CreateZone`
    request: type[ApiRequest]
    method: str
    paths: tuple[str, ...]  # templates below /zstack, the first one canonical
    mode: Mode
    access: Access
    category: str  # first half of the permission name; empty: no policy can name it
    is_read: bool
    java_class: str
    body_key: str  # `params`, an action name, or empty for parameters in the query string
    response_key: str  # `inventory`, `inventories`, ...; empty: the handler's value is the whole body
    returns: type[Inventory] | None
    raises: tuple[type[ApiError], ...]
    outside: bool  # waits for more than the database: gets jobs.outside.Outside, a sync one Direct
    exclusive: tuple[str, ...]  # request fields whose uuids it changes: its jobs on one of them run in order
    shared: tuple[str, ...]  # request fields whose uuids it only uses
    feature: str
    summary: str
    source: str
    handler: Handler = field(repr=False)
    in_path: tuple[str, ...] = ()
    query: Any = None  # the inventory's class when this is a Query API
    rehearses: bool = False  # an outside handler that heeds the tag VALIDATION_ONLY itself
    bare: bool = False  # old clients send the parameters under an empty key or without a wrapper
    describe: Callable[[Mapping[str, Any]], dict[str, str]] | None = None  # schema map of an unusual body
    answer: Answer = "body"
    parser: Callable[[Mapping[str, Any]], Any] | None = None  # in place of validation; for queries
    revokes: bool = (
        False  # can take rights away: goes before jobs of the revoked, and is in force with its 202
    )

    @cached_property
    def permissions(self) -> tuple[str, ...]:
        """The strings that policies can match, in the manual's order."""
        if not self.category:
            return ()
        short = self.java_class.rpartition(".")[2]
        names = (f"{self.category}:{self.java_class}", f"{self.category}:{short}")
        return (f"{self.category}:read", *names) if self.is_read else names

    @cached_property
    def changes(self) -> bool:
        """Whether a call may change something, and is to be found in the audit trail."""
        return self.method != "GET" and not self.is_read

    @cached_property
    def target_name(self) -> str | None:
        """The parameter that names the resource: that of the path, else `uuid`, else `resourceUuid`."""
        names = [name for name in self.in_path if name != "sessionUuid"]
        return next((name for name in (*names, "uuid", "resourceUuid") if name in self._attributes), None)

    def target_of(self, request: ApiRequest) -> str | None:
        """The uuid of the resource that the request names, for the audit trail."""
        value = getattr(request, self._attributes[self.target_name]) if self.target_name else None
        return str(value)[:64] if value else None

    @cached_property
    def known(self) -> frozenset[str]:
        """The parameters by their names on the wire."""
        return frozenset(self._attributes)

    @cached_property
    def creates(self) -> bool:
        """Whether it makes a resource, with a uuid of the client's choice if there is one, and with tags."""
        info = self.request.model_fields.get("resource_uuid")
        return info is not None and not info.is_required()

    @cached_property
    def _attributes(self) -> dict[str, str]:
        """The attributes of the request by the parameters' names on the wire."""
        return {wire_name(name): name for name in self.request.model_fields}

    @cached_property
    def _numbers(self) -> tuple[str, ...]:
        """Wire names of the numeric parameters."""
        fields = self.request.model_fields.items()
        return tuple(wire_name(n) for n, f in fields if re.search(r"\b(int|float)\b", str(f.annotation)))

    def parse(self, values: Mapping[str, Any]) -> ApiRequest:
        """The validated request; BadRequest names the first parameter that is wrong.

        Clients in Go send every parameter of a call, those that were not set as empty text or 0. Where an
        optional parameter cannot have such a value, it is absent.
        """
        if self.parser is not None:
            return self.parser(values)
        for name, value in values.items():
            if not isinstance(value, list):
                continue
            most = MAX_TAGS if name in ("systemTags", "userTags") else MAX_ITEMS
            if len(value) > most:  # pyright: ignore[reportUnknownArgumentType]
                raise BadRequest(f"parameter {name!r}: List should have at most {most} items")
        for name in self._numbers:
            if isinstance(values.get(name), bool):
                raise BadRequest(f"parameter {name!r}: Input should be a number, not true or false")
        try:
            return self.request.model_validate(values)
        except ValidationError as error:
            unset = self._unset(error)
            if not unset:
                raise bad_request(error) from None
        return self.parse({name: value for name, value in values.items() if name not in unset})

    def _unset(self, error: ValidationError) -> set[str]:
        """The optional parameters that are wrong because they are empty text or 0."""
        wrong = error.errors(include_url=False, include_context=False)
        names = {str(each["loc"][0]) for each in wrong if len(each["loc"]) == 1 and _is_empty(each["input"])}
        return {name for name in names if not self._field(name).is_required()}

    def _field(self, name: str) -> FieldInfo:
        return self.request.model_fields[self._attributes.get(name, name)]


def _is_empty(value: Any) -> bool:
    return value.strip() == "" if isinstance(value, str) else value is not False and value == 0


APIS: dict[str, Api] = {}
"""Those of ZStack's REST API."""
UNROUTED: dict[str, Api] = {}
"""Those that other doors alone call."""
PATH_VARIABLE = re.compile(r"\{(\w+)\}")


def api(
    request: type[R],
    *,
    http: str,
    mode: Mode,
    access: Access,
    java: str,
    category: str = "",
    is_read: bool = False,
    also: tuple[str, ...] = (),
    body_key: str | None = None,
    response_key: str = "inventory",
    returns: type[Inventory] | None = None,
    raises: tuple[type[ApiError], ...] = (),
    outside: bool = False,
    exclusive: tuple[str, ...] | None = None,
    shared: tuple[str, ...] = (),
    query: Any = None,
    rehearses: bool = False,
    bare: bool = False,
    describe: Callable[[Mapping[str, Any]], dict[str, str]] | None = None,
    answer: Answer = "body",
    parser: Callable[[Mapping[str, Any]], Any] | None = None,
    revokes: bool = False,
    name: str = "",
) -> Callable[[Callable[[Call, Any, R], Awaitable[Any]]], Callable[[Call, Any, R], Awaitable[Any]]]:
    """Declare an API: `http` is its method and path, `java` the package of its message, `also` further paths.

    One with a method alone has no place in ZStack's REST API.

    `exclusive` defaults to the path's uuids and `resourceUuid`. Jobs that name the same uuid run in order.
    """

    def register(
        handler: Callable[[Call, Any, R], Awaitable[Any]],
    ) -> Callable[[Call, Any, R], Awaitable[Any]]:
        handler = _with_checked_uuids(handler, request)
        method, _, path = http.partition(" ")
        label = name or request.__name__
        in_path = tuple(dict.fromkeys(PATH_VARIABLE.findall(" ".join((path, *also)))))
        wires = {wire_name(f): f for f in request.model_fields}
        unknown = [v for v in in_path if v not in wires and query is None]
        if unknown or label in APIS or label in UNROUTED:
            raise TypeError(f"{label}: declared twice, or its request lacks the path variables {unknown}")
        keys = exclusive
        if keys is None:
            keys = tuple(wires[v] for v in (*in_path, "resourceUuid") if v in wires)
        doc = inspect.cleandoc(request.__doc__ or "")
        declared = Api(
            name=label,
            request=request,
            method=method,
            paths=(path, *also) if path else (),
            mode=mode,
            access=access,
            category=category,
            is_read=is_read or query is not None,
            java_class=f"{java}.API{label}Msg",
            body_key=_body_key(method, label) if body_key is None else body_key,
            response_key=response_key,
            returns=returns,
            raises=raises,
            outside=outside,
            rehearses=rehearses,
            exclusive=keys,
            shared=shared,
            feature=handler.__module__.split(".")[-2],
            summary=doc.partition("\n")[0],
            source=doc.partition("Source: ")[2].strip(),
            handler=handler,
            in_path=in_path,
            query=query,
            bare=bare,
            describe=describe,
            answer=answer,
            parser=parser,
            revokes=revokes,
        )
        (APIS if path else UNROUTED)[label] = declared
        return handler

    return register


def find_api(name: str) -> Api | None:
    """The API of this name, whatever door it is for; None when this release has none."""
    return APIS.get(name) or UNROUTED.get(name)


def _with_checked_uuids(
    handler: Callable[[Call, Any, R], Awaitable[Any]], request: type[R]
) -> Callable[[Call, Any, R], Awaitable[Any]]:
    """The handler, reached only by requests whose ExistingUuid fields have the form of a uuid.

    Others are the job's result, not refused at the door: what was never there is not found, as what is gone.
    """
    names = [name for name, info in request.model_fields.items() if _names_resource(info)]
    if not names:
        return handler

    @wraps(handler)
    async def checked(call: Call, means: Any, request: R) -> Any:
        for name in names:
            value: str | list[str] | None = getattr(request, name)
            for text in [value] if isinstance(value, str) else value or []:
                if not is_uuid(text):
                    raise ResourceNotFound(f"no resource has the uuid {text}")
        return await handler(call, means, request)

    return checked


def _names_resource(hint: Any) -> bool:
    if isinstance(hint, FieldInfo):
        return NamesResource() in hint.metadata or _names_resource(hint.annotation)
    marks: tuple[Any, ...] = getattr(hint, "__metadata__", ())
    return NamesResource() in marks or any(_names_resource(part) for part in get_args(hint))


def _body_key(method: str, name: str) -> str:
    if method == "POST":
        return "params"
    return name[0].lower() + name[1:] if method == "PUT" else ""


def bad_request(error: ValidationError) -> BadRequest:
    """The client's sentence for a failed validation: which parameter, what is wrong, never its value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(wire_name(str(part)) if isinstance(part, str) else str(part) for part in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    return BadRequest(f"parameter {where!r}: {what}" if where else what)
