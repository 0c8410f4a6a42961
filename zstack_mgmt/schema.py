"""Bringing a database to `schema.sql`: a new one at once, an older one by the steps of `migrations/`.

A step is a file `NNNN_name_before.sql` or `NNNN_name_after.sql`. The release it comes with needs
its `before` steps, and the release before it can work with them. `after` steps take away what only the older
release needs, so they wait until none of its processes is left.
"""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import LiteralString, cast

import asyncpg
import structlog

from zstack_mgmt.assets import shipped
from zstack_mgmt.config import ConfigError
from zstack_mgmt.db import Connection, Lock

log = structlog.get_logger()

_LOCK_TIMEOUT = "3s"  # a step that waits for a table holds up everybody who comes after it
_TRIES = 20
_PAUSE_S = 1.0
_HELD_UP = (asyncpg.exceptions.LockNotAvailableError, asyncpg.exceptions.DeadlockDetectedError)


class SchemaError(ConfigError):
    """The schema could not be brought up to date; the message says what to do. Whole steps are in place."""


@cache
def schema_text() -> LiteralString:
    """The text of schema.sql."""
    return _text(shipped("schema.sql"))


@cache
def steps() -> dict[str, LiteralString]:
    """Name and text of every step, in order."""
    return {path.stem: _text(path) for path in sorted(shipped("migrations").glob("*.sql"))}


async def missing(conn: Connection, *, after: bool = False) -> list[str]:
    """The `before` steps that the database lacks, with `after` all steps, in order.

    Steps of a newer release that the database has already do no harm.
    """
    return _lacking(await _applied(conn), after=after)


async def apply(conn: Connection, *, after: bool = True) -> list[str]:
    """Make the schema, or apply the steps that are missing; returns their names.

    A step is in place whole or not at all. Others who apply steps meanwhile wait.

    Args: after: False leaves the `after` steps for later, while the older release still runs.
    Raises: SchemaError when a step cannot get its locks.
    """
    done: list[str] = []
    if not await missing(conn, after=after):
        return done
    tries = 0
    while True:
        try:
            name = await _next(conn, after=after)
        except _HELD_UP as error:
            tries += 1
            if tries == _TRIES:
                step = (await missing(conn, after=after))[0]
                raise SchemaError(f"{step} did not get its locks in {tries} tries; try again") from error
            await asyncio.sleep(_PAUSE_S)
            continue
        if name is None:
            return done
        log.info("the schema has a new step", action="schema", step=name)
        done.append(name)


async def _next(conn: Connection, *, after: bool) -> str | None:
    """Make the schema or apply one step; its name, None when there is nothing to do."""
    async with conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock($1)", Lock.SCHEMA)
        await conn.execute("SELECT set_config('lock_timeout', $1, true)", _LOCK_TIMEOUT)
        applied = await _applied(conn)
        if applied is None and await conn.fetchval("SELECT to_regclass('accounts')") is None:
            await conn.execute(schema_text())
            await conn.executemany(
                "INSERT INTO schema_steps (name) VALUES ($1)", [(name,) for name in steps()]
            )
            return "schema.sql"
        lacking = _lacking(applied, after=after)
        if not lacking:
            return None
        if applied is None:  # made before there were steps
            await conn.execute(
                """
                CREATE TABLE schema_steps (
                    name        text COLLATE "C" PRIMARY KEY,
                    applied_at  timestamptz NOT NULL DEFAULT now()
                )
                """
            )
        await conn.execute(steps()[lacking[0]])
        await conn.execute("INSERT INTO schema_steps (name) VALUES ($1)", lacking[0])
        return lacking[0]


def _lacking(applied: set[str] | None, *, after: bool) -> list[str]:
    names = [name for name in steps() if name.endswith("_before")]
    if after:
        names += [name for name in steps() if name.endswith("_after")]
    return [name for name in names if name not in (applied or ())]


async def _applied(conn: Connection) -> set[str] | None:
    """The steps that the database has; None when it has never known any."""
    try:
        async with conn.transaction():  # a savepoint, if there is a transaction already
            return {row["name"] for row in await conn.fetch("SELECT name FROM schema_steps")}
    except asyncpg.exceptions.UndefinedTableError:
        return None


def _text(path: Path) -> LiteralString:
    return cast("LiteralString", path.read_text(encoding="utf-8"))  # shipped with the code
