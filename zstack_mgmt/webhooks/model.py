"""The values that the webhook modules hand to each other, and what clients see of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from zstack_mgmt.core.inventory import Inventory, inventory
from zstack_mgmt.doc import Bound, Doc

JAVA = "org.zstack.webhook"
CATEGORY = "webhook"
AttemptOutcome = Literal["delivered", "gone", "failed", "unknown"]
KEPT_REPLY_BYTES = 4096
SHOWN_ATTEMPTS: Annotated[
    int, Doc("attempts that `log` of a delivery shows, the newest ones; the others are not shown"), Bound()
] = 100


@dataclass(frozen=True, slots=True)
class Delivery:
    """A claimed delivery: this process alone may send it, until its lease ends."""

    id: str
    epoch: int
    job_uuid: str
    account_uuid: str
    url: str
    receiver: str
    success: bool
    body: bytes
    attempts: int  # used up so far in this round
    due_in_s: float  # negative: since when its own time has come; positive only for an early probe
    probe: bool

    @property
    def key(self) -> tuple[str, int]:
        """Tells this claim from every other one."""
        return self.id, self.epoch


@dataclass(frozen=True, slots=True)
class Exchange:
    """What came of one attempt."""

    outcome: AttemptOutcome
    started_at: float  # the loop's clock
    ended_at: float
    error: str | None = None
    status: int | None = None
    address: str | None = None
    reply: bytes = b""
    retry_after_s: float = 0.0


@inventory("org.zstack.webhook.WebhookAttemptInventory", table="")
class WebhookAttempt(Inventory):
    """One attempt: `outcome` is delivered, gone, failed, or unknown if the sender died meanwhile."""

    start_date: Annotated[datetime, Doc("when it began")]
    duration_ms: Annotated[int | None, Doc("milliseconds until its end")]
    outcome: Annotated[str, Doc("delivered, gone, failed, or unknown if the sender died meanwhile")]
    error: Annotated[
        str | None,
        Doc("class of the failure: timeout, refused, dns, tls, blocked:<rule>, redirect, http-status, ..."),
    ]
    status: Annotated[int | None, Doc("HTTP status of the reply")]
    address: Annotated[str | None, Doc("the address and port that was dialled")]
    reply: Annotated[str | None, Doc("its first 4 KiB; none for a body with a secret")]


@inventory("org.zstack.webhook.WebhookDeliveryInventory", table="")
class WebhookDelivery(Inventory):
    """The delivery of one job's result: `state` is pending, delivered, gone (answered with 410) or dead."""

    id: Annotated[str, Doc("the webhook-id header")]
    job_uuid: str
    url: Annotated[str, Doc("where it goes")]
    state: Annotated[str, Doc("pending, delivered, gone (answered with 410) or dead (given up)")]
    attempts: Annotated[int, Doc("of the current round")]
    next_date: Annotated[datetime | None, Doc("when a pending one is due; an open breaker may hold it back")]
    create_date: datetime
    finish_date: datetime | None
    log: Annotated[
        list[WebhookAttempt], Doc("the newest 100 attempts of all rounds, the oldest of them first")
    ]


@inventory("org.zstack.webhook.OlderWebhookSecretInventory", table="")
class OlderSecret(Inventory):
    """A secret that was replaced and signs along until `end_date`."""

    uuid: str
    create_date: datetime
    end_date: Annotated[datetime, Doc("until which it signs along")]


@inventory("org.zstack.webhook.WebhookSecretInventory", table="")
class WebhookSecret(Inventory):
    """The signing secret of an account. `secret` is there only in the one reply that hands it out."""

    uuid: str
    secret: Annotated[str | None, Doc("the text, in the answer that hands it out")]
    create_date: datetime
    read_date: Annotated[datetime | None, Doc("when it was handed out")]
    older: Annotated[list[OlderSecret], Doc("those that sign along still")]


@inventory("org.zstack.webhook.WebhookReceiverInventory", table="")
class Receiver(Inventory):
    """Where an account's webhooks go. `breaker` is open while failures in a row hold the deliveries back."""

    account_uuid: str
    receiver: Annotated[str, Doc("scheme://host:port")]
    breaker: Annotated[
        Literal["open", "closed"], Doc("open while failures in a row hold the deliveries back")
    ]
    failures: Annotated[int, Doc("in a row")]
    open_date: Annotated[datetime | None, Doc("when the breaker opened")]
    probe_date: Annotated[datetime | None, Doc("when the receiver is tried again at the latest")]
    pending: Annotated[int, Doc("deliveries that are not done")]
    delivered: Annotated[int, Doc("deliveries that arrived")]
    failed: Annotated[int, Doc("given up, or refused with 410")]
    last_date: Annotated[datetime, Doc("when the newest delivery was made")]


@inventory("org.zstack.webhook.WebhookDeliverySummaryInventory", table="")
class DeliverySummary(Inventory):
    """A delivery in a list; GetWebhookDeliveries has its attempts."""

    id: Annotated[str, Doc("the webhook-id header")]
    job_uuid: str
    account_uuid: str
    url: Annotated[str, Doc("where it goes")]
    receiver: Annotated[str, Doc("scheme://host:port")]
    state: Annotated[
        Literal["pending", "delivered", "dead", "gone"],
        Doc("pending, delivered, gone (answered with 410) or dead (given up)"),
    ]
    attempts: Annotated[int, Doc("of the current round")]
    last_status: Annotated[int | None, Doc("of the newest attempt")]
    last_error: Annotated[str | None, Doc("class of the newest attempt's failure")]
    next_date: Annotated[datetime | None, Doc("when a pending one is due")]
    create_date: datetime
    finish_date: datetime | None
