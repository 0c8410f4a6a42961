"""The parameters of the VM APIs that are more than a uuid."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zstack_mgmt.core.registry import ApiRequest
from zstack_mgmt.core.requests import UpdateRequest, UuidRequest
from zstack_mgmt.core.values import Description, Reference, ResourceName, ResourceUuid

Nics = Annotated[list[Reference], Field(max_length=8)]
Disks = Annotated[list[Reference], Field(max_length=24)]


class CreateVmInstance(ApiRequest):
    """Create a VM from an image and an offering, with a NIC on each network, and start it unless told not to.

    Source: manual, "Overview > API operations".
    """

    name: ResourceName
    description: Description | None = None
    instance_offering_uuid: Reference
    image_uuid: Reference
    l3_network_uuids: Nics = []  # noqa: RUF012 (pydantic copies it)
    default_l3_network_uuid: Reference | None = None
    root_disk_offering_uuid: Reference | None = None
    data_disk_offering_uuids: Disks = []  # noqa: RUF012 (pydantic copies it)
    zone_uuid: Reference | None = None
    cluster_uuid: Reference | None = None
    host_uuid: Reference | None = None
    primary_storage_uuid_for_root_volume: Reference | None = None
    type: Literal["UserVm"] = "UserVm"
    strategy: Literal["InstantStart", "JustCreate"] = "InstantStart"
    resource_uuid: ResourceUuid | None = None


class StartVmInstance(ApiRequest):
    """Start a VM that is Stopped or Created, on a given host or cluster or wherever there is room.

    Source: manual, "Overview > API operations".
    """

    uuid: Reference
    host_uuid: Reference | None = None
    cluster_uuid: Reference | None = None


class StopVmInstance(ApiRequest):
    """Stop a VM: `grace` asks its guest, `cold` takes its power. One that is stopped already is no error.

    Source: manual, "Overview > API operations".
    """

    uuid: Reference
    type: Literal["grace", "cold"] = "grace"


class RebootVmInstance(UuidRequest):
    """Reboot a VM that runs.

    Source: ZStack's VM API, in the pattern of the manual's overview.
    """


class UpdateVmInstance(UpdateRequest):
    """Change a VM's name, description, platform or default network.

    Source: ZStack's VM API, in the pattern of the manual's overview.
    """

    platform: Literal["Linux", "Windows", "Paravirtualization", "WindowsVirtio", "Other"] | None = None
    default_l3_network_uuid: Reference | None = None
