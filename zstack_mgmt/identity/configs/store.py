"""The SQL of global configurations."""

from __future__ import annotations

from zstack_mgmt.config import Settings
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.configs.model import CONFIGS, QUOTA, Config, uuid_of


async def value_of(conn: Connection, config: Config, settings: Settings) -> int:
    """What holds now: the value that an administrator has chosen, or this process's own setting."""
    chosen = await conn.fetchval(
        "SELECT chosen FROM global_configs WHERE category = $1 AND name = $2", config.category, config.name
    )
    return int(chosen) if chosen is not None else getattr(settings, config.setting)


async def set_quota_default(conn: Connection, name: str, value: int) -> None:
    """Set what new accounts get of a quota; accounts that are there keep theirs."""
    await conn.execute("UPDATE quota_defaults SET value = $2 WHERE name = $1", name, value)


async def list_configs(conn: Connection, settings: Settings) -> None:
    """Bring the list of configurations up to date with this release and its settings."""
    await conn.executemany(
        """
        INSERT INTO global_configs AS g (uuid, category, name, description, default_value)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (uuid) DO UPDATE
            SET description = excluded.description, default_value = excluded.default_value
        WHERE (g.description, g.default_value) <> (excluded.description, excluded.default_value)
        """,
        [
            (
                uuid_of(c.category, c.name),
                c.category,
                c.name,
                c.description,
                str(getattr(settings, c.setting)),
            )
            for c in CONFIGS.values()
        ],
    )
    quotas = await conn.fetch("SELECT name, value::text FROM quota_defaults ORDER BY name")
    await conn.executemany(
        """
        INSERT INTO global_configs (uuid, category, name, description, default_value)
        VALUES ($1, $2, $3, 'what a new account gets of the quota', $4) ON CONFLICT (uuid) DO NOTHING
        """,
        [(uuid_of(QUOTA, row["name"]), QUOTA, row["name"], row["value"]) for row in quotas],
    )
