"""The servers that a URL names: of PostgreSQL, and the sentinels of Redis."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
_SENTINEL_PORT = 26379


def servers_of(url: str) -> tuple[str, ...]:
    """A URL for each server that a database URL names.

    >>> servers_of("postgresql://u:p@db-1,[fd00::7]:6000/x?sslmode=require")
    ('postgresql://u:p@db-1/x?sslmode=require', 'postgresql://u:p@[fd00::7]:6000/x?sslmode=require')
    """
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    return tuple(urlunsplit(parts._replace(netloc=f"{user}{at}{host}")) for host in hosts.split(","))


def sentinels_of(url: str) -> tuple[list[tuple[str, int]], str, int]:
    """The sentinels that a URL names, what they call the master, and its database.

    Raises ValueError: it names no sentinel or no master.

    >>> sentinels_of("redis+sentinel://:secret@s-1,[fd00::7]:5000/mymaster/2")
    ([('s-1', 26379), ('fd00::7', 5000)], 'mymaster', 2)
    """
    parts = urlsplit(url)
    places = [urlsplit(f"//{place}") for place in parts.netloc.rpartition("@")[2].split(",")]
    service, _, database = parts.path.strip("/").partition("/")
    if not service or not all(place.hostname for place in places):
        raise ValueError("a URL of sentinels is redis+sentinel://host:26379,host/master/0")
    return [(p.hostname or "", p.port or _SENTINEL_PORT) for p in places], service, int(database or 0)
