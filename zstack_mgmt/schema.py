"""Applying `schema.sql`, from a checkout or from the installed package."""

from __future__ import annotations

from pathlib import Path
from typing import LiteralString, cast

from zstack_mgmt.db import SCHEMA_VERSION, Connection


def schema_text() -> LiteralString:
    """The text of schema.sql."""
    here = Path(__file__).resolve().parent
    for path in (here.parent / "schema.sql", here / "schema.sql"):
        if path.is_file():
            return cast("LiteralString", path.read_text(encoding="utf-8"))  # shipped with the code
    raise FileNotFoundError("schema.sql is neither beside the package nor in it")


async def apply_schema(conn: Connection) -> None:
    """Create what is missing, and note the version. Applying it again changes nothing."""
    await conn.execute(schema_text())
    await conn.execute(
        "INSERT INTO schema_version (version) VALUES ($1) ON CONFLICT DO NOTHING", SCHEMA_VERSION
    )
