"""The APIs of query."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING

from zstack_sdk.action import Action

if TYPE_CHECKING:
    from zstack_sdk.record import AnyValue


class GetQueryMetadataAction(Action["AnyValue"]):
    """List what can be queried: of every resource its fields with their types, its lists, links and
    aliases.

    `GET /query-metadata`. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    resource: str | None = None
    """The inventory's name, `Zone`; empty: all."""


class ZQLQueryAction(Action["AnyValue"]):
    """Find resources by sentences with and, or and parentheses.

    `query zone.uuid,name where name like 'a%' or state = 'Disabled' return with (total) order by name
    desc limit 10 offset 20 named as 'mine'`; `count` in place of `query` counts only. Semicolons part
    sentences, whose results come in their order. Operators: = != > < >= <= like, not like, in, not in,
    is null, is not null. What a sentence finds is what the Query API of its type finds for the caller.

    `GET /zql`. Who may call: everybody with a session.

    Errors: SYS.1007 (BadRequest), SYS.1007 (InvalidArgument), SYS.1000 (InternalError), SYS.1003
    (ResourceNotFound), ID.1002 (PermissionDenied).
    """

    zql: str
    """At least 1 characters, at most 16384 characters."""
