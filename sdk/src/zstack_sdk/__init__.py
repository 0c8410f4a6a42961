"""The Python SDK of zstack-mgmt: every API of its `zstack/v1` as a class.

    >>> from zstack_sdk import QueryZoneAction, configure  # doctest: +SKIP
    >>> action = QueryZoneAction()
    >>> action.conditions = ["state=Enabled"]
    >>> action.sessionId = session
    >>> action.call().value.inventories

Importing this package is cheap: an action's module is read when it is first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zstack_sdk.action import Action as Action
    from zstack_sdk.action import QueryAction as QueryAction
    from zstack_sdk.actions import *  # noqa: F403
    from zstack_sdk.client import Client as Client
    from zstack_sdk.client import configure as configure
    from zstack_sdk.client import default_client as default_client
    from zstack_sdk.conversation import Patience as Patience
    from zstack_sdk.errors import ApiError as ApiError
    from zstack_sdk.errors import ConnectionFailed as ConnectionFailed
    from zstack_sdk.errors import ErrorCode as ErrorCode
    from zstack_sdk.errors import MissingParameter as MissingParameter
    from zstack_sdk.errors import StillRunning as StillRunning
    from zstack_sdk.errors import UnexpectedReply as UnexpectedReply
    from zstack_sdk.errors import ZStackError as ZStackError
    from zstack_sdk.record import Record as Record
    from zstack_sdk.result import Result as Result
    from zstack_sdk.signing import AccessKey as AccessKey

__version__ = "0.1.0"

_PLACES = {
    "action": ("Action", "QueryAction"),
    "client": ("Client", "configure", "default_client"),
    "conversation": ("Patience",),
    "errors": (
        "ApiError",
        "ConnectionFailed",
        "ErrorCode",
        "MissingParameter",
        "StillRunning",
        "UnexpectedReply",
        "ZStackError",
    ),
    "record": ("Record",),
    "result": ("Result",),
    "signing": ("AccessKey",),
}
_HOME = {name: module for module, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__all__":  # of `from zstack_sdk import *`, which reads every module
        return _public()
    module = _HOME.get(name)
    if module is None and name.endswith("Action"):
        from zstack_sdk.apis import data

        entry = data()["apis"].get(name.removesuffix("Action"))
        module = entry and f"actions.{entry['feature']}"
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"zstack_sdk.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *_public()])


def _public() -> list[str]:
    from zstack_sdk.apis import names

    return [*_HOME, *(f"{name}Action" for name in names())]
