"""Jobs on triggers, straight into the tables: for tests of firing, and for thousands of them."""

from typing import Any

from zstack_mgmt.core.values import ADMIN_UUID, new_uuid


async def insert_resource(db: Any, kind: str = "VmInstanceVO", account: str = ADMIN_UUID) -> str:
    """A resource of a type that an account owns, without anything behind it; returns its uuid."""
    uuid = new_uuid()
    await db.execute(
        "INSERT INTO resources (uuid, resource_name, resource_type, base_type) VALUES ($1, 'it', $2, $2)",
        uuid,
        kind,
    )
    await db.execute(
        "INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid) VALUES ($1, $2, $3)",
        uuid,
        kind,
        account,
    )
    return uuid


async def insert_due(db: Any, targets: list[str], *, ago_s: float = 0, kind: str = "startVm") -> None:
    """A job of the admin for each target, each on an hourly trigger of its own that is due since `ago_s`."""
    await db.execute(
        """
        CREATE TEMP TABLE n AS
        SELECT lpad(to_hex(i), 11, '0') || '40008' || repeat('0', 15) AS uuid, target
        FROM unnest($1::text[]) WITH ORDINALITY AS t (target, i)
        """.replace("$1", "ARRAY[" + ",".join(f"'{target}'" for target in targets) + "]")
    )
    await db.execute(
        """
        INSERT INTO scheduler_jobs (uuid, name, type, target_resource_uuid)
        SELECT 'a' || uuid, 'j', $1, target FROM n
        """,
        kind,
    )
    await db.execute(
        """
        INSERT INTO scheduler_triggers (uuid, name, scheduler_type, scheduler_interval, repeat_count,
                                        start_time)
        SELECT 'b' || uuid, 't', 'simple', 3600, 0, now() FROM n
        """
    )
    await db.execute(
        """
        INSERT INTO scheduler_job_triggers (uuid, scheduler_job_uuid, scheduler_trigger_uuid, grid_start,
                                            next_fire_at)
        SELECT 'c' || uuid, 'a' || uuid, 'b' || uuid, now() - make_interval(secs => $1),
               now() - make_interval(secs => $1) FROM n
        """,
        ago_s,
    )
    await db.execute(
        """
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
        SELECT 'a' || uuid, 'SchedulerJobVO', $1 FROM n
        """,
        ADMIN_UUID,
    )
    await db.execute("DROP TABLE n")
