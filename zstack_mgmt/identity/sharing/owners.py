"""Former home of functions that now live with their subject; for imports that have not moved yet."""

from zstack_mgmt.core.errors import existing as found
from zstack_mgmt.core.registry import ApiRequest
from zstack_mgmt.db import Connection
from zstack_mgmt.resources import owners
from zstack_mgmt.resources.owners import is_visible, own_all, owners_of, scope_of
from zstack_mgmt.resources.tags import tag

__all__ = ["found", "is_visible", "own", "own_all", "owners_of", "scope_of", "tag"]


async def own(conn: Connection, uuid: str, account_uuid: str, request: ApiRequest | None = None) -> None:
    """Note the owner of a resource that this transaction has made, and the tags that the request has."""
    await owners.own(conn, uuid, account_uuid)
    if request is not None:
        await tag(conn, uuid, request)
