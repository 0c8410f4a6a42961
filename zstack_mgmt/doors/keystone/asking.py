"""One request at this door: its parts, who asks, and how it changes something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode

import orjson
from aiohttp import web

from zstack_mgmt.auth.sessions import token_hash
from zstack_mgmt.auth.standing import SessionCaller, caller_with, statements_of
from zstack_mgmt.config import UTC_ZONE
from zstack_mgmt.core.callers import ANONYMOUS
from zstack_mgmt.core.errors import BadRequest, InvalidSession, ResourceNotFound, TooBusy
from zstack_mgmt.core.registry import UNROUTED
from zstack_mgmt.core.values import is_uuid, new_uuid, parse_moment
from zstack_mgmt.db import Connection
from zstack_mgmt.doors.keystone.replies import Refusal, json_reply
from zstack_mgmt.doors.trace import TRACE
from zstack_mgmt.doors.wire import origin_of
from zstack_mgmt.engine.submission import Options, check_job_uuid
from zstack_mgmt.identity.roles.model import Authority
from zstack_mgmt.identity.tokens.model import Token
from zstack_mgmt.pool import BORROWER
from zstack_mgmt.service.invoke import Accepted, invoke
from zstack_mgmt.service.parts import Service
from zstack_mgmt.webhooks.egress import check_url

_WAIT_S = 30.0
_YES = frozenset({"", "1", "true", "True", "TRUE", "y", "Y", "yes", "on", "ON"})
_NO = frozenset({"0", "false", "False", "FALSE", "n", "N", "no", "off", "OFF"})
_OPERATORS = frozenset({"lt", "lte", "gt", "gte", "eq", "neq"})
MAX_LIMIT = 10_000


@dataclass(slots=True)
class Ask:
    """A request whose route is known. `ids` are the variables of its path."""

    request: web.Request
    service: Service
    ids: tuple[str, ...]
    query: Sequence[tuple[str, str]]
    body: dict[str, Any]
    bearer: Token | None = None
    secret: str = field(default="", repr=False)  # the bearer's token
    subject: Token | None = None  # what the bearer asks about; whether it may see it is not decided yet
    subject_secret: str = field(default="", repr=False)  # empty too for what can be no token

    @property
    def base(self) -> str:
        """The address of this door as the client has reached it."""
        return f"{origin_of(self.service.settings, self.request)}/v3"

    @property
    def token(self) -> Token:
        """Who asks. Raises InvalidSession when nobody does."""
        if self.bearer is None:
            raise InvalidSession("the request needs a token that is alive: send X-Auth-Token")
        return self.bearer

    @property
    def authority(self) -> Authority:
        return self.token.authority

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        return self.service.pool.acquire()

    def hashed(self, secret: str) -> bytes:
        return token_hash(self.service.services.sealer, secret)

    def text(self, name: str) -> str | None:
        """The last value of a query parameter."""
        return next((value for key, value in reversed(self.query) if key == name), None)

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.query)

    def flag(self, name: str) -> bool | None:
        """A yes or no of the query string. Raises BadRequest for what is neither."""
        value = self.text(name)
        if value is None:
            return None
        if value not in _YES | _NO:
            raise BadRequest(f"{name} must be true or false")
        return value in _YES

    def times(self, name: str) -> list[tuple[str, datetime]]:
        """Conditions such as `lt:2026-01-01T00:00:00Z`, all of them. Raises BadRequest."""
        found: list[tuple[str, datetime]] = []
        for key, value in self.query:
            if key != name:
                continue
            operator, colon, at = value.partition(":")
            if not colon or operator[:1].isdigit():
                operator, at = "eq", value
            if operator not in _OPERATORS:
                raise BadRequest(f"{name}: the operator must be one of {', '.join(sorted(_OPERATORS))}")
            try:
                found.append((operator, parse_moment(at, UTC_ZONE)))
            except ValueError:
                raise BadRequest(f"{name}: {at[:40]!r} is not a time") from None
        return found

    async def read_tokens(self) -> None:
        """Find the token that the request comes with, and the one that it is about, if they are alive."""
        self.secret = self.request.headers.get("X-Auth-Token", "").strip()
        if not self.secret:
            scheme, _, token = self.request.headers.get("Authorization", "").strip().partition(" ")
            self.secret = token.strip() if scheme.lower() == "oauth" else ""
        subject = self.request.headers.get("X-Subject-Token", "").strip()
        self.subject_secret = subject if len(subject) <= 64 and subject.isascii() else ""
        if 0 < len(self.secret) <= 64:
            hashed = self.hashed(self.secret)
            about = self.hashed(self.subject_secret) if self.subject_secret else hashed
            found = await self.service.tokens.find(BORROWER.get(), {hashed, about})
            self.bearer = found.get(hashed)
            self.subject = found.get(about) if self.subject_secret else None
        if self.bearer is not None:
            self.request[TRACE].account_uuid = self.bearer.account_uuid
            BORROWER.set(self.bearer.account_uuid)

    async def caller(self) -> SessionCaller:
        """The bearer with the policies that it has now."""
        bearer = self.token
        async with self.connection() as conn:
            statements = await statements_of(conn, bearer.account_uuid, bearer.user_uuid)
        return await caller_with(bearer.account_uuid, bearer.user_uuid, bearer.is_admin, statements)

    async def call(self, name: str, parameters: dict[str, Any], *, public: bool = False) -> Any:
        """Call a declared API that answers at once."""
        trace = self.request[TRACE]
        trace.api = name
        outcome = await invoke(
            self.service,
            UNROUTED[name],
            ANONYMOUS if public else await self.caller(),
            parameters,
            request_id=trace.request_id,
            remote=trace.remote,
        )
        return None if isinstance(outcome, Accepted) else outcome.value

    async def change(self, api: str, /, **parameters: Any) -> None:
        """Have a declared API change something, and wait for its end. Raises Refusal when it failed."""
        trace, headers = self.request[TRACE], self.request.headers
        trace.api = api
        hook = headers.get("X-Web-Hook")
        place, credential = self.authority.place, self.token.credential
        bound = {} if credential is None else {"credentialUuid": credential.uuid}
        outcome = await invoke(
            self.service,
            UNROUTED[api],
            await self.caller(),
            {**parameters, **bound, "scopeKind": place.kind, "scopeUuid": place.uuid},
            Options(
                job_uuid=headers.get("X-Job-UUID"),
                web_hook=None if hook is None else str(check_url(hook, self.service.settings)),
                wait_s=_WAIT_S,
            ),
            request_id=trace.request_id,
            remote=trace.remote,
        )
        if not isinstance(outcome, Accepted) or outcome.job is None:
            return
        trace.job_uuid, job = outcome.job_uuid, outcome.job
        if job.state == "succeeded":
            return
        if job.result is None:
            raise TooBusy(f"the change is not done yet; it goes on as job {job.uuid}")
        error = orjson.loads(job.result).get("error", {})
        raise Refusal(str(error.get("code", "")), str(error.get("details", "")))

    def new_id(self, number: int = 0) -> str:
        """The uuid of a resource that is to be made; the same for the repeats of one X-Job-UUID.

        Args:
            number: of the resource, where the call makes several.

        Raises BadRequest.
        """
        job_uuid = self.request.headers.get("X-Job-UUID")
        if job_uuid is None:
            return new_uuid()
        check_job_uuid(job_uuid)
        said = f"{job_uuid} {number}" if number else job_uuid
        digest = self.service.services.sealer.keyed_hash(said.encode(), "made by a job").hex()
        return f"{digest[:12]}4{digest[13:16]}a{digest[17:32]}"

    def page(self) -> tuple[str, int]:
        """Where a list is read from, and how many rows of it: the marker's, the page's and one more.

        Without a limit a page has MAX_LIMIT rows. Raises BadRequest.
        """
        marker, text = self.text("marker") or "", self.text("limit")
        limit = MAX_LIMIT
        if text is not None and text != "0":
            if not text.isascii() or not text.isdigit() or len(text) > 9:
                raise BadRequest("limit must be a whole number, not less than 0")
            limit = min(int(text), MAX_LIMIT)
        return marker, limit + 1 + bool(marker)

    def listed(
        self, plural: str, rows: Sequence[Any], id_of: Callable[[Any], str] = itemgetter("id")
    ) -> web.Response:
        """A page of a list of which rows were read as `page` says.

        Raises ResourceNotFound for a marker that is not in the list: what the token may not see is not.
        """
        marker, count = self.page()
        if marker and (not rows or id_of(rows[0]) != marker):
            raise ResourceNotFound(f"marker: the list has no {marker[:64]}")
        limit = count - 1 - bool(marker)
        rows = rows[bool(marker) :]
        return self._list(plural, rows[:limit], id_of(rows[limit - 1]) if len(rows) > limit else None)

    def listed_from(self, plural: str, everything: Iterable[Any]) -> web.Response:
        """The page of a list that is known as a whole."""
        marker, count = self.page()
        rows = sorted((one for one in everything if one["id"] >= marker), key=itemgetter("id"))
        return self.listed(plural, rows[:count])

    def listed_whole(self, plural: str, rows: Sequence[Any]) -> web.Response:
        """A list that has no pages."""
        return self._list(plural, rows, None)

    def _list(self, plural: str, rows: Sequence[Any], last: str | None) -> web.Response:
        """The list; with the id of its last row when there are more, and `links.next` leads to those."""
        origin = self.base.removesuffix("/v3")
        next_link = None
        if last is not None:
            query = [pair for pair in self.query if pair[0] != "marker"] + [("marker", last)]
            next_link = f"{origin}{self.request.rel_url.raw_path}?{urlencode(query)}"
        this = f"{origin}{self.request.rel_url.raw_path_qs}"
        body = {plural: list(rows), "links": {"next": next_link, "self": this, "previous": None}}
        return json_reply(body | ({"truncated": True} if last is not None else {}))

    def object(self, name: str) -> dict[str, Any]:
        """The object under this key of the body. Raises BadRequest."""
        value = self.body.get(name)
        if not isinstance(value, dict) or not value:
            raise BadRequest(f"the body must have an object {name!r} with attributes")
        return value  # pyright: ignore[reportUnknownVariableType]


def known_id(text: str, noun: str) -> str:
    """An id of a path that can be one. Raises ResourceNotFound."""
    if not is_uuid(text):
        raise ResourceNotFound(f"no {noun} has the id {text[:64]}")
    return text
