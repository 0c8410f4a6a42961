"""The installation's keys: from the settings, or from a file that is made at the first start."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path

from zstack_mgmt.auth.secrets import KEY_BYTES, Sealer, fingerprint
from zstack_mgmt.config import ConfigError, Settings
from zstack_mgmt.db import Connection

_PATTERN = re.compile(r"[0-9a-fA-F]{64}")
_HASH_KEY = "hash-key"  # the row of `installation`, and what it is sealed for


def load_keys(settings: Settings) -> tuple[bytes, ...]:
    """The key that seals, then those that only open: SECRET_KEY with SECRET_KEY_FALLBACKS, else the lines of
    DATA_DIR/secret.key, made at the first start.

    Processes that start together get the same key: the file appears whole or not at all, and the first stays.

    Raises: ConfigError when the setting or the file does not hold 64 hex digits, or the file cannot be had.
    """
    if settings.secret_key:
        others = (_parsed(text, "SECRET_KEY_FALLBACKS") for text in settings.secret_key_fallbacks)
        return (_parsed(settings.secret_key, "SECRET_KEY"), *others)
    if settings.secret_key_fallbacks:
        raise ConfigError("SECRET_KEY_FALLBACKS is of no use without SECRET_KEY")
    path = key_file(settings)
    try:
        if not path.exists():
            write_key_file(path, [secrets.token_bytes(KEY_BYTES)], replace=False)
        lines = path.read_text().split()
    except OSError as error:
        raise ConfigError(f"DATA_DIR: {path} can be neither read nor made: {error}") from error
    return tuple(_parsed(line, str(path)) for line in lines or [""])


def key_file(settings: Settings) -> Path:
    """Where the key is when SECRET_KEY is not set."""
    return settings.data_dir / "secret.key"


def write_key_file(path: Path, keys: Sequence[bytes], *, replace: bool) -> None:
    """Put the keys into the file, which appears whole; without `replace` one that is there stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp gives 0600, and the link fails when another process was faster: its key is the one to read then.
    handle, name = tempfile.mkstemp(prefix=".secret.key.", dir=path.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.writelines(f"{key.hex()}\n" for key in keys)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            Path(name).replace(path)
        else:
            path.hardlink_to(name)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink(missing_ok=True)


async def load_sealer(conn: Connection, settings: Settings) -> Sealer:
    """The keys of this process, if the database is theirs; the first process leaves its mark.

    Raises: ConfigError for a database whose secrets are sealed with another key.
    """
    keys = load_keys(settings)
    known = await _mark(conn)
    if known is None:
        await conn.execute(
            "INSERT INTO installation (name, value) VALUES ('key', $1) ON CONFLICT DO NOTHING",
            fingerprint(keys[0]),
        )
        known = await _mark(conn)
    if known not in [fingerprint(key) for key in keys]:
        where = "SECRET_KEY" if settings.secret_key else f"SECRET_KEY is not set, and {key_file(settings)}"
        raise ConfigError(f"{where} is not the key of this database")
    sealed = await conn.fetchval("SELECT value FROM installation WHERE name = $1", _HASH_KEY)
    hash_key = bytes.fromhex(Sealer(keys[0], keys[1:]).open(sealed, _HASH_KEY)) if sealed else None
    if sealed is None and known != fingerprint(keys[0]):
        # The key is about to be replaced: what has been hashed so far was hashed with the one that goes.
        hash_key = next(key for key in keys if fingerprint(key) == known)
    return Sealer(keys[0], keys[1:], hash_key)


async def adopt(conn: Connection, settings: Settings) -> Sealer:
    """Make the first key the database's. What has been hashed stays valid: its key is kept, sealed.

    Raises: ConfigError as `load_sealer` does.
    """
    keys = load_keys(settings)
    sealer = await load_sealer(conn, settings)
    await conn.execute(
        """
        INSERT INTO installation (name, value) VALUES ('key', $1), ($2, $3)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value
        """,
        fingerprint(keys[0]),
        _HASH_KEY,
        sealer.sealed_hash_key(_HASH_KEY),
    )
    return sealer


async def _mark(conn: Connection) -> str | None:
    return await conn.fetchval("SELECT value FROM installation WHERE name = 'key'")


def _parsed(text: str, where: str) -> bytes:
    if _PATTERN.fullmatch(text) is None:
        raise ConfigError(f"{where} must hold 64 hex digits, as `openssl rand -hex 32` prints them")
    return bytes.fromhex(text)
