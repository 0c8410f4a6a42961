"""The APIs of webhooks."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action

if TYPE_CHECKING:
    from zstack_sdk.inventories import DeliverySummaryInventory
    from zstack_sdk.inventories import ReceiverInventory
    from zstack_sdk.inventories import RedeliverFailedWebhooksValue
    from zstack_sdk.inventories import SendTestWebhookValue
    from zstack_sdk.inventories import WebhookDeliveryInventory
    from zstack_sdk.inventories import WebhookSecretInventory
    from zstack_sdk.record import InventoryValue, ListValue


class ListWebhookReceiversAction(Action["ListValue[ReceiverInventory]"]):
    """List the receivers to which the account's webhooks went lately, with the state of each one's
    breaker.

    Counted are the deliveries that are still kept. A system administrator sees those of every account.

    `GET /webhooks/receivers`. Who may call: account sessions.
    """


class ListWebhookDeliveriesAction(Action["ListValue[DeliverySummaryInventory]"]):
    """List the account's deliveries, the newest first; for a system administrator, those of every account.

    `before` the `id` of a page's last delivery begins the next page.

    RedeliverFailedWebhooks takes the same `since`, `receiver` and `accountUuid`.

    `GET /webhooks/deliveries`. Who may call: account sessions.

    Errors: SYS.1007 (BadRequest), ID.1002 (PermissionDenied).
    """

    state: Literal["pending", "delivered", "dead", "gone"] | None = None
    """`pending` or `delivered` or `dead` or `gone`."""

    receiver: str | None = None
    """Scheme://host:port, as in the list of receivers. At most 2048 characters."""

    since: str | None = None
    """ISO 8601, or `yyyy-MM-dd HH:mm:ss` in the server's zone: deliveries created then or later. At least
    10 characters, at most 40 characters.
    """

    accountUuid: str | None = None
    """A system administrator's: the deliveries of this account alone. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """

    before: str | None = None
    """The `id` below which the page starts. At most 64 characters."""

    limit: int | None = None
    """1 or more, at most 1000, `100` by default."""


class SendTestWebhookAction(Action["SendTestWebhookValue"]):
    """Do nothing, successfully: a job whose webhook, `X-Web-Hook`, tries out a receiver.

    `POST /webhooks/tests`, a job. Who may call: account sessions.
    """


class GetWebhookSecretAction(Action["InventoryValue[WebhookSecretInventory]"]):
    """Read what is known of the secrets that sign the account's webhooks, but not their text.

    RotateWebhookSecret makes one and hands it out. Nothing is known before the first webhook or
    rotation.

    `GET /webhooks/secret`. Who may call: account sessions.
    """


class RotateWebhookSecretAction(Action["InventoryValue[WebhookSecretInventory]"]):
    """Replace the account's signing secret and read the new one; the old one signs along for a while.

    Its text is in this answer only. If the answer is lost, call again: no delivery goes unsigned
    meanwhile.

    `POST /webhooks/secret/rotations`. Who may call: account sessions.
    """

    overlapSeconds: int | None = None
    """0 or more, at most 604800, `86400` by default."""


class GetWebhookDeliveriesAction(Action["ListValue[WebhookDeliveryInventory]"]):
    """Read how the delivery of a job's webhook stands, with the log of its attempts.

    `GET /api-jobs/{uuid}/deliveries`. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """Of the job. At least 1 characters, at most 255 characters."""


class RedeliverWebhookAction(Action["ListValue[WebhookDeliveryInventory]"]):
    """Deliver a job's webhook again: a new round of attempts with the same webhook-id and body.

    `POST /api-jobs/{uuid}/deliveries/redeliver`. Who may call: account sessions, and users whose
    policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """Of the job. At least 1 characters, at most 255 characters."""


class RedeliverFailedWebhooksAction(Action["RedeliverFailedWebhooksValue"]):
    """Deliver again what failed since a time: webhooks given up, refused with 410, or waiting for a retry.

    Answers `{"redelivered": n, "more": false}`; with `more`, call again: one call takes at most 10000.
    A system administrator may do so for another account, or for all of them.

    `POST /webhooks/redeliveries`. Who may call: account sessions.

    Errors: SYS.1007 (BadRequest), ID.1002 (PermissionDenied).
    """

    since: str
    """ISO 8601, or `yyyy-MM-dd HH:mm:ss` in the server's zone: deliveries created then or later. At least
    10 characters, at most 40 characters.
    """

    receiver: str | None = None
    """Scheme://host[:port] as in the deliveries' URLs; without it, every receiver. At most 2048
    characters.
    """

    accountUuid: str | None = None
    """Whose deliveries; of another account for a system administrator only. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """

    allAccounts: bool | None = None
    """Those of every account, for a system administrator only. Boolean, `False` by default."""
