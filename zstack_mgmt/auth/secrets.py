"""Secrets that are needed again are sealed, those that are only compared are hashed; one key serves both.

The key is not in the database: a copy of the database alone opens nothing.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
import secrets
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from zstack_mgmt.config import ConfigError, Settings

KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = "s1"  # AES-256-GCM, key by HKDF-SHA256; another scheme gets another prefix
_KEY_PATTERN = re.compile(r"[0-9a-fA-F]{64}")


class SealError(Exception):
    """The text was not sealed with this key for this context. Says nothing about its content."""


class Sealer:
    """Seals and hashes with one installation's key. Every use has a key of its own, derived from it."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key must have {KEY_BYTES} bytes")
        self._key = key
        self._aead = AESGCM(self._derive("seal"))
        self._hash_keys: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return "Sealer(...)"

    def seal(self, clear: str, context: str) -> str:
        """The ciphertext as printable text; it opens only with the same context.

        Args: context: what the secret is and whose, like `webhook-secret:<account uuid>`, so that a sealed
        text that is copied to another row does not open there.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._aead.encrypt(nonce, clear.encode(), _bound(context))
        return f"{_VERSION}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, context: str) -> str:
        """The clear text again.

        Raises: SealError for another key, another context, or a text that was changed.
        """
        version, _, text = sealed.partition(".")
        try:
            raw = base64.b64decode(text, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise SealError("not a sealed text") from None
        if version != _VERSION or len(raw) <= _NONCE_BYTES:
            raise SealError("not a sealed text")
        try:
            return self._aead.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(context)).decode()
        except InvalidTag:
            raise SealError("sealed with another key or for another context") from None

    def keyed_hash(self, data: bytes, purpose: str) -> bytes:
        """HMAC-SHA256 of the data: 32 bytes that nobody without the key can compute or test guesses against.

        Args: purpose: keeps the hashes of different uses apart, like `session-token`.
        """
        key = self._hash_keys.get(purpose)
        if key is None:
            key = self._hash_keys[purpose] = self._derive(f"hash:{purpose}")
        return hmac.digest(key, data, "sha256")

    def _derive(self, purpose: str) -> bytes:
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"zstack-mgmt/{purpose}".encode()).derive(self._key)


def load_key(settings: Settings) -> bytes:
    """The installation's key: SECRET_KEY, else DATA_DIR/secret.key, made at the first start.

    Processes that start together get the same key: the file appears whole or not at all, and the first stays.

    Raises: ConfigError when the setting or the file does not hold 64 hex digits, or the file cannot be had.
    """
    if settings.secret_key:
        return _parsed(settings.secret_key, "SECRET_KEY")
    path = key_file(settings)
    try:
        if not path.exists():
            _create(path)
        text = path.read_text()
    except OSError as error:
        raise ConfigError(f"DATA_DIR: {path} can be neither read nor made: {error}") from error
    return _parsed(text.strip(), str(path))


def key_file(settings: Settings) -> Path:
    """Where the key is when SECRET_KEY is not set."""
    return settings.data_dir / "secret.key"


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp gives 0600, and the link fails when another process was faster: its key is the one to read then.
    handle, name = tempfile.mkstemp(prefix=".secret.key.", dir=path.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(f"{secrets.token_hex(KEY_BYTES)}\n")
            file.flush()
            os.fsync(file.fileno())
        Path(path).hardlink_to(name)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()


def _parsed(text: str, where: str) -> bytes:
    if _KEY_PATTERN.fullmatch(text) is None:
        raise ConfigError(f"{where} must hold 64 hex digits, as `openssl rand -hex 32` prints them")
    return bytes.fromhex(text)


def _bound(context: str) -> bytes:
    return f"{_VERSION}:{context}".encode()
