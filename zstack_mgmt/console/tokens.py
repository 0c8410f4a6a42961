"""What is stored of the tokens that open consoles."""

from __future__ import annotations

from zstack_mgmt.core.registry import Sealer


def hash_of(sealer: Sealer, token: str) -> bytes:
    """The keyed hash of a token; the token itself is with whoever asked for it."""
    return sealer.keyed_hash(token.encode(errors="surrogateescape"), "console")
