"""The APIs that tell of addresses: which are taken, and which are free."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypeVar

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from zstack_mgmt.compute.networks import store
from zstack_mgmt.compute.networks.model import FreeIp, IpRange, L3Network, UsedIp, address
from zstack_mgmt.core.errors import InvalidArgument, ResourceNotFound, existing
from zstack_mgmt.core.inventory import Inventory
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import ExistingUuid
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Doc
from zstack_mgmt.query.declare import query_api
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.owners import is_visible

JAVA = "org.zstack.header.network.l3"
T = TypeVar("T", bound=Inventory)
AddressText = Annotated[str, StringConstraints(max_length=64)]


class GetFreeIp(ApiRequest):
    """List free addresses of an L3 network or of one of its ranges, the lowest first.

    Another call may take one before the caller does.

    Source: ZStack's L3 network API.
    """

    l3_network_uuid: ExistingUuid | None = None
    ip_range_uuid: ExistingUuid | None = None
    start: Annotated[AddressText, Doc("addresses from this one on")] = "0.0.0.0"
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


@api(
    GetFreeIp,
    http="GET /v1/l3-networks/{l3NetworkUuid}/ip/free",
    also=("/v1/l3-networks/ip-ranges/{ipRangeUuid}/ip/free",),
    mode="sync",
    access="user",
    java=JAVA,
    category="l3Network",
    is_read=True,
    response_key="inventories",
    returns=FreeIp,
    raises=(ResourceNotFound, InvalidArgument),
)
async def get_free_ip(call: Call, conn: Connection, request: GetFreeIp) -> list[FreeIp]:
    if request.ip_range_uuid is not None:
        await _visible(conn, call, IpRange, request.ip_range_uuid)
    else:
        await _visible(conn, call, L3Network, request.l3_network_uuid or "")
    start = int(address(request.start, "start"))
    return await store.free_addresses(
        conn, request.l3_network_uuid, request.ip_range_uuid, start, request.limit
    )


class CheckIpAvailability(ApiRequest):
    """Say whether an address of an L3 network is in one of its ranges and free.

    Source: ZStack's L3 network API.
    """

    l3_network_uuid: ExistingUuid
    ip: AddressText


class Availability(TypedDict):
    """Whether an address is free."""

    available: bool
    reason: NotRequired[str]  # why it is not


@api(
    CheckIpAvailability,
    http="GET /v1/l3-networks/{l3NetworkUuid}/ip/{ip}/availability",
    mode="sync",
    access="user",
    java=JAVA,
    category="l3Network",
    is_read=True,
    response_key="",
    raises=(ResourceNotFound, InvalidArgument),
)
async def check_ip_availability(call: Call, conn: Connection, request: CheckIpAvailability) -> Availability:
    network = await _visible(conn, call, L3Network, request.l3_network_uuid)
    value = int(address(request.ip, "ip"))
    reason = await store.why_not_free(conn, network.uuid, value)
    return {"available": True} if reason is None else {"available": False, "reason": reason}


async def _visible(conn: Connection, call: Call, kind: type[T], uuid: str) -> T:
    """The network or range, if the caller may use it. Raises ResourceNotFound."""
    usable = call.is_admin or await is_visible(conn, uuid, call.account_uuid)
    return existing(await rows.find(conn, kind, uuid, lock=None) if usable else None, kind.meta.noun, uuid)


query_ip_address = query_api(
    UsedIp,
    http="GET /v1/l3-networks/ip-address",
    access="user",
    java=JAVA,
    category="l3Network",
    name="QueryIpAddress",
    source="ZStack's L3 network API",
)
