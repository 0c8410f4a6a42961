"""Declaring the APIs of a resource type: creation, changes, deletion and query follow from its inventory.

A type with a rule of its own passes a small function, or declares that API by hand with `Resource.action`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypedDict, TypeVar, Unpack

from pydantic import create_model

from zstack_mgmt.core.errors import ApiError, DuplicateResource, ResourceNotFound, existing
from zstack_mgmt.core.inventory import INVENTORIES, Inventory
from zstack_mgmt.core.registry import Access, ApiRequest, Call, Mode, api
from zstack_mgmt.core.requests import CreateRequest, DeleteRequest, StateRequest, UpdateRequest
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.query.declare import query_api
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.owners import is_visible, own, scope_of
from zstack_mgmt.resources.statements import change, columns_of, insertion
from zstack_mgmt.resources.tags import tag

T = TypeVar("T", bound=Inventory)
R = TypeVar("R", bound=ApiRequest)
U = TypeVar("U", bound=UpdateRequest)
Errors = tuple[type[ApiError], ...]
Handler = Callable[[Call, Any, R], Awaitable[Any]]


class Options(TypedDict, total=False):
    """What else `api` can be told."""

    also: tuple[str, ...]
    raises: Errors
    exclusive: tuple[str, ...]
    shared: tuple[str, ...]
    outside: bool
    rehearses: bool
    is_read: bool
    bare: bool
    response_key: str
    describe: Callable[[Mapping[str, Any]], dict[str, str]] | None
    revokes: bool


class Resource(Generic[T]):
    """The APIs of one resource type.

    Args:
        path: of all resources of the type; one of them has the path `<path>/{uuid}`.
        java: package of the message classes.
        access: who may change them. Who may query them is said there.
        source: of the APIs that are declared by a sentence only; `{api}` stands for the API's name.
        name: the word in the names of the APIs, if it is not the inventory's.
    """

    def __init__(
        self,
        kind: type[T],
        path: str,
        *,
        java: str,
        category: str,
        access: Access,
        source: str = "",
        name: str = "",
    ) -> None:
        self.kind = kind
        self.path = path
        self.java = java
        self.category = category
        self.access: Access = access
        self.source = source
        self.name = name or kind.meta.name

    def create(
        self,
        request: type[R],
        *,
        values: Callable[[Call, Connection, R], Awaitable[Mapping[str, Any]]] | None = None,
        also: tuple[str, ...] = (),
        raises: Errors = (DuplicateResource,),
    ) -> None:
        """Declare the creation. The parameters that are columns are stored; what they refer to must exist.

        Args:
            values: makes the type's own checks and returns further columns.
        """
        meta = self.kind.meta
        names = tuple(name for name in request.model_fields if name in columns_of(meta))
        references = self._references(names)

        async def create(call: Call, conn: Connection, request: R) -> T:
            for name, target in references.items():
                await check_reference(conn, call, target, getattr(request, name))
            more: Mapping[str, Any] = {} if values is None else await values(call, conn, request)
            stored = {name: getattr(request, name) for name in names}
            return await self.insert(call, conn, request, {**stored, **more})

        insertion(meta, ("uuid", *names))  # a declaration that does not fit its inventory fails at the start
        raises = (ResourceNotFound, *raises) if references else raises
        self.action(request, f"POST {self.path}", also=also, raises=raises, shared=tuple(references))(
            self._named(create, request.__name__)
        )

    async def insert(self, call: Call, conn: Connection, request: ApiRequest, values: Mapping[str, Any]) -> T:
        """Insert a row with the request's uuid and tags; the calling account owns it if the type is owned."""
        meta = self.kind.meta
        chosen = request.resource_uuid if isinstance(request, CreateRequest) else None
        uuid = chosen or new_uuid()
        mine = {"account_uuid": call.account_uuid} if "account_uuid" in columns_of(meta) else {}
        made = await rows.insert(conn, self.kind, {"uuid": uuid, **mine, **values})
        if meta.owned:
            await own(conn, call.account_uuid, uuid)
        await tag(conn, uuid, request)
        return made

    def update(
        self,
        request: type[U] | str,
        *,
        values: Callable[[Call, Connection, U], Awaitable[Mapping[str, Any]]] | None = None,
        path: str = "",
        raises: Errors = (ResourceNotFound,),
    ) -> None:
        """Declare the change of what the request has; a sentence stands for name and description.

        Args:
            values: makes the type's own checks and returns further columns.
            path: if it is not `<path>/{uuid}/actions`.
        """
        declared: type[Any] = self._request(UpdateRequest, f"Update{self.name}", request)
        names = [name for name in declared.model_fields if name in columns_of(self.kind.meta) - {"uuid"}]

        async def update(call: Call, conn: Connection, request: U) -> T:
            more: Mapping[str, Any] = {} if values is None else await values(call, conn, request)
            stored = {name: getattr(request, name) for name in names}
            given = {name: value for name, value in stored.items() if value is not None}
            return await rows.update(conn, self.kind, request.uuid, {**given, **more}, self._owner(call))

        self.action(
            declared, f"PUT {path or f'{self.path}/{{uuid}}/actions'}", raises=raises, exclusive=("uuid",)
        )(self._named(update, declared.__name__))

    def change_state(
        self,
        summary: str,
        *,
        then: Callable[[Call, Connection, T], Awaitable[None]] | None = None,
        revokes: bool = False,
    ) -> None:
        """Declare that it can be enabled and disabled.

        Args:
            then: what follows from the new state, in the same transaction.
        """
        declared = self._request(StateRequest, f"Change{self.name}State", summary)

        async def change_state(call: Call, conn: Connection, request: StateRequest) -> T:
            values = {"state": request.state}
            changed = await rows.update(conn, self.kind, request.uuid, values, self._owner(call))
            if then is not None:
                await then(call, conn, changed)
            return changed

        change(self.kind.meta, ("state",), scoped=False)
        path = f"PUT {self.path}/{{uuid}}/actions"
        self.action(declared, path, raises=(ResourceNotFound,), revokes=revokes)(
            self._named(change_state, declared.__name__)
        )

    def delete(
        self,
        summary: str,
        *,
        first: Callable[[Call, Connection, str], Awaitable[None]] | None = None,
        also: tuple[str, ...] = (),
        raises: Errors = (ResourceNotFound,),
        revokes: bool = False,
    ) -> None:
        """Declare the deletion; the deletion of what is gone succeeds.

        Args:
            first: is done before, whether or not the uuid is known.
        """
        declared = self._request(DeleteRequest, f"Delete{self.name}", summary)

        async def delete(call: Call, conn: Connection, request: DeleteRequest) -> None:
            if first is not None:
                await first(call, conn, request.uuid)
            await rows.delete(conn, self.kind, request.uuid, self._owner(call))

        self.action(
            declared, f"DELETE {self.path}/{{uuid}}", also=also, returns=None, raises=raises, revokes=revokes
        )(self._named(delete, declared.__name__))

    def query(self, *, access: Access, also: tuple[str, ...] = (), by_uuid: bool = True) -> None:
        """Declare the query. Of a type that is not owned, whoever has access sees all rows."""
        query_api(
            self.kind,
            http=f"GET {self.path}",
            access=access,
            java=self.java,
            category=self.category,
            name=f"Query{self.name}",
            also=also,
            by_uuid=by_uuid,
        )

    def action(
        self,
        request: type[R],
        http: str,
        *,
        mode: Mode = "job",
        access: Access | None = None,
        returns: type[Inventory] | None = Inventory,
        **options: Unpack[Options],
    ) -> Callable[[Handler[R]], Handler[R]]:
        """Declare an API of the type by hand: a decorator. It changes the type and returns it unless said."""
        return api(
            request,
            http=http,
            mode=mode,
            access=access or self.access,
            java=self.java,
            category=self.category,
            returns=self.kind if returns is Inventory else returns,
            **options,
        )

    def _owner(self, call: Call) -> str | None:
        return scope_of(call) if self.kind.meta.owned else None

    def _references(self, names: tuple[str, ...]) -> dict[str, str]:
        """The columns that hold the uuid of another resource, and the inventory it is of."""
        found: dict[str, str] = {}
        for link in self.kind.meta.links.values():
            if link.own_column in names and link.target_column == "uuid" and link.through is None:
                found.setdefault(link.own_column, link.target)  # of several to one column the first counts
        return found

    def _request(self, base: type[R], name: str, declared: type[R] | str) -> type[R]:
        if not isinstance(declared, str):
            return declared
        doc = f"{declared}\n\nSource: {self.source.format(api=name)}."
        return create_model(name, __base__=base, __module__=self.kind.__module__, __doc__=doc)

    def _named(self, handler: Handler[R], name: str) -> Handler[R]:
        """The handler as if it were written in the type's package, which is how its feature is known."""
        handler.__module__ = self.kind.__module__
        handler.__name__ = handler.__qualname__ = name
        if handler.__annotations__["return"] == "T":
            handler.__annotations__["return"] = self.kind
        return handler


async def check_reference(conn: Connection, call: Call, target: str, uuid: str | None) -> None:
    """Make sure that a resource exists, stays, and may be used by the caller; None refers to nothing.

    Raises: ResourceNotFound.
    """
    if uuid is None:
        return
    kind = INVENTORIES[target]
    usable = not kind.meta.owned or call.is_admin or await is_visible(conn, uuid, call.account_uuid)
    existing(await rows.find(conn, kind, uuid) if usable else None, kind.meta.noun, uuid)
