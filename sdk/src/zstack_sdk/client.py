"""Who calls which service, and how patiently."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

from zstack_sdk import conversation
from zstack_sdk.conversation import Conversation, OnWait, Outcome, Patience
from zstack_sdk.encoding import declared, encode, given, headers_of, job_of, record_of
from zstack_sdk.errors import ApiError, ZStackError
from zstack_sdk.exchange import Request
from zstack_sdk.record import AnyValue, Record
from zstack_sdk.result import Result
from zstack_sdk.signing import AccessKey

if TYPE_CHECKING:
    import ssl

    from zstack_sdk.action import Action
    from zstack_sdk.asynchronous import Asynchronous
    from zstack_sdk.blocking import Blocking

V = TypeVar("V", bound=Record)
DEFAULT_URL = "http://127.0.0.1:8080"
_BASE = "/zstack/v1"


class Client:
    """A service and the caller's credentials. Threads may share one; so may the tasks of one event loop.

    `with` and `async with` close its connections at the end. Asynchronous calls outside of `async with` keep
    no connections.

    Args:
        url: scheme://host[:port] of the service; by default ZSTACK_URL, else `http://127.0.0.1:8080`.
        session_id: the uuid that a login returned.
        access_key: signs each request instead.
        patience: how long to wait, and what for.
        tls: for `https`, if the system's certificates are not the right ones.
    """

    def __init__(
        self,
        url: str = "",
        *,
        session_id: str | None = None,
        access_key: AccessKey | None = None,
        patience: Patience | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.url = (url or os.environ.get("ZSTACK_URL") or DEFAULT_URL).rstrip("/")
        address = urlsplit(self.url)
        if address.scheme not in ("http", "https") or not address.hostname or address.query:
            raise ValueError(f"{self.url!r} is no address of a service: http://host:port")
        # The context path of ZStack's clients can be given, and need not.
        prefix = address.path.removesuffix("/v1").removesuffix("/zstack")
        self._base = prefix + _BASE
        self._origin = f"{address.scheme}://{address.netloc}"
        self.session_id = session_id
        self.access_key = access_key
        self.patience = patience or Patience()
        self._tls = tls
        self._blocking: Blocking | None = None
        self._asynchronous: Asynchronous | None = None

    # One call of an action.

    def call(self, action: Action[V], on_wait: OnWait | None = None) -> Result[V]:
        """Make the call and wait for its end; see `Action.call`."""
        return _result(action, self.transport.run(self._begin(action, on_wait=on_wait)))

    async def acall(self, action: Action[V], on_wait: OnWait | None = None) -> Result[V]:
        """The same in an event loop."""
        return _result(action, await self._async_transport.run(self._begin(action, on_wait=on_wait)))

    def submit(self, action: Action[Any]) -> str:
        """Make the call and do not wait for the end of its job: the job's uuid, for `wait`.

        Raises:
            ApiError: it was refused, so that there is no job.
        """
        return _accepted(self.transport.run(self._begin(action, wait=False)))

    async def asubmit(self, action: Action[Any]) -> str:
        """The same in an event loop."""
        return _accepted(await self._async_transport.run(self._begin(action, wait=False)))

    def wait(self, job_uuid: str, on_wait: OnWait | None = None) -> Result[AnyValue]:
        """Wait for the end of a job. Raises StillRunning after the patience's `wait_s`."""
        return _any_result(self.transport.run(self._wait(job_uuid, on_wait)))

    async def await_job(self, job_uuid: str, on_wait: OnWait | None = None) -> Result[AnyValue]:
        """The same in an event loop."""
        return _any_result(await self._async_transport.run(self._wait(job_uuid, on_wait)))

    # Sessions.

    def logged_in(self, session_id: str) -> Client:
        """A client like this one, with the session, on the same connections."""
        made = Client(
            self.url,
            session_id=session_id,
            access_key=None,
            patience=self.patience,
            tls=self._tls,
        )
        made._blocking, made._asynchronous = self.transport, self._asynchronous
        return made

    @contextmanager
    def login(self, account: str, password: str, user: str = "") -> Generator[Client]:
        """A session of an account, or of one of its users, that ends with the block.

        Raises:
            ApiError: ID.1000, the name or the password is wrong.
        """
        opened = self.logged_in(self.call(_login(account, password, user)).value.inventory.uuid)
        try:
            yield opened
        finally:
            opened.patience = replace(opened.patience, retry_s=0)
            with suppress(ZStackError):  # where the service is away, the session ends by itself
                opened.call(_logout())

    @asynccontextmanager
    async def alogin(self, account: str, password: str, user: str = "") -> AsyncGenerator[Client]:
        """The same in an event loop."""
        opened = self.logged_in((await self.acall(_login(account, password, user))).value.inventory.uuid)
        try:
            yield opened
        finally:
            opened.patience = replace(opened.patience, retry_s=0)
            with suppress(ZStackError):
                await opened.acall(_logout())

    # Connections.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        self._async_transport.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._async_transport.close()

    def close(self) -> None:
        """Close the idle connections of blocking calls."""
        if self._blocking is not None:
            self._blocking.close()

    @property
    def transport(self) -> Blocking:
        """What carries out blocking calls."""
        if self._blocking is None:
            from zstack_sdk.blocking import Blocking

            self._blocking = Blocking(self._origin, self._tls)
        return self._blocking

    @property
    def _async_transport(self) -> Asynchronous:
        if self._asynchronous is None:
            from zstack_sdk.asynchronous import Asynchronous

            self._asynchronous = Asynchronous(self._origin, self._tls)
        return self._asynchronous

    # How a call is put together.

    def request(self, action: Action[Any]) -> Request:
        """What a call sends, without the headers that say who calls."""
        api = declared(action)
        target, body = encode(api, given(action), action.sessionId or self.session_id)
        headers = headers_of(action) | ({"Content-Type": "application/json"} if body is not None else {})
        return Request(
            api.method,
            self._base + target,
            headers,
            body,
            timeout_s=self.patience.timeout_s,
            repeatable=api.is_repeatable,
        )

    def sign(self, method: str, target: str, session_id: str | None = None) -> dict[str, str]:
        """The headers that say who calls."""
        session_id = session_id or self.session_id
        if session_id:
            return {"Authorization": f"OAuth {session_id}"}
        if self.access_key is not None:
            path = target.partition("?")[0]
            return self.access_key.headers(method, path[path.index("/v1") :])
        return {}

    def poll_target(self, job_uuid: str) -> str:
        """Where a job is polled: at the client's own address, whatever the service takes for its."""
        return f"{self._base}/api-jobs/{job_uuid}"

    def _begin(
        self, action: Action[Any], *, wait: bool = True, on_wait: OnWait | None = None
    ) -> Conversation:
        session_id = action.sessionId
        return conversation.call(
            self.request(action),
            lambda method, target: self.sign(method, target, session_id),
            self.patience,
            self.poll_target,
            job_uuid=job_of(action),
            wait=wait,
            on_wait=on_wait,
        )

    def _wait(self, job_uuid: str, on_wait: OnWait | None) -> Conversation:
        return conversation.wait(job_uuid, self.sign, self.patience, self.poll_target, on_wait=on_wait)


