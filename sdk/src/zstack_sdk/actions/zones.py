"""The APIs of zones."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import ZoneInventory
    from zstack_sdk.record import Empty, InventoryValue


class CreateZoneAction(Action["InventoryValue[ZoneInventory]"]):
    """Create an enabled zone. Of all zones one at most is the default: the last that was made it.

    `POST /zones`, a job. Who may call: system administrators.

    Errors: SYS.1000 (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    isDefault: bool | None = None
    """Boolean, `False` by default."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class UpdateZoneAction(Action["InventoryValue[ZoneInventory]"]):
    """Change a zone's name or description, or whether it is the default one.

    `PUT /zones/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    isDefault: bool | None = None


class ChangeZoneStateAction(Action["InventoryValue[ZoneInventory]"]):
    """Enable or disable a zone with its clusters and hosts.

    No VM starts in a disabled one; those that run go on.

    `PUT /zones/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    stateEvent: Literal["enable", "disable"]
    """`enable` or `disable`."""


class DeleteZoneAction(Action["Empty"]):
    """Delete a zone with all that is in it: clusters, hosts, networks and VMs.

    One that is gone already is no error.

    `DELETE /zones/{uuid}`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class QueryZoneAction(QueryAction["ZoneInventory"]):
    """Find Zones by conditions on their fields, tags and links.

    `GET /zones`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, state, type, isDefault, createDate, lastOpDate.

    Links: cluster., host., vmInstance., l2Network., l3Network.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
