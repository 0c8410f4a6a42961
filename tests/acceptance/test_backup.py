"""A backup holds what was promised: sessions, keys, jobs and secrets are valid where it is restored."""

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from acceptance.test_commands import command
from app import running_service
from identity.test_access_keys import KeyClient
from zstack_mgmt.auth.keyring import key_file
from zstack_mgmt.bootstrap import prepare_database
from zstack_mgmt.config import Settings
from zstack_mgmt.local.binaries import find_client, find_postgres
from zstack_mgmt.local.processes import LocalError
from zstack_mgmt.local.servers import start_postgres


@pytest.fixture
async def elsewhere(settings: Settings, tmp_path: Path) -> AsyncIterator[Settings]:
    """Another installation: an empty database and an empty DATA_DIR."""
    name = f"zstack_test_{uuid.uuid4().hex}"
    conn = await asyncpg.connect(settings.database_url)
    await conn.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    url = urlunsplit(urlsplit(settings.database_url)._replace(path=f"/{name}"))
    yield replace(settings, database_url=url, data_dir=tmp_path / "elsewhere")
    await conn.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await conn.close()


async def test_what_was_valid_is_valid_where_it_is_restored(
    settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    file, key = tmp_path / "data" / "b.dump", tmp_path / "safe" / "key"
    file.parent.mkdir()
    async with running_service(settings) as service:
        account, user = await service.account("acme")
        access_key = await user.create("/accesskeys")
        done = {"X-Job-UUID": uuid.uuid4().hex}
        made = await user.job("POST", "/accesskeys", {"params": {}}, headers=done)
    async with running_service(settings, workers=0) as service:
        queued = await service.admin.call("POST", "/zones", {"params": {"name": "queued"}})
        assert queued.status == 202
        wrote = command(settings, "backup", str(file), "--key", str(key))
        assert wrote.returncode == 0, wrote.stderr
        admin = service.admin.token

    assert {path.stat().st_mode & 0o777 for path in (file, key)} == {0o600}
    assert key.read_text() == key_file(settings).read_text()
    assert key.read_text().strip().encode() not in file.read_bytes()

    restored = command(elsewhere, "restore", str(file), "--key", str(key))
    assert (restored.returncode, restored.stderr) == (0, f"restored {file}\n")
    async with running_service(elsewhere) as service:
        service.admin.token = admin
        user.http, user.base = service.http, service.anonymous.base
        shown = (await user.get("/accesskeys")).body["inventories"]
        assert {key["accountUuid"] for key in shown} == {account["uuid"]}
        assert (await KeyClient(service, access_key).get("/accesskeys")).body["inventories"] == shown
        again = await user.job("POST", "/accesskeys", {"params": {}}, headers=done)
        assert again.body == made.body, "a repeated call gets the first answer, with its secret"
        job = f"/api-jobs/{queued.body['location'].rpartition('/')[2]}"
        async with asyncio.timeout(20):
            while (ended := await service.admin.get(job, headers={"Prefer": "wait=5"})).status == 202:
                pass
        assert ended.inventory["name"] == "queued"


async def test_a_backup_goes_into_an_empty_database_only(settings: Settings, tmp_path: Path) -> None:
    await prepare_database(settings)
    assert command(settings, "backup", str(tmp_path / "b")).returncode == 0
    ended = command(settings, "restore", str(tmp_path / "b"))
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "has a schema already" in ended.stderr


async def test_a_restore_with_another_key_leaves_the_database_empty(
    settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    await prepare_database(settings)
    async with running_service(settings):
        pass  # the database knows its key from now on
    assert command(settings, "backup", str(tmp_path / "b")).returncode == 0
    (tmp_path / "key").write_text("ab" * 32)
    for arguments, said in (
        (("--key", str(tmp_path / "key")), "the key is not the one of this backup"),
        ((), "--key or SECRET_KEY is needed"),
        (("--key", str(tmp_path / "none")), "cannot be read"),
    ):
        ended = command(elsewhere, "restore", str(tmp_path / "b"), *arguments)
        assert ended.returncode in (1, 2)
        assert said in ended.stderr
        assert ended.stderr.count("\n") == 1
    conn = await asyncpg.connect(elsewhere.database_url)
    assert await conn.fetchval("SELECT to_regclass('accounts')") is None
    await conn.close()
    assert not key_file(elsewhere).exists()


async def test_what_cannot_be_written_or_would_have_both_together_is_refused(
    settings: Settings, tmp_path: Path
) -> None:
    await prepare_database(settings)
    (tmp_path / "there").touch()
    for file, key, said in (
        ("there", None, "is there already"),
        ("new", "there", "is there already"),
        ("new", "key", "must not lie beside the data"),
        ("no/folder/new", None, "cannot be written"),
    ):
        arguments = ["--key", str(tmp_path / key)] if key else []
        ended = command(settings, "backup", str(tmp_path / file), *arguments)
        assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
        assert said in ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["secret.key", "there"]
    ended = command(settings, "restore", str(tmp_path / "there"))
    assert (ended.returncode, "pg_restore failed" in ended.stderr) == (1, True)


async def test_an_empty_database_has_nothing_to_back_up(elsewhere: Settings, tmp_path: Path) -> None:
    ended = command(elsewhere, "backup", str(tmp_path / "b"))
    assert (ended.returncode, "there is nothing to back up" in ended.stderr) == (1, True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the servers' user can go, which pytest's folders are not."""
    made = Path(tempfile.mkdtemp(prefix="zstack-backup-"))
    yield made
    shutil.rmtree(made)


@pytest.mark.faults
async def test_the_server_of_a_data_folder_is_started_for_it(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No DATABASE_URL: the folder that `make run` has left, and a new one."""
    for name in ("DATABASE_URL", "ZSTACK_TEST_SERVICES"):
        monkeypatch.delenv(name, raising=False)
    first = replace(settings, data_dir=folder / "first")
    second = replace(settings, data_dir=folder / "second")
    first.data_dir.mkdir()
    oldest = find_postgres().major
    server = await start_postgres(first.data_dir)
    local = replace(first, database_url=server.database_url)
    async with running_service(local) as service:
        await service.admin.create("/zones", name="kept")
    await server.stop()

    given = {"DATABASE_URL": "", "REDIS_URL": ""}
    key = ("--key", str(folder / "safe/key"))
    done = command(first, "backup", str(folder / "b"), *key, **given)
    assert done.returncode == 0, done.stderr
    done = command(second, "restore", str(folder / "b"), *key, **given)
    assert done.returncode == 0, done.stderr
    assert key_file(second).read_text() == key_file(first).read_text()

    server = await start_postgres(second.data_dir)
    try:
        assert server.server.binaries.major == oldest
        conn = await asyncpg.connect(server.database_url)
        assert await conn.fetchval("SELECT name FROM zones") == "kept"
        await conn.close()
    finally:
        await server.stop()


def test_the_programs_are_those_of_the_servers_version() -> None:
    major = find_postgres().major
    for name in ("pg_dump", "pg_restore"):
        assert find_client(name, major).parent == find_postgres().folder
    with pytest.raises(LocalError, match="`pg_dump` of PostgreSQL 99 or newer was not found"):
        find_client("pg_dump", 99)
    assert os.access(find_client("pg_dump", 15), os.X_OK)
