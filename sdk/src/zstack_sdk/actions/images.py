"""The APIs of images."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import ImageInventory
    from zstack_sdk.record import Empty, InventoryValue


class AddImageAction(Action["InventoryValue[ImageInventory]"]):
    """Register an image. Its data is left where the url says; `size` tells the bytes a guest will see.

    Without a `format` an ISO is `iso`, and anything else `qcow2`.

    `POST /images`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), ID.1003 (QuotaExceeded), SYS.1000 (DuplicateResource).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    url: str
    """At least 1 characters, at most 1024 characters."""

    mediaType: Literal["RootVolumeTemplate", "DataVolumeTemplate", "ISO"] | None = None
    """`RootVolumeTemplate` or `DataVolumeTemplate` or `ISO`, `RootVolumeTemplate` by default."""

    guestOsType: str | None = None
    """At most 255 characters."""

    system: bool | None = None
    """Boolean, `False` by default."""

    format: str | None = None
    """At least 1 characters, at most 32 characters."""

    architecture: Literal["x86_64", "aarch64", "mips64el", "loongarch64"] | None = None
    """`x86_64` or `aarch64` or `mips64el` or `loongarch64`, `x86_64` by default."""

    platform: Literal["Linux", "Windows", "Paravirtualization", "WindowsVirtio", "Other"] | None = None
    """`Linux` or `Windows` or `Paravirtualization` or `WindowsVirtio` or `Other`, `Linux` by default."""

    backupStorageUuids: list[str]
    """The uuids of resources."""

    type: str | None = None
    """At most 255 characters."""

    size: int | None = None
    """1 or more, at most 4611686018427387904, `10737418240` by default."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class UpdateImageAction(Action["InventoryValue[ImageInventory]"]):
    """Change what an image says of itself. VMs that were made from it stay as they are.

    `PUT /images/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    guestOsType: str | None = None
    """At most 255 characters."""

    platform: Literal["Linux", "Windows", "Paravirtualization", "WindowsVirtio", "Other"] | None = None
    """`Linux` or `Windows` or `Paravirtualization` or `WindowsVirtio` or `Other`."""

    mediaType: Literal["RootVolumeTemplate", "DataVolumeTemplate", "ISO"] | None = None
    """`RootVolumeTemplate` or `DataVolumeTemplate` or `ISO`."""

    format: str | None = None
    """At least 1 characters, at most 32 characters."""

    system: bool | None = None

    architecture: Literal["x86_64", "aarch64", "mips64el", "loongarch64"] | None = None
    """`x86_64` or `aarch64` or `mips64el` or `loongarch64`."""


class ChangeImageStateAction(Action["InventoryValue[ImageInventory]"]):
    """Enable or disable an image. VMs cannot be created from a disabled one.

    `PUT /images/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    stateEvent: Literal["enable", "disable"]
    """`enable` or `disable`."""


class DeleteImageAction(Action["Empty"]):
    """Put an image away: it can be recovered until it is expunged. One that is gone is no error.

    VMs and volumes made from it stay; new ones cannot be made.

    `DELETE /images/{uuid}`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class RecoverImageAction(Action["InventoryValue[ImageInventory]"]):
    """Take a deleted image back.

    `PUT /images/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1006 (OperationError), ID.1003 (QuotaExceeded).
    """

    uuid: str
    """The uuid of a resource."""


class ExpungeImageAction(Action["Empty"]):
    """Delete a deleted image for good.

    `PUT /images/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1006 (OperationError).
    """

    uuid: str
    """The uuid of a resource."""


class QueryImageAction(QueryAction["ImageInventory"]):
    """Find Images by conditions on their fields, tags and links.

    `GET /images`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, description, state, status, size, actualSize, md5Sum, url,
    mediaType, guestOsType, type, platform, format, system, architecture, virtio, exportUrl,
    exportMd5Sum, createDate, lastOpDate.

    Links: volume., vmInstance., backupStorageRefs., backupStorage.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
