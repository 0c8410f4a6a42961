"""The APIs that show an account's webhooks at a glance: receivers, deliveries, and one to try it with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from zstack_mgmt.core.errors import BadRequest, PermissionDenied
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import ResourceUuid, parse_moment
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Doc
from zstack_mgmt.webhooks import store
from zstack_mgmt.webhooks.model import CATEGORY, JAVA, DeliverySummary, Receiver

Since = Annotated[
    str,
    Field(min_length=10, max_length=40),
    Doc("ISO 8601, or `yyyy-MM-dd HH:mm:ss` in the server's zone: deliveries created then or later."),
]


class ListWebhookReceivers(ApiRequest):
    """List the receivers to which the account's webhooks went lately, with the state of each one's breaker.

    Counted are the deliveries that are still kept. A system administrator sees those of every account.

    Source: ours, so that a dead receiver is seen.
    """


@api(
    ListWebhookReceivers,
    http="GET /v1/webhooks/receivers",
    mode="sync",
    access="account",
    java=JAVA,
    category=CATEGORY,
    is_read=True,
    response_key="inventories",
    returns=Receiver,
)
async def list_receivers(call: Call, conn: Connection, request: ListWebhookReceivers) -> list[Receiver]:
    return await store.receivers(conn, None if call.is_admin else call.account_uuid)


class ListWebhookDeliveries(ApiRequest):
    """List the account's deliveries, the newest first; for a system administrator, those of every account.

    `before` the `id` of a page's last delivery begins the next page.

    RedeliverFailedWebhooks takes the same `since`, `receiver` and `accountUuid`.

    Source: ours.
    """

    state: Literal["pending", "delivered", "dead", "gone"] | None = None
    receiver: Annotated[
        Annotated[str, Field(max_length=2048)] | None, Doc("scheme://host:port, as in the list of receivers")
    ] = None
    since: Since | None = None
    account_uuid: Annotated[
        ResourceUuid | None, Doc("a system administrator's: the deliveries of this account alone")
    ] = None
    before: Annotated[
        Annotated[str, Field(max_length=64)] | None, Doc("the `id` below which the page starts")
    ] = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


@api(
    ListWebhookDeliveries,
    http="GET /v1/webhooks/deliveries",
    mode="sync",
    access="account",
    java=JAVA,
    category=CATEGORY,
    is_read=True,
    response_key="inventories",
    returns=DeliverySummary,
    raises=(BadRequest, PermissionDenied),
)
async def list_deliveries(
    call: Call, conn: Connection, request: ListWebhookDeliveries
) -> list[DeliverySummary]:
    check_whose(call, request.account_uuid)
    account = request.account_uuid if call.is_admin else call.account_uuid
    since = None if request.since is None else moment_of(request.since, call.services.settings.time_zone)
    return await store.deliveries(
        conn, account, request.state, request.receiver, since, request.before, request.limit
    )


def check_whose(call: Call, account_uuid: str | None, *, everybody: bool = False) -> None:
    """Deliveries of other accounts are for system administrators. Raises PermissionDenied."""
    if not call.is_admin and (everybody or account_uuid not in (None, call.account_uuid)):
        raise PermissionDenied("the deliveries of other accounts are open to system administrators only")


def moment_of(since: str, zone: ZoneInfo) -> datetime:
    """The moment that a `since` names. Raises BadRequest."""
    try:
        return parse_moment(since, zone)
    except ValueError:
        raise BadRequest(
            "parameter 'since': write 2026-01-31T12:00:00Z, or 2026-01-31 12:00:00 in the server's zone"
        ) from None


class SendTestWebhook(ApiRequest):
    """Do nothing, successfully: a job whose webhook, `X-Web-Hook`, tries out a receiver.

    Source: ours, so that a receiver can be tried without a change to anything.
    """


class WebhookTest(TypedDict):
    """What the receiver is sent."""

    test: bool


@api(
    SendTestWebhook,
    http="POST /v1/webhooks/tests",
    mode="job",
    access="account",
    java=JAVA,
    category=CATEGORY,
    response_key="",
)
async def send_test(call: Call, conn: Connection, request: SendTestWebhook) -> WebhookTest:
    return {"test": True}
