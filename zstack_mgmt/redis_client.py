"""Clients of Redis, at one address or behind sentinels."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis, Sentinel

from zstack_mgmt.addresses import SENTINEL_SCHEMES, sentinels_of
from zstack_mgmt.sockets import OPTIONS

_CONNECT_S = 1.0

R = TypeVar("R", bound=Redis)


def redis_client(url: str, kind: type[R], **options: Any) -> R:
    """A client that connects when it is first used; behind sentinels, to whom they call the master then.

    The user and password in a URL of sentinels are those of the Redis servers.

    Args:
        kind: Redis, or a class that extends it.
    """
    options.setdefault("socket_connect_timeout", _CONNECT_S)
    if urlsplit(url).scheme != "unix":
        options |= {"socket_keepalive": True, "socket_keepalive_options": OPTIONS}
    if urlsplit(url).scheme not in SENTINEL_SCHEMES:
        return kind.from_url(url, **options)  # pyright: ignore[reportUnknownMemberType]
    places, service, database = sentinels_of(url)
    parts = urlsplit(url)
    secrets = {"username": parts.username, "password": parts.password}
    login = {name: unquote(value) for name, value in secrets.items() if value}
    tls = {"ssl": True} if parts.scheme.startswith("rediss") else {}
    asked: Any = Sentinel(
        places,
        sentinel_kwargs={"socket_timeout": _CONNECT_S, "socket_connect_timeout": _CONNECT_S, **tls},
        db=database,
        **login,
        **tls,
        **options,
    )
    return asked.master_for(service, redis_class=kind)


async def close(client: Redis) -> None:
    """End a client's connections, those to its sentinels too."""
    sentinels = getattr(getattr(client.connection_pool, "sentinel_manager", None), "sentinels", ())
    for each in (client, *sentinels):
        await each.aclose(close_connection_pool=True)
