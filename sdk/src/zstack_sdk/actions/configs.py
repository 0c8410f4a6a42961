"""The APIs of configs."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import GlobalConfigInventory
    from zstack_sdk.record import InventoryValue


class UpdateGlobalConfigAction(Action["InventoryValue[GlobalConfigInventory]"]):
    """Give a global configuration another value, which holds for what begins from then on.

    Without a value it goes back to its default.

    `PUT /global-configurations/{category}/{name}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    category: str
    """At most 255 characters."""

    name: str
    """At most 255 characters."""

    value: str | None = None
    """At most 255 characters."""


class QueryGlobalConfigAction(QueryAction["GlobalConfigInventory"]):
    """Find GlobalConfigs by conditions on their fields, tags and links.

    `GET /global-configurations`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, category, name, description, defaultValue, value.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
