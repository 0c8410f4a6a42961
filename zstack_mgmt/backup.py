"""A backup of the whole database, and an installation from it.

PostgreSQL's own programs do the work; those of the server's version are taken. The key is not in the backup:
it goes to a file of its own, for another place. Redis holds nothing that needs one.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from zstack_mgmt.auth.keyring import key_file, load_keys, load_sealer, write_key_file
from zstack_mgmt.auth.secrets import fingerprint
from zstack_mgmt.config import ConfigError, Settings
from zstack_mgmt.db import UNAVAILABLE, RawConnection, losses
from zstack_mgmt.local.binaries import find_client
from zstack_mgmt.local.processes import LocalError
from zstack_mgmt.local.servers import InUseError, only_one, prepare_data_dir, start_postgres


@dataclass(frozen=True, slots=True)
class _Database:
    url: str
    major: int  # of the server

    async def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs on the database; what it prints. Raises LocalError."""
        parts = urlsplit(self.url)
        user, place = parts.netloc.rpartition("@")[::2]
        address = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{place}" if user else place))
        # Others see the arguments of a process, not its environment.
        env = os.environ | ({"PGPASSWORD": unquote(parts.password)} if parts.password else {})
        into = () if "--file=-" in arguments else ("-d", address)
        return await _run(str(find_client(program, self.major)), *arguments, *into, env=env)


async def backup(settings: Settings, file: Path, key: Path | None = None) -> int:
    """Write the database as of now into a new file, and the key into another; the size in bytes.

    The service may go on meanwhile. The file appears whole or not at all.

    Raises: ConfigError or LocalError; nothing was written.
    """
    _check_targets(file, key)
    async with _database(settings) as database:
        conn = await _connect(database.url)
        try:
            if await conn.fetchval("SELECT to_regclass('schema_steps')") is None:
                raise LocalError("the database has no schema: there is nothing to back up")
            await load_sealer(conn, settings)  # a backup whose key nobody has would be worth little
        finally:
            await conn.close()
        unfinished = file.with_name(f"{file.name}.new")
        try:
            unfinished.touch(mode=0o600)
            await database.run("pg_dump", "-Fc", "--no-owner", "--no-privileges", f"--file={unfinished}")
            with unfinished.open("rb") as written:
                os.fsync(written.fileno())
            unfinished.rename(file)
        except OSError as error:
            raise LocalError(f"{file} cannot be written: {error}") from error
        finally:
            unfinished.unlink(missing_ok=True)
    if key is not None:
        write_key_file(key, load_keys(settings), replace=False)
    return _size(file)


def _check_targets(file: Path, key: Path | None) -> None:
    for target in (file, key):
        if target is not None and target.exists():
            raise LocalError(f"{target} is there already")
    if key is not None and (folder := key.resolve().parent) == file.resolve().parent:
        raise LocalError(f"the key must not lie beside the data: {folder} would have both")


def _size(file: Path) -> int:
    if not file.is_file():
        raise LocalError(f"{file} is no file")
    return file.stat().st_size


async def restore(settings: Settings, file: Path, key: Path | None = None) -> None:
    """Fill an empty database from a backup; without DATABASE_URL, a new one in DATA_DIR, which gets the key.

    Args: key: a file that `backup` wrote; None: SECRET_KEY, or the DATA_DIR/secret.key that is there.
    Raises: ConfigError or LocalError; the database is as empty as before.
    """
    keys = _restored_keys(settings, key)
    _size(file)
    async with _database(settings) as database:
        text = await database.run("pg_restore", "--data-only", "--table=installation", "--file=-", str(file))
        marks = re.findall(r"^key\t([0-9a-f]+)$", text, re.MULTILINE)
        if marks and marks[0] not in [fingerprint(each) for each in keys]:
            raise ConfigError("the key is not the one of this backup; --key names the file that has it")
        conn = await _connect(database.url)
        try:
            if await conn.fetchval("SELECT to_regclass('accounts')") is not None:
                raise LocalError("the database has a schema already; a backup goes into an empty one")
            await database.run(
                "pg_restore",
                *("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"),
                str(file),
            )
            await conn.execute("ANALYZE")
        finally:
            await conn.close()
    if not settings.secret_key and not key_file(settings).exists():
        write_key_file(key_file(settings), keys, replace=False)


def _restored_keys(settings: Settings, key: Path | None) -> tuple[bytes, ...]:
    if key is not None:
        try:
            first, *others = key.read_text().split() or [""]
        except (OSError, UnicodeDecodeError) as error:
            raise LocalError(f"{key} cannot be read: {error}") from error
        keys = load_keys(replace(settings, secret_key=first or "none", secret_key_fallbacks=tuple(others)))
        present = key_file(settings)
        if not settings.secret_key and present.exists() and load_keys(settings) != keys:
            raise LocalError(f"{present} has another key; move it away, or set DATA_DIR to a new folder")
        return keys
    if not settings.secret_key and not key_file(settings).exists():
        raise ConfigError(f"--key or SECRET_KEY is needed: {key_file(settings)} does not exist")
    return load_keys(settings)


@asynccontextmanager
async def _database(settings: Settings) -> AsyncGenerator[_Database]:
    """The database: that of DATABASE_URL, or of `run`, or the one in DATA_DIR, started for as long."""
    if "database_url" in settings.given:
        yield await _asked(settings.session_url)
        return
    data_dir = prepare_data_dir(settings.data_dir)
    try:
        with only_one(data_dir):
            running = await start_postgres(data_dir)
            try:
                yield await _asked(running.database_url)
            finally:
                await running.stop()
    except InUseError:
        # Its supervisor wrote this file; where there is none yet, the first message says it all.
        try:
            url: object = json.loads((data_dir / "runtime.json").read_text())["database_url"]
        except (OSError, ValueError, KeyError):
            raise
        yield await _asked(cast("str", url))


async def _asked(url: str) -> _Database:
    conn = await _connect(url)
    try:
        return _Database(url, conn.get_server_version().major)
    finally:
        await conn.close()


async def _connect(url: str) -> RawConnection:
    try:
        with losses():
            return await asyncpg.connect(url, timeout=10)
    except (*UNAVAILABLE, asyncpg.PostgresError, ValueError) as error:
        raise ConfigError(f"DATABASE_URL: no connection: {error.__cause__ or error}") from error


async def _run(*command: str, env: dict[str, str]) -> str:
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(*command, env=env, stdout=output, stderr=errors)
        try:
            code = await process.wait()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip()
        if code != 0:
            raise LocalError(f"{Path(command[0]).name} failed: {said.splitlines()[-1] if said else code}")
        output.seek(0)
        return output.read().decode(errors="replace")
