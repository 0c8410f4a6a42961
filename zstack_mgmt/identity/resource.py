"""What the types of the manual's chapter "Identity" have in common."""

from __future__ import annotations

from typing import TypeVar

from zstack_mgmt.core.inventory import Inventory
from zstack_mgmt.core.registry import Access
from zstack_mgmt.resources.declare import Resource

T = TypeVar("T", bound=Inventory)


def identity_resource(kind: type[T], path: str, access: Access) -> Resource[T]:
    """The APIs of one of these types; `access` says who may change it."""
    return Resource(
        kind,
        path,
        java="org.zstack.header.identity",
        category="identity",
        access=access,
        source='manual, "Identity > {api}"',
    )
