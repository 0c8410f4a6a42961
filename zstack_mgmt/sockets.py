"""How long a connection to one of our servers may be silent before it is taken to be lost.

A link that is cut tells nobody. Without limits of our own, TCP goes on for a quarter of an hour, and for two
hours where nothing is under way; a session whose client is gone holds its locks for as long.
"""

from __future__ import annotations

import socket

IDLE_S, INTERVAL_S, PROBES = 5, 2, 3
SILENCE_MS = 10_000
"""What was sent must be received within so long, not answered: a busy process's kernel receives for it."""

OPTIONS: dict[int, int] = {
    getattr(socket, name): value
    for name, value in (
        ("TCP_KEEPIDLE", IDLE_S),
        ("TCP_KEEPINTVL", INTERVAL_S),
        ("TCP_KEEPCNT", PROBES),
        ("TCP_USER_TIMEOUT", SILENCE_MS),
    )
    if hasattr(socket, name)  # not every system has all of them
}
"""The same of TCP sockets."""

POSTGRESQL: dict[str, str] = {
    "tcp_keepalives_idle": str(IDLE_S),
    "tcp_keepalives_interval": str(INTERVAL_S),
    "tcp_keepalives_count": str(PROBES),
    "tcp_user_timeout": str(SILENCE_MS),
}
"""The same at PostgreSQL's end of a connection."""


def limit_silence(connected: socket.socket) -> None:
    """Have the socket's silence end with an error. Sockets within a machine are never silent."""
    if connected.family in (socket.AF_INET, socket.AF_INET6):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in OPTIONS.items():
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
