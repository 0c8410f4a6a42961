"""The APIs of billing."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from zstack_mgmt.billing import spending, store, usage
from zstack_mgmt.billing.classes import describe
from zstack_mgmt.billing.model import Price
from zstack_mgmt.billing.units import canonical_resource, time_unit_ms, unit_bytes
from zstack_mgmt.core.errors import InvalidArgument, PermissionDenied, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.requests import DeleteRequest
from zstack_mgmt.core.values import Reference, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.sharing.owners import tag
from zstack_mgmt.query.declare import query_api

__all__ = ["usage"]  # imported for its subscriptions

JAVA = "org.zstack.billing"
Word = Annotated[str, StringConstraints(max_length=255)]
Moment = Annotated[int, Field(ge=0, le=2**63 - 1)]  # ms since 1970
job = partial(api, mode="job", access="admin", java=JAVA, category="billing")


class CreateResourcePrice(ApiRequest):
    """Set the price of a resource from `dateInLong` (ms; now by default) until a later one begins.

    `resourceName` is cpu, memory, rootVolume, dataVolume or snapShot in any case; `resourceUnit`, for all but
    cpu, b, k, m, g, t or p; `timeUnit` s, m, h, d or w. `accountUuid` is accepted and has no effect: prices
    hold for everybody.

    Source: manual, "CreateResourcePrice".
    """

    resource_name: Word
    resource_unit: Word | None = None
    time_unit: Word
    price: Annotated[Decimal, Field(ge=0, lt=10**12, decimal_places=30)]
    account_uuid: Reference | None = None
    date_in_long: Moment | None = None


@job(
    CreateResourcePrice,
    http="POST /v1/billings/prices",
    also=("/v1/billing/prices",),
    returns=Price,
    raises=(InvalidArgument,),
)
async def create_resource_price(call: Call, conn: Connection, request: CreateResourcePrice) -> Price:
    resource = canonical_resource(request.resource_name)
    time_unit_ms(request.time_unit)
    unit = None if resource == "cpu" else request.resource_unit
    if resource != "cpu":
        if not unit:
            raise InvalidArgument(f"the price of {resource} needs resourceUnit")
        unit_bytes(unit)
    date = await store.now_ms(conn) if request.date_in_long is None else request.date_in_long
    uuid = new_uuid()
    price = await store.insert_price(conn, uuid, resource, unit, request.time_unit, request.price, date)
    await tag(conn, uuid, request)
    return price


class DeleteResourcePrice(DeleteRequest):
    """Delete a price, as if it had never been. One that is gone already is no error.

    Source: manual, "DeleteResourcePrice".
    """


@job(
    DeleteResourcePrice,
    http="DELETE /v1/billings/prices/{uuid}",
    also=("/v1/billing/prices/{uuid}",),
    raises=(ResourceNotFound,),
)
async def delete_resource_price(call: Call, conn: Connection, request: DeleteResourcePrice) -> None:
    uuid = request.uuid_of("price")
    await store.delete_price(conn, uuid)


class CalculateAccountSpending(ApiRequest):
    """What an account spent from `dateStart` (0 by default) to `dateEnd` (now by default), both in ms.

    An account can ask for itself, the admin for any. The details list each stretch of use under each price;
    of a window with more than 20,000 stretches, one sum for each resource and price.

    Source: manual, "CalculateAccountSpending".
    """

    account_uuid: Reference
    date_start: Moment = 0
    date_end: Moment | None = None


@api(
    CalculateAccountSpending,
    http="PUT /v1/billings/accounts/{accountUuid}/actions",
    mode="sync",
    access="user",
    category="billing",
    java=JAVA,
    response_key="",
    describe=describe,
    raises=(PermissionDenied, ResourceNotFound),
)
async def calculate_account_spending(
    call: Call, conn: Connection, request: CalculateAccountSpending
) -> dict[str, Any]:
    if request.account_uuid != call.account_uuid and not call.is_admin:
        raise PermissionDenied("an account can calculate its own spending only")
    if not await store.account_exists(conn, request.account_uuid):
        raise ResourceNotFound(f"no account has the uuid {request.account_uuid}")
    return await spending.calculate(conn, request.account_uuid, request.date_start, request.date_end)


query_resource_price = query_api(
    Price,
    http="GET /v1/billings/prices",
    also=("/v1/billing/prices", "/v1/billing/prices/{uuid}"),
    access="user",
    category="billing",
    java=JAVA,
    name="QueryResourcePrice",
)
