"""The parameters that many APIs share: those that act on one resource by its uuid."""

from __future__ import annotations

from typing import Literal

from zstack_mgmt.core.registry import ApiRequest
from zstack_mgmt.core.values import (
    DeleteMode,
    Description,
    ExistingUuid,
    ResourceName,
    ResourceUuid,
    StateEvent,
)


class CreateRequest(ApiRequest):
    """A new resource. Its uuid is the client's choice or the server's."""

    name: ResourceName
    description: Description | None = None
    resource_uuid: ResourceUuid | None = None


class UuidRequest(ApiRequest):
    """What an action needs that has no parameters of its own."""

    uuid: ExistingUuid


class UpdateRequest(UuidRequest):
    """A new name and description; what is left out stays."""

    name: ResourceName | None = None
    description: Description | None = None


class StateRequest(UuidRequest):
    """Whether the resource can be used."""

    state_event: StateEvent

    @property
    def state(self) -> Literal["Enabled", "Disabled"]:
        return "Enabled" if self.state_event == "enable" else "Disabled"


class DeleteRequest(UuidRequest):
    """What is to be deleted."""

    delete_mode: DeleteMode = "Permissive"
