"""Each constraint that a client can breach has its error, and each of these errors has its constraint."""

import doctest
from typing import Any

import asyncpg
import pytest

from migration.conftest import Connection
from zstack_mgmt import db, schema
from zstack_mgmt.core.errors import DuplicateResource, OperationError, ResourceNotFound

NOBODY = "f" * 32
LATER = """
INSERT INTO policy_roles (uuid, account_uuid, name, statements)
SELECT 'r', uuid, 'r', '[]' FROM accounts LIMIT 1;
INSERT INTO policy_role_users (role_uuid, user_uuid) SELECT 'r', uuid FROM users LIMIT 1;
INSERT INTO policy_role_accounts (role_uuid, account_uuid) SELECT 'r', uuid FROM accounts LIMIT 1;
INSERT INTO long_jobs (uuid, name, job_name, job_data, api_job_uuid) VALUES ('l', 'l', 'APIZone', '{}', 'j');
INSERT INTO login_details (login_uuid) SELECT uuid FROM users LIMIT 1;
INSERT INTO role_assignments (actor_uuid, role_uuid, project_uuid)
SELECT u.uuid, r.uuid, p.uuid FROM users u, roles r, projects p LIMIT 1;
INSERT INTO role_assignments (actor_uuid, role_uuid, domain_uuid)
SELECT u.uuid, r.uuid, u.account_uuid FROM users u, roles r LIMIT 1;
INSERT INTO catalog_regions (id) VALUES ('r');
INSERT INTO catalog_services (uuid, type, enabled) VALUES ('s', 't', true);
INSERT INTO catalog_endpoints (uuid, service_uuid, region_id, interface, url, enabled)
VALUES ('e', 's', 'r', 'public', 'u', true);
INSERT INTO application_credentials
(uuid, login_uuid, project_uuid, name, secret_hash, role_uuids, unrestricted)
SELECT 'ac', u.uuid, p.uuid, 'n', 'h', '{}', false FROM users u, projects p LIMIT 1;
INSERT INTO registered_limits (uuid, service_id, resource_name, default_limit) VALUES ('l', 's', 'cores', 1);
INSERT INTO limits (uuid, registered_uuid, project_uuid, value)
SELECT 'p', 'l', uuid, 1 FROM projects LIMIT 1;
INSERT INTO limits (uuid, registered_uuid, domain_uuid, value) SELECT 'd', 'l', uuid, 1 FROM accounts LIMIT 1;
INSERT INTO resource_extras (resource_uuid) SELECT uuid FROM accounts LIMIT 1;
INSERT INTO domain_quotas SELECT uuid, 'router', 1 FROM accounts LIMIT 1;
INSERT INTO access_keys (uuid, account_uuid, user_uuid, access_key_id, sealed)
SELECT md5(uuid), account_uuid, uuid, 'AKID', 's1.' FROM users LIMIT 1;
INSERT INTO api_processes (uuid, host_name) VALUES ('ap', 'h');
INSERT INTO global_configs (uuid, category, name, description, default_value)
VALUES ('gc', 'c', 'n', 'd', '1');
INSERT INTO tag_patterns (uuid, name, value) VALUES ('tp', 'n', 'v');
INSERT INTO console_agents (uuid, management_ip, listen_port, console_proxy_port, alive_until)
VALUES ('a', '192.0.2.1', 4900, 4900, now());
INSERT INTO console_tokens (token_hash, vm_uuid, account_uuid, user_uuid, kind, expires_at)
SELECT 't', v.uuid, a.uuid, a.uuid, 'vnc', now() FROM vm_instances v, accounts a LIMIT 1;
"""
"""A row for each table that came after the first release and is empty at first."""
SUFFIXES = {"p": "_pkey", "u": "_key", "f": "_fkey", "c": "_check", "x": "_excl", "t": "_trigger"}

UNREACHABLE = {
    "written with ON CONFLICT": (
        "group_members_pkey user_policies_pkey group_policies_pkey resource_shares_key "
        "policy_role_users_pkey policy_role_accounts_pkey "
        "image_backup_storages_key login_failures_pkey login_places_pkey simulator_domains_pkey "
        "simulator_snapshots_pkey "
        "stray_domains_pkey scheduler_executions_due_key usages_open_key "
        "webhook_attempts_pkey webhook_breakers_pkey webhook_receivers_pkey webhook_deliveries_pkey "
        "console_agents_address_key "
        "workers_pkey periodic_tasks_pkey webhook_secrets_current_key quota_defaults_pkey "
        "schema_steps_pkey installation_pkey access_key_uses_pkey role_assignments_key domain_quotas_pkey "
        "login_details_pkey resource_extras_pkey job_traces_pkey"
    ),
    "checked before, under a lock": (
        "quotas_identity_name_key global_configs_name_key vm_nics_device_key volumes_device_key "
        "volume_snapshots_latest_key"
    ),
    "numbered by the database": (
        "resource_owners_pkey resource_shares_pkey image_backup_storages_pkey simulator_faults_pkey "
        "api_job_keys_pkey audits_pkey scheduler_executions_pkey usages_pkey "
        "vm_nics_mac_key password_history_pkey"
    ),
    "one row, which the schema inserts": "catalog_versions_pkey",
    "random": "sessions_pkey ldap_logins_pkey console_tokens_pkey",
    "one row for each new uuid": "used_ips_nic_key used_ips_vip_key",
}
"""Unique constraints and indexes that no call can breach, by the reason.

A CHECK repeats what requests are validated for, or guards our own bookkeeping: its breach is a fault of ours,
but for the capacity of a host.
"""


