"""The APIs of webhooks. All are ours: the manual sends webhooks but shows nothing of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from zstack_mgmt.core.errors import BadRequest, PermissionDenied, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import Reference, ResourceUuid
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.jobs.reading import may_see
from zstack_mgmt.webhooks import overview, secrets, store
from zstack_mgmt.webhooks.model import CATEGORY, JAVA, WebhookDelivery, WebhookSecret

DAY_S = 86400
MAX_REDELIVERIES: Annotated[
    int, Doc("deliveries that one RedeliverFailedWebhooks sends again; its `more` asks for another"), Bound()
] = 10_000


class GetWebhookSecret(ApiRequest):
    """Read what is known of the secrets that sign the account's webhooks, but not their text.

    RotateWebhookSecret makes one and hands it out. Nothing is known before the first webhook or rotation.

    Source: ours; the signatures follow Standard Webhooks 1.0.0.
    """


@api(
    GetWebhookSecret,
    http="GET /v1/webhooks/secret",
    mode="sync",
    access="account",
    java=JAVA,
    category=CATEGORY,
    returns=WebhookSecret,
)
async def get_secret(call: Call, conn: Connection, request: GetWebhookSecret) -> WebhookSecret | None:
    return await secrets.describe(conn, call.account_uuid)


class RotateWebhookSecret(ApiRequest):
    """Replace the account's signing secret and read the new one; the old one signs along for a while.

    Its text is in this answer only. If the answer is lost, call again: no delivery goes unsigned meanwhile.

    Source: ours, so that receivers can change over without missing a delivery.
    """

    overlap_seconds: Annotated[int, Field(ge=0, le=7 * DAY_S)] = DAY_S


@api(
    RotateWebhookSecret,
    http="POST /v1/webhooks/secret/rotations",
    mode="sync",
    access="account",
    java=JAVA,
    category=CATEGORY,
    returns=WebhookSecret,
)
async def rotate_secret(call: Call, conn: Connection, request: RotateWebhookSecret) -> WebhookSecret:
    return await secrets.rotate(conn, call.services.sealer, call.account_uuid, request.overlap_seconds)


class GetWebhookDeliveries(ApiRequest):
    """Read how the delivery of a job's webhook stands, with the log of its attempts.

    Source: ours, so that a lost webhook is not a riddle.
    """

    uuid: Annotated[Reference, Doc("of the job")]


@api(
    GetWebhookDeliveries,
    http="GET /v1/api-jobs/{uuid}/deliveries",
    mode="sync",
    access="user",
    java=JAVA,
    category=CATEGORY,
    is_read=True,
    response_key="inventories",
    returns=WebhookDelivery,
    raises=(ResourceNotFound,),
)
async def get_deliveries(
    call: Call, conn: Connection, request: GetWebhookDeliveries
) -> list[WebhookDelivery]:
    await _check_visible(call, conn, request.uuid)
    return await _deliveries(call, conn, request.uuid)


class RedeliverWebhook(ApiRequest):
    """Deliver a job's webhook again: a new round of attempts with the same webhook-id and body.

    Source: ours.
    """

    uuid: Annotated[Reference, Doc("of the job")]


@api(
    RedeliverWebhook,
    http="POST /v1/api-jobs/{uuid}/deliveries/redeliver",
    mode="sync",
    access="user",
    java=JAVA,
    category=CATEGORY,
    response_key="inventories",
    returns=WebhookDelivery,
    raises=(ResourceNotFound,),
    outside=True,
)
async def redeliver(call: Call, work: Direct, request: RedeliverWebhook) -> list[WebhookDelivery]:
    async with work.transaction() as conn:
        await _check_visible(call, conn, request.uuid)
        row = await store.redeliver(conn, request.uuid)
        if row is None:
            raise ResourceNotFound(f"the job {request.uuid} has no webhook, or has not ended yet")
        await store.probe_now(conn, [(row["account_uuid"], row["receiver"])])
        deliveries = await _deliveries(call, conn, request.uuid)
    call.services.bell.ring("webhooks")
    return deliveries


class RedeliverFailedWebhooks(ApiRequest):
    """Deliver again what failed since a time: webhooks given up, refused with 410, or waiting for a retry.

    Answers `{"redelivered": n, "more": false}`; with `more`, call again: one call takes at most 10000. A
    system administrator may do so for another account, or for all of them.

    Source: ours, for a receiver that was away.
    """

    since: overview.Since
    receiver: Annotated[
        Annotated[str, Field(max_length=2048)] | None,
        Doc("scheme://host[:port] as in the deliveries' URLs; without it, every receiver."),
    ] = None
    account_uuid: Annotated[
        ResourceUuid | None, Doc("whose deliveries; of another account for a system administrator only")
    ] = None
    all_accounts: Annotated[bool, Doc("those of every account, for a system administrator only")] = False


class Redelivered(TypedDict):
    """What is sent again."""

    redelivered: int
    more: bool  # whether there are more


@api(
    RedeliverFailedWebhooks,
    http="POST /v1/webhooks/redeliveries",
    mode="sync",
    access="account",
    java=JAVA,
    category=CATEGORY,
    response_key="",
    raises=(BadRequest, PermissionDenied),
    outside=True,
)
async def redeliver_failed(call: Call, work: Direct, request: RedeliverFailedWebhooks) -> Redelivered:
    overview.check_whose(call, request.account_uuid, everybody=request.all_accounts)
    if request.all_accounts and request.account_uuid is not None:
        raise BadRequest("accountUuid and allAccounts exclude each other")
    account = None if request.all_accounts else request.account_uuid or call.account_uuid
    since = overview.moment_of(request.since, call.services.settings.time_zone)
    receiver = request.receiver.lower().rstrip("/") if request.receiver else None
    async with work.transaction() as conn:
        lanes = await store.redeliver_failed(conn, account, receiver, since, MAX_REDELIVERIES)
        await store.probe_now(conn, sorted(set(lanes)))
    call.services.bell.ring("webhooks")
    return {"redelivered": len(lanes), "more": len(lanes) == MAX_REDELIVERIES}


async def _check_visible(call: Call, conn: Connection, job_uuid: str) -> None:
    """Deliveries are for those who may see the job. Raises ResourceNotFound."""
    submitter = await store.submitter_of_job(conn, job_uuid)
    if submitter is None or not may_see(call, *submitter):
        raise ResourceNotFound(f"there is no job {job_uuid}")


async def _deliveries(call: Call, conn: Connection, job_uuid: str) -> list[WebhookDelivery]:
    row = await store.delivery_of_job(conn, job_uuid)
    if row is None:
        return []
    return [
        WebhookDelivery(
            id=row["id"],
            job_uuid=row["job_uuid"],
            url=row["url"],
            state=row["state"],
            attempts=row["attempts"],
            next_date=row["next_at"] if row["state"] == "pending" else None,
            create_date=row["created_at"],
            finish_date=row["finished_at"],
            log=await store.attempts_of(conn, row["id"], with_blocked=call.is_admin),
        )
    ]
