"""The steps of `migrations/` and `schema.sql` come to the same, wherever a database starts."""

import asyncio
import re

import asyncpg
import pytest

from migration.catalog import catalog, difference
from migration.conftest import FIRST, Connection
from services import Services
from zstack_mgmt import schema


@pytest.fixture
async def picture(database_url: str) -> dict[str, str]:
    conn = await asyncpg.connect(database_url)
    try:
        return await catalog(conn)
    finally:
        await conn.close()


async def counts(conn: Connection) -> dict[str, int]:
    tables = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    return {name: await conn.fetchval(f'SELECT count(*) FROM "{name}"') for (name,) in tables}


async def test_steps_from_nothing_come_to_the_picture(empty: Connection, picture: dict[str, str]) -> None:
    await empty.execute(schema.steps()[FIRST])
    assert await schema.apply(empty) == await noted(empty)
    assert difference(picture, await catalog(empty)) == ""


async def noted(conn: Connection) -> list[str]:
    rows = await conn.fetch("SELECT name FROM schema_steps ORDER BY name LIKE '%_after', name")
    return [row["name"] for row in rows]


async def test_steps_from_the_first_release_with_data_come_to_the_picture(
    first: Connection, picture: dict[str, str]
) -> None:
    before = await counts(first)
    assert not [table for table, rows in before.items() if rows == 0], "data.sql must fill every table"
    await schema.apply(first)
    assert difference(picture, await catalog(first)) == ""
    after = await counts(first)
    lost = {table for table, rows in before.items() if table in after and after[table] < rows}
    assert lost <= {"webhook_receivers"}  # which held the leases of the first release


async def test_quotas_know_what_was_used_before(first: Connection) -> None:
    await schema.apply(first)
    wrong = await first.fetch(
        """
        SELECT q.identity_uuid, q.name, q.used, coalesce(sum((o.uses ->> q.name)::numeric), 0) AS counted
        FROM quotas q LEFT JOIN resource_owners o ON o.account_uuid = q.identity_uuid
        GROUP BY q.uuid HAVING q.used <> coalesce(sum((o.uses ->> q.name)::numeric), 0)
        """
    )
    assert wrong == []
    assert await first.fetchval("SELECT max(used) FROM quotas WHERE name = 'vm.totalNum'") == 120


async def test_what_the_last_workers_of_the_first_release_held_is_freed(first: Connection) -> None:
    held = "SELECT count(*) FROM api_jobs WHERE state = 'running'"
    await schema.apply(first, after=False)
    assert await first.fetchval(held) == 25
    await first.execute("INSERT INTO workers SELECT 'new:1:a', now() + interval '1 min'")
    await first.execute("UPDATE api_jobs SET owner = 'new:1:a' WHERE seq = (SELECT min(seq) FROM api_jobs)")
    await first.execute("UPDATE api_jobs SET state = 'running' WHERE owner = 'new:1:a'")
    await schema.apply(first)
    assert await first.fetchval(held) == 1


async def test_first_release_is_what_it_was(empty: Connection) -> None:
    """Step one runs where a database has it already, as every database of the first release has."""
    await empty.execute(schema.steps()[FIRST])
    once = await catalog(empty)
    await empty.execute(schema.steps()[FIRST])
    assert difference(once, await catalog(empty)) == ""


async def test_before_steps_leave_the_after_steps_for_later(
    first: Connection, picture: dict[str, str]
) -> None:
    done = await schema.apply(first, after=False)
    assert done
    assert all(name.endswith("_before") for name in done)
    assert await schema.missing(first) == []
    rest = await schema.apply(first)
    assert rest == [name for name in schema.steps() if name.endswith("_after")]
    assert difference(picture, await catalog(first)) == ""


async def test_a_new_database_gets_the_picture_at_once(empty: Connection) -> None:
    assert await schema.apply(empty) == ["schema.sql"]
    assert sorted(await noted(empty)) == sorted(schema.steps())
    assert await schema.missing(empty, after=True) == []


async def test_up_to_date_costs_no_more_than_a_look(database_url: str) -> None:
    """A role that may read `schema_steps` and nothing else is enough."""
    owner = await asyncpg.connect(database_url)
    reader = f"reader_{database_url.rpartition('_')[2]}"
    await owner.execute(f"CREATE ROLE {reader}; GRANT SELECT ON schema_steps TO {reader}")
    try:
        await owner.execute(f"SET ROLE {reader}")
        assert await schema.apply(owner) == []
    finally:
        await owner.execute(f"RESET ROLE; DROP OWNED BY {reader}; DROP ROLE {reader}")
        await owner.close()


async def test_starters_at_once_apply_each_step_once(services: Services, first: Connection) -> None:
    url = services.url_of(await first.fetchval("SELECT current_database()"))
    others = [await asyncpg.connect(url) for _ in range(4)]
    try:
        done = await asyncio.gather(*(schema.apply(conn) for conn in others))
    finally:
        for conn in others:
            await conn.close()
    assert sorted(name for names in done for name in names) == sorted(schema.steps())


async def test_a_step_that_cannot_lock_gives_up_and_leaves_nothing(
    services: Services, first: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(schema, "_PAUSE_S", 0.01)
    monkeypatch.setattr(schema, "_TRIES", 3)
    holder = await asyncpg.connect(services.url_of(await first.fetchval("SELECT current_database()")))
    async with holder.transaction():
        await holder.execute("LOCK TABLE users")
        with pytest.raises(schema.SchemaError, match="0001_beginning_before did not"):
            await schema.apply(first)
    await holder.close()
    await schema.apply(first)
    assert await schema.missing(first, after=True) == []


def test_steps_are_numbered_and_say_when() -> None:
    names = list(schema.steps())
    numbers = [int(name[:4]) for name in names]
    assert sorted(set(numbers)) == numbers, "two steps have one number"
    assert [name for name in names if not re.fullmatch(r"\d{4}_[a-z0-9_]+_(before|after)", name)] == []


def test_a_step_leaves_transactions_and_old_names_alone() -> None:
    for name, text in schema.steps().items():
        assert not re.search(r"^\s*(BEGIN|COMMIT|ROLLBACK)\s*;", text, re.MULTILINE), name


def test_difference_is_said_part_by_part() -> None:
    want = {"column t.a": "text", "index t_idx": "x", "function f()": "BEGIN\n  old;\nEND"}
    have = {"column t.a": "int", "column t.b": "text", "function f()": "BEGIN\n  new;\nEND"}
    assert difference(want, want) == ""
    assert difference(want, have) == "\n".join(
        (
            "  column t.a:",
            "    - int",
            "    + text",
            "- column t.b: text",
            "  function f():",
            "    -   new;",
            "    +   old;",
            "+ index t_idx: x",
        )
    )
