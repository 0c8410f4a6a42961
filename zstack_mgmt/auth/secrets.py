"""Secrets that are needed again are sealed, those that are only compared are hashed; one key serves both.

The key is not in the database: a copy of the database alone opens nothing.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = "s1"  # AES-256-GCM, key by HKDF-SHA256; another scheme gets another prefix


class SealError(Exception):
    """The text was not sealed with this key for this context. Says nothing about its content."""


class Sealer:
    """Seals and hashes with one installation's keys. Every use has a key of its own, derived from them."""

    def __init__(self, key: bytes, fallbacks: Sequence[bytes] = (), hash_key: bytes | None = None) -> None:
        """Prepare the keys, 32 bytes each.

        Args:
            key: seals and opens.
            fallbacks: open what they have sealed, while the key is replaced.
            hash_key: hashes; None: `key` does. It stays when the key is replaced, since nobody could write
                the hashes anew.
        """
        if any(len(each) != KEY_BYTES for each in (key, *fallbacks, hash_key or key)):
            raise ValueError(f"a key must have {KEY_BYTES} bytes")
        self._ciphers = [AESGCM(_derived(each, "seal")) for each in (key, *fallbacks)]
        self._hash_key = hash_key or key
        self._hash_keys: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return "Sealer(...)"

    def seal(self, clear: str, context: str) -> str:
        """The ciphertext as printable text; it opens only with the same context.

        Args: context: what the secret is and whose, like `webhook-secret:<account uuid>`, so that a sealed
        text that is copied to another row does not open there.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._ciphers[0].encrypt(nonce, clear.encode(), _bound(context))
        return f"{_VERSION}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, context: str) -> str:
        """The clear text again.

        Raises: SealError for another key, another context, or a text that was changed.
        """
        return self._opened(sealed, context)[1]

    def renewed(self, sealed: str, context: str) -> str | None:
        """The same secret under the key, if a fallback has sealed it; None: the key has.

        Raises: SealError as `open` does.
        """
        by, clear = self._opened(sealed, context)
        return None if by == 0 else self.seal(clear, context)

    def sealed_hash_key(self, context: str) -> str:
        """The key of the hashes, sealed."""
        return self.seal(self._hash_key.hex(), context)

    def _opened(self, sealed: str, context: str) -> tuple[int, str]:
        """Which of the keys has sealed it, and the clear text."""
        version, _, text = sealed.partition(".")
        try:
            raw = base64.b64decode(text, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise SealError("not a sealed text") from None
        if version != _VERSION or len(raw) <= _NONCE_BYTES:
            raise SealError("not a sealed text")
        for number, cipher in enumerate(self._ciphers):
            try:
                return number, cipher.decrypt(
                    raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(context)
                ).decode()
            except InvalidTag:
                continue
        raise SealError("sealed with another key or for another context")

    def keyed_hash(self, data: bytes, purpose: str) -> bytes:
        """HMAC-SHA256 of the data: 32 bytes that nobody without the key can compute or test guesses against.

        Args: purpose: keeps the hashes of different uses apart, like `session-token`.
        """
        key = self._hash_keys.get(purpose)
        if key is None:
            key = self._hash_keys[purpose] = _derived(self._hash_key, f"hash:{purpose}")
        return hmac.digest(key, data, "sha256")


def fingerprint(key: bytes) -> str:
    """What names a key without telling it."""
    return Sealer(key).keyed_hash(b"", "fingerprint").hex()


def _derived(key: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"zstack-mgmt/{purpose}".encode()).derive(key)


def _bound(context: str) -> bytes:
    return f"{_VERSION}:{context}".encode()
