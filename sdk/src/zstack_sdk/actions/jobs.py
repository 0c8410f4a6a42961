"""The APIs of jobs."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action

if TYPE_CHECKING:
    from zstack_sdk.inventories import GetApiJobInventory
    from zstack_sdk.inventories import GetServiceHealthInventory
    from zstack_sdk.inventories import ListApiJobsValue
    from zstack_sdk.record import AnyValue, InventoryValue


class GetServiceHealthAction(Action["InventoryValue[GetServiceHealthInventory]"]):
    """Read how the service does: its workers, its queue, the pace of the last minute, and its servers.

    An empty `redis` is away, which delays work and loses none.

    `GET /service/health`. Who may call: system administrators.
    """


class ListApiJobsAction(Action["ListApiJobsValue"]):
    """List the account's jobs, the newest first; for a system administrator, those of all accounts.

    A user sees those that it submitted. A full page has `next`, the path of the page that follows.

    `GET /api-jobs`. Who may call: everybody with a session.
    """

    state: Literal["queued", "running", "succeeded", "failed", "canceled", "expired"] | None = None
    """Jobs in this state only. `queued` or `running` or `succeeded` or `failed` or `canceled` or
    `expired`.
    """

    api: str | None = None
    """Jobs of this API only, `CreateZone`. At most 255 characters."""

    resource: str | None = None
    """Jobs that name this uuid. At most 255 characters."""

    account: str | None = None
    """Of this account; for system administrators. At most 255 characters."""

    limit: int | None = None
    """Jobs of one page. 1 or more, at most 1000, `100` by default."""

    before: int | None = None
    """Where the page starts; from `next`. 0 or more, at most 4611686018427387904, `4611686018427387904` by
    default.
    """


class CancelApiJobAction(Action["AnyValue"]):
    """Cancel a job.

    A queued one ends at once; a running one is asked to stop. One that has ended answers 409.

    `DELETE /api-jobs/{uuid}`, which asks for the end of a job. Who may call: everybody with a session.

    Errors: SYS.1003 (JobNotFound), SYS.1006 (JobFinal).
    """

    uuid: str
    """The uuid of a resource."""


class GetApiJobAction(Action["InventoryValue[GetApiJobInventory]"]):
    """Read a job with the request that made it, without its secrets, and with its result when it has
    ended.

    `waitsFor` names the job before it on one of its resources; `claims` counts the workers that began
    it.

    `GET /api-jobs/{uuid}/details`. Who may call: everybody with a session.

    Errors: SYS.1003 (JobNotFound).
    """

    uuid: str
    """The uuid of a resource."""