@pytest.fixture
async def full(first: Connection) -> Connection:
    """The schema of today with something in each table."""
    await schema.apply(first)
    await first.execute(LATER)
    return first


async def unique(conn: Connection) -> dict[str, list[str]]:
    """Each unique index with its columns."""
    rows = await conn.fetch(
        """
        SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum) AS columns
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             JOIN pg_attribute a ON a.attrelid = i.indexrelid
        WHERE c.relnamespace = current_schema()::regnamespace AND i.indisunique GROUP BY c.relname
        """
    )
    return {row["relname"]: row["columns"] for row in rows}


async def test_every_name_exists(full: Connection) -> None:
    names = {row["conname"] for row in await full.fetch("SELECT conname FROM pg_constraint")}
    assert db.CONSTRAINTS.keys() - names - (await unique(full)).keys() == set()


async def test_every_constraint_has_a_name_of_ours(full: Connection) -> None:
    rows = await full.fetch(
        """
        SELECT conrelid::regclass::text AS of, conname, contype::text FROM pg_constraint
        WHERE connamespace = current_schema()::regnamespace AND contype <> 'n'
        """
    )
    for table, name, kind in rows:
        assert name.startswith(f"{table}_")
        assert name.endswith(SUFFIXES[kind])
        assert not name.endswith("_uuid_fkey"), "PostgreSQL's own name"


async def test_every_unique_constraint_has_its_error_or_cannot_be_breached(full: Connection) -> None:
    found = await unique(full)
    named = {name for names in UNREACHABLE.values() for name in names.split()}
    by_rule = {name for name, columns in found.items() if name.endswith("_pkey") and columns == ["uuid"]}
    assert found.keys() - db.CONSTRAINTS.keys() - by_rule - named == set(), (
        "which error does its breach mean?"
    )
    assert named - found.keys() == set(), "gone"
    assert named & db.CONSTRAINTS.keys() == set()


async def breach(conn: Connection, statement: str, *args: Any) -> tuple[str, db.ApiError | None]:
    """The constraint that the statement breaches, and the error that a client gets."""
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as caught:
        async with conn.transaction():
            await conn.execute(statement, *args)
    return str(caught.value.constraint_name), db.translate(caught.value)


async def test_a_uuid_that_is_taken_is_told_for_each_table(full: Connection) -> None:
    tables = [
        name.removesuffix("_pkey") for name, columns in (await unique(full)).items() if columns == ["uuid"]
    ]
    assert len(tables) > 20
    for table in tables:
        given = await full.fetchval(
            """
            SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
            WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
            """,
            table,
        )
        copy = f'({given}) OVERRIDING SYSTEM VALUE SELECT {given} FROM "{table}" LIMIT 1'
        statement = f'INSERT INTO "{table}" {copy}'
        broken, error = await breach(full, statement)
        assert broken == f"{table}_pkey"
        assert isinstance(error, DuplicateResource), table


async def test_what_a_foreign_key_misses_is_named(full: Connection) -> None:
    keys = await full.fetch(
        """
        SELECT c.conname, c.conrelid::regclass::text AS of, a.attname, format_type(a.atttypid, NULL) AS type
        FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.connamespace = current_schema()::regnamespace AND c.contype = 'f'
        """
    )
    assert len(keys) > 40
    for name, table, column, kind in keys:
        wrong = NOBODY if kind == "text" else b"nobody"
        row = f'SELECT ctid FROM "{table}" ORDER BY "{column}" IS NULL LIMIT 1'
        broken, error = await breach(
            full, f'UPDATE "{table}" SET "{column}" = $1 WHERE ctid = ({row})', wrong
        )
        assert broken == name
        if name not in db.CONSTRAINTS and kind == "text":
            assert isinstance(error, ResourceNotFound)
            assert error.details.endswith(f" has the uuid {NOBODY}")


async def test_what_is_still_referred_to_says_so(full: Connection) -> None:
    uuid = await full.fetchval("SELECT host_uuid FROM vm_instances WHERE host_uuid IS NOT NULL LIMIT 1")
    broken, error = await breach(full, "DELETE FROM hosts WHERE uuid = $1", uuid)
    assert broken == "vm_instances_host_fkey"
    assert isinstance(error, OperationError)
    assert error.details == f"the resource {uuid} is still in use"


def test_doctests() -> None:
    failed, attempted = doctest.testmod(db)
    assert attempted
    assert not failed
