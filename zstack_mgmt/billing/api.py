"""The APIs of billing."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from zstack_mgmt.billing import spending, store, usage
from zstack_mgmt.billing.classes import describe
from zstack_mgmt.billing.model import Price
from zstack_mgmt.billing.units import canonical_resource, time_unit_ms, unit_bytes
from zstack_mgmt.core.errors import InvalidArgument, PermissionDenied, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.values import ExistingUuid, Reference
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.accounts.model import Account
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource

__all__ = ["usage"]  # imported for its subscriptions

Word = Annotated[str, StringConstraints(max_length=255)]
Moment = Annotated[int, Field(ge=0, le=2**63 - 1)]  # ms since 1970
ALSO = "/v1/billing/prices"
prices = Resource(
    Price,
    "/v1/billings/prices",
    java="org.zstack.billing",
    category="billing",
    access="admin",
    source='manual, "{api}"',
    name="ResourcePrice",
)


class CreateResourcePrice(ApiRequest):
    """Set the price of a resource from `dateInLong` (ms; now by default) until a later one begins.

    `resourceName` is cpu, memory, rootVolume, dataVolume or snapShot, in any case. `resourceUnit`, which all
    but cpu need, is b, k, m, g, t or p. `timeUnit` is s, m, h, d or w. `accountUuid` is accepted without any
    effect, because prices hold for every account.

    Source: manual, "CreateResourcePrice".
    """

    resource_name: Word
    resource_unit: Word | None = None
    time_unit: Word
    price: Annotated[Decimal, Field(ge=0, lt=10**12, decimal_places=30)]
    account_uuid: Reference | None = None
    date_in_long: Moment | None = None


async def checked_price(call: Call, conn: Connection, request: CreateResourcePrice) -> dict[str, Any]:
    """The columns in the product's spelling. Raises InvalidArgument for what has no price or no such unit."""
    resource = canonical_resource(request.resource_name)
    time_unit_ms(request.time_unit)
    unit = None if resource == "cpu" else request.resource_unit
    if resource != "cpu":
        if not unit:
            raise InvalidArgument(f"the price of {resource} needs resourceUnit")
        unit_bytes(unit)
    date = await store.now_ms(conn) if request.date_in_long is None else request.date_in_long
    return {"resource_name": resource, "resource_unit": unit, "date_in_long": date}


prices.create(CreateResourcePrice, values=checked_price, also=(ALSO,), raises=(InvalidArgument,))
prices.delete(
    "Delete a price, as if it had never been. One that is gone already is no error.",
    also=(f"{ALSO}/{{uuid}}",),
)


class CalculateAccountSpending(ApiRequest):
    """What an account spent from `dateStart` (0 by default) to `dateEnd` (now by default), both in ms.

    An account can ask for itself, the admin for any. The details list each stretch of use under each price;
    of a window with more than 20,000 stretches, one sum for each resource and price.

    Source: manual, "CalculateAccountSpending".
    """

    account_uuid: ExistingUuid
    date_start: Moment = 0
    date_end: Moment | None = None


@prices.action(
    CalculateAccountSpending,
    "PUT /v1/billings/accounts/{accountUuid}/actions",
    mode="sync",
    access="user",
    returns=None,
    response_key="",
    describe=describe,
    raises=(PermissionDenied, ResourceNotFound),
)
async def calculate_account_spending(
    call: Call, conn: Connection, request: CalculateAccountSpending
) -> dict[str, Any]:
    if request.account_uuid != call.account_uuid and not call.is_admin:
        raise PermissionDenied("an account can calculate its own spending only")
    await rows.get(conn, Account, request.account_uuid, lock=None)
    return await spending.calculate(conn, request.account_uuid, request.date_start, request.date_end)


prices.query(access="user", also=(ALSO, f"{ALSO}/{{uuid}}"))
