"""The APIs of billing."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import PriceInventory
    from zstack_sdk.record import AnyValue, Empty, InventoryValue


class CreateResourcePriceAction(Action["InventoryValue[PriceInventory]"]):
    """Set the price of a resource from `dateInLong` (ms; now by default) until a later one begins.

    `resourceName` is cpu, memory, rootVolume, dataVolume or snapShot, in any case. `resourceUnit`,
    which all but cpu need, is b, k, m, g, t or p. `timeUnit` is s, m, h, d or w. `accountUuid` is
    accepted without any effect, because prices hold for every account.

    `POST /billings/prices`, a job. Who may call: system administrators.

    Errors: SYS.1007 (InvalidArgument).
    """

    resourceName: str
    """At most 255 characters."""

    resourceUnit: str | None = None
    """At most 255 characters."""

    timeUnit: str
    """At most 255 characters."""

    price: Any

    accountUuid: str | None = None
    """The uuid of a resource."""

    dateInLong: int | None = None
    """0 or more, at most 9223372036854775807."""


class DeleteResourcePriceAction(Action["Empty"]):
    """Delete a price, as if it had never been. One that is gone already is no error.

    `DELETE /billings/prices/{uuid}`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class CalculateAccountSpendingAction(Action["AnyValue"]):
    """What an account spent from `dateStart` (0 by default) to `dateEnd` (now by default), both in ms.

    An account can ask for itself, the admin for any. The details list each stretch of use under each
    price; of a window with more than 20,000 stretches, one sum for each resource and price.

    `PUT /billings/accounts/{accountUuid}/actions`. Who may call: account sessions, and users whose
    policies allow it.

    Errors: ID.1002 (PermissionDenied), SYS.1003 (ResourceNotFound).
    """

    accountUuid: str
    """The uuid of a resource."""

    dateStart: int | None = None
    """0 or more, at most 9223372036854775807, `0` by default."""

    dateEnd: int | None = None
    """0 or more, at most 9223372036854775807."""


class QueryResourcePriceAction(QueryAction["PriceInventory"]):
    """Find Prices by conditions on their fields, tags and links.

    `GET /billings/prices`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, resourceName, resourceUnit, timeUnit, price, dateInLong, createDate,
    lastOpDate.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
