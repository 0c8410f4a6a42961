"""The key is replaced while sessions, keys, jobs and secrets live on."""

import re
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from acceptance.test_commands import command
from app import Service, running_service
from identity.test_access_keys import KeyClient
from zstack_mgmt.auth.keyring import load_keys
from zstack_mgmt.auth.keys import seal_context
from zstack_mgmt.auth.secrets import Sealer
from zstack_mgmt.config import Settings
from zstack_mgmt.ldap.access import seal_context as ldap_context
from zstack_mgmt.rotation import PLACES

OLD, NEW = "ab" * 32, "cd" * 32
SEALED = re.compile(r"s1\.[A-Za-z0-9_=-]{30,}")
HASH_KEY = "installation.value"


async def sealed_texts(service: Service) -> dict[str, set[str]]:
    """Every sealed text in the database, by its column."""
    columns = await service.db.fetch(
        """
        SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
          AND a.attnum > 0 AND NOT a.attisdropped
          AND a.atttypid IN ('text'::regtype, 'json'::regtype, 'jsonb'::regtype, 'text[]'::regtype)
        """
    )
    found: dict[str, set[str]] = {}
    for table, column in columns:
        rows = await service.db.fetch(
            f"SELECT {column}::text AS text FROM {table} WHERE {column}::text ~ 's1[.]'"
        )
        texts = {text for row in rows for text in SEALED.findall(row["text"])}
        if texts:
            found[f"{table}.{column}"] = texts
    return found


async def fill(service: Service) -> dict[str, Any]:
    """Have something sealed in each place; what shows later that it still opens."""
    admin, db = service.admin, service.db
    key = await admin.create("/accesskeys", accountUuid=None, userUuid=None)
    zone = await admin.create("/zones", name="zone")
    cluster = await admin.create("/clusters", name="c", zoneUuid=zone["uuid"], hypervisorType="KVM")
    host = await admin.create(
        "/hosts/kvm",
        name="h",
        managementIp="10.0.0.1",
        username="root",
        password="pw",
        clusterUuid=cluster["uuid"],
    )
    secret = await admin.job("POST", "/webhooks/secret/rotations")
    sealer = Sealer(load_keys(service.settings)[0])
    await db.execute(
        "INSERT INTO stray_domains (vm_uuid, host_uuid, hypervisor_type, management_ip, password)"
        " VALUES ($1, $2, 'KVM', '10.0.0.1', $3)",
        *(uuid.uuid4().hex, host["uuid"], sealer.seal("pw", "password")),
    )
    server = uuid.uuid4().hex
    await db.execute(
        "INSERT INTO ldap_servers (uuid, name, url, base, username, sealed_password, encryption)"
        " VALUES ($1, 'd', 'ldap://d', 'dc=d', 'cn=d', $2, 'None')",
        *(server, sealer.seal("pw", ldap_context(server))),
    )
    job = {"X-Job-UUID": uuid.uuid4().hex, "X-Web-Hook": "http://127.0.0.1:9/"}
    made = await admin.job("POST", "/accesskeys", {"params": {}}, headers=job)
    body = {"updateHost": {"password": "pw"}}
    await admin.call("PUT", f"/hosts/{host['uuid']}/actions", body)
    return {"key": key, "secret": secret.inventory, "job": job, "made": made.body}


@pytest.fixture
def old(settings: Settings) -> Settings:
    return replace(settings, secret_key=OLD, webhook_schedule_s=(3600.0,))


async def test_everything_sealed_is_sealed_anew_and_all_that_was_valid_stays_valid(old: Settings) -> None:
    async with running_service(old) as service:
        told = await fill(service)
        token = service.admin.token
        before = await sealed_texts(service)
        assert set(before) - {HASH_KEY} == set(PLACES)

        done = command(old, "rotate-key", SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=OLD)
        assert (done.returncode, "left as they are" in done.stderr) == (0, False), done.stderr
        count = sum(len(texts) for texts in before.values())
        assert f"secrets sealed with it anew: {count}\n" in done.stderr
        after = await sealed_texts(service)
        assert set(after) == set(PLACES) | {HASH_KEY}
        assert not set.union(*before.values()) & set.union(*after.values())

        again = command(old, "rotate-key", SECRET_KEY=NEW)
        assert "anew: 0\n" in again.stderr

    for refused in ({"SECRET_KEY": OLD}, {"SECRET_KEY": "ef" * 32}):
        ended = command(old, "worker", "jobs", **refused)
        assert (ended.returncode, "SECRET_KEY is not the key of this database" in ended.stderr) == (2, True)

    async with running_service(replace(old, secret_key=NEW)) as service:
        service.admin.token = token
        assert (await service.admin.get("/zones")).status == 200, "the session lives on"
        assert (await KeyClient(service, told["key"]).get("/zones")).status == 200, "so does the access key"
        again = await service.admin.job("POST", "/accesskeys", {"params": {}}, headers=told["job"])
        assert again.body == told["made"], "the repeated call gets the first answer, with its secret"


async def test_processes_with_either_key_first_read_what_the_others_seal(old: Settings) -> None:
    """A rolling change: both keys known everywhere first, then the new one first."""
    async with (
        running_service(replace(old, secret_key_fallbacks=(NEW,))) as first,
        running_service(replace(old, secret_key=NEW, secret_key_fallbacks=(OLD,)), workers=0) as second,
    ):
        second.admin.token = first.admin.token
        for service in (first, second):
            key = await service.admin.create("/accesskeys")
            for door in (first, second):
                assert (await KeyClient(door, key).get("/zones")).status == 200


async def test_a_key_in_a_file_is_replaced_and_a_broken_off_change_goes_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_service(settings) as service:
        key, token = await service.admin.create("/accesskeys"), service.admin.token
    path = Path(settings.data_dir) / "secret.key"
    (old,) = path.read_text().split()

    path.write_text(f"{NEW}\n{old}\n")  # as a change leaves it that was killed in its midst
    assert command(settings, "rotate-key").returncode == 0
    assert path.read_text() == f"{NEW}\n"
    assert command(settings, "rotate-key").returncode == 0
    (newest,) = path.read_text().split()
    assert newest not in (NEW, old)
    assert path.stat().st_mode & 0o777 == 0o600

    async with running_service(settings) as service:
        service.admin.token = token
        assert (await service.admin.get("/zones")).status == 200
        assert (await KeyClient(service, key).get("/zones")).status == 200


async def test_a_secret_that_no_key_opens_is_counted_and_left(old: Settings) -> None:
    async with running_service(old) as service:
        key = await service.admin.create("/accesskeys")
        text = Sealer(b"x" * 32).seal("pw", seal_context(key["uuid"]))
        await service.db.execute("UPDATE access_keys SET sealed = $1", text)
        done = command(old, "rotate-key", SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=OLD)
        assert (done.returncode, "left as they are: 1\n" in done.stderr) == (1, True)
        assert await service.db.fetchval("SELECT sealed FROM access_keys") == text


async def test_a_key_that_is_not_the_databases_rotates_nothing(old: Settings) -> None:
    async with running_service(old) as service:
        await service.admin.create("/accesskeys")
        before = await sealed_texts(service)
        done = command(old, "rotate-key", SECRET_KEY=NEW, SECRET_KEY_FALLBACKS="ef" * 32)
        assert (done.returncode, "is not the key of this database" in done.stderr) == (2, True)
        assert await sealed_texts(service) == before