def _result(action: Action[V], outcome: Outcome) -> Result[V]:
    value = record_of(action, outcome.body) if outcome.error is None else None
    return Result(value, outcome.error, outcome.job_uuid)


def _any_result(outcome: Outcome) -> Result[AnyValue]:
    value = AnyValue(outcome.body) if outcome.error is None else None
    return Result(value, outcome.error, outcome.job_uuid)


def _accepted(outcome: Outcome) -> str:
    if outcome.error is not None:
        raise ApiError(outcome.error, outcome.job_uuid)
    if not outcome.job_uuid:
        raise ValueError("this API makes no job: it is called with call()")
    return outcome.job_uuid


def _login(account: str, password: str, user: str) -> Action[Any]:
    from zstack_sdk.actions.sessions import LogInByAccountAction, LogInByUserAction

    if user:
        return LogInByUserAction(accountName=account, userName=user, password=password)
    return LogInByAccountAction(accountName=account, password=password)


def _logout() -> Action[Any]:
    from zstack_sdk.actions.sessions import LogOutAction

    return LogOutAction()


_default: list[Client] = []
_making = threading.Lock()


def configure(
    url: str = "",
    *,
    session_id: str | None = None,
    access_key: AccessKey | None = None,
    patience: Patience | None = None,
    tls: ssl.SSLContext | None = None,
) -> Client:
    """Set the client that actions are called with when they are given no other, and return it."""
    made = Client(url, session_id=session_id, access_key=access_key, patience=patience, tls=tls)
    with _making:
        _default[:] = [made]
    return made


def default_client() -> Client:
    """The client that `configure` has set; without one, that of ZSTACK_URL."""
    with _making:
        if not _default:
            _default.append(Client())
        return _default[0]
