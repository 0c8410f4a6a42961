"""The commands of an operator, as processes: what cannot work ends in one line that says why."""

import os
import socket
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from app import running_service
from zstack_mgmt import __version__, process
from zstack_mgmt.bootstrap import prepare_database, reset_admin_password
from zstack_mgmt.config import ConfigError, Settings

ROOT = Path(__file__).parents[2]


def command(settings: Settings, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m zstack_mgmt` on this installation to its end."""
    ours = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "DATA_DIR": str(settings.data_dir),
        "PASSWORD_MEMORY_KIB": "64",
    }
    return subprocess.run(
        [sys.executable, "-m", "zstack_mgmt", *arguments],
        cwd=ROOT,
        env=os.environ | ours | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


SERVE, JOBS, WEBHOOKS = ("serve",), ("worker", "jobs"), ("worker", "webhooks")
COMMANDS = [SERVE, JOBS, WEBHOOKS, ("console",), ("schema",), ("admin-password",), ("page",), ("run",)]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_bad_setting_ends_every_process_in_one_line(settings: Settings, arguments: tuple[str, ...]) -> None:
    ended = command(settings, *arguments, LEASE_S="soon")
    assert ended.returncode == 2
    assert ended.stderr.startswith("zstack-mgmt: LEASE_S='soon' is not usable: ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [SERVE, JOBS, WEBHOOKS, ("console",)], ids=" ".join)
async def test_a_process_with_another_key_refuses_to_start(
    settings: Settings, arguments: tuple[str, ...]
) -> None:
    async with running_service(settings):
        pass
    ended = command(settings, *arguments, SECRET_KEY="ab" * 32, PORT="0")
    assert ended.returncode == 2
    said = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert said == ["zstack-mgmt: SECRET_KEY is not the key of this database"]


async def test_a_key_file_that_is_not_the_databases_is_named(settings: Settings, tmp_path: Path) -> None:
    pool = await process.open_pool(settings, application="test")
    await pool.close()
    with pytest.raises(ConfigError, match=r"not set, and .*/elsewhere/secret.key is not the key of this"):
        await process.open_pool(replace(settings, data_dir=tmp_path / "elsewhere"), application="test")


@pytest.mark.parametrize("setting", ["DATABASE_URL", "REDIS_URL", "PUBLIC_URL"])
def test_what_is_no_url_ends_in_one_line(settings: Settings, setting: str) -> None:
    ended = command(settings, "serve", **{setting: "postgresql://[::1"})
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith(f"zstack-mgmt: {setting} must begin with ")


def test_a_data_folder_that_cannot_be_used_is_named(settings: Settings) -> None:
    ended = command(settings, "serve", DATA_DIR=str(ROOT / "README.md"), PORT="0")
    assert ended.returncode == 2
    assert ended.stderr.startswith("zstack-mgmt: DATA_DIR: ")


def test_a_port_in_use_is_named(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = command(settings, "serve", PORT=port)
    assert ended.returncode == 2
    assert f"zstack-mgmt: HOST=127.0.0.1 PORT={port} cannot be used: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_database_that_is_away_is_named(settings: Settings) -> None:
    ended = command(settings, "schema", DATABASE_URL="postgresql://u:hidden@127.0.0.1:1/x")
    assert ended.returncode == 2
    assert ended.stderr.startswith("zstack-mgmt: DATABASE_URL: no connection: ")
    assert "hidden" not in ended.stderr


@pytest.mark.parametrize("arguments", [SERVE, JOBS, ("schema",)], ids=" ".join)
def test_an_address_that_is_none_is_named(settings: Settings, arguments: tuple[str, ...]) -> None:
    ended = command(settings, *arguments, DATABASE_URL="postgresql://u:hidden@db:port/x", PORT="0")
    assert ended.returncode == 2
    assert ended.stderr.startswith("zstack-mgmt: DATABASE_URL: ")
    assert "hidden" not in ended.stderr


ODD = "p@ss/w%rd#:?&'\"$ü \\ 100%41"


async def test_a_database_password_may_have_any_character(settings: Settings) -> None:
    conn = await asyncpg.connect(settings.database_url)
    role = f"odd_{uuid.uuid4().hex[:8]}"
    hidden = await conn.fetchval("SELECT quote_literal($1)", ODD)
    await conn.execute(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD {hidden}")
    try:
        parts = urlsplit(settings.database_url)
        url = urlunsplit(parts._replace(netloc=f"{role}@{parts.hostname}:{parts.port}"))
        done = command(settings, "schema", DATABASE_URL=url, DATABASE_PASSWORD=ODD)
        assert done.returncode == 0, done.stderr
        refused = command(settings, "schema", DATABASE_URL=url, DATABASE_PASSWORD=ODD + "x")
        assert (refused.returncode, refused.stderr.startswith("zstack-mgmt: DATABASE_URL: ")) == (2, True)
    finally:
        await conn.execute(f"DROP ROLE {role}")
        await conn.close()


async def test_a_generated_password_is_told_once(settings: Settings) -> None:
    settings = replace(settings, admin_password="")
    told = await prepare_database(settings)
    assert len(told) == 1
    assert told[0].startswith("the account `admin` was made; its password, shown only now: ")
    assert await prepare_database(settings) == []


async def test_the_well_known_password_is_told_as_long_as_it_is_the_admins(settings: Settings) -> None:
    settings = replace(settings, admin_password="")
    for default in ("password", ""):
        assert [note[:60] for note in await prepare_database(settings, default_password=default)] == [
            "warning: the password of the account `admin` is `password`; "
        ]
    await reset_admin_password(settings)
    assert await prepare_database(settings, default_password="password") == []


async def test_another_admin_password_than_the_stored_one_is_told(settings: Settings) -> None:
    await prepare_database(replace(settings, admin_password="first"))
    told = await prepare_database(replace(settings, admin_password="second"))
    assert [note[:42] for note in told] == ["warning: ADMIN_PASSWORD changes nothing: t"]
    assert await prepare_database(replace(settings, admin_password="first")) == []


@pytest.mark.parametrize("given", ["a new one", ""])
async def test_a_lost_admin_password_is_replaced(settings: Settings, given: str) -> None:
    async with running_service(settings) as service:
        replaced = command(settings, "admin-password", ADMIN_PASSWORD=given)
        assert replaced.returncode == 0, replaced.stderr
        said = "the password of the account `admin` is now "
        assert replaced.stderr.startswith(said)
        told = replaced.stderr.removeprefix(said).partition(";")[0]
        assert (told == "ADMIN_PASSWORD") == bool(given)
        await service.anonymous.log_in("admin", given or told)
        assert (await service.db.fetchval("SELECT count(*) FROM sessions")) == 1, "the others have ended"
        audited = await service.db.fetchval("SELECT outcome FROM audits WHERE api = 'admin-password'")
        assert audited == "succeeded"


async def test_a_start_with_the_wrong_key_leaves_the_database_as_it_was(settings: Settings) -> None:
    pool = await process.open_pool(settings, application="test")
    known = await pool.fetchval("SELECT value FROM installation WHERE name = 'key'")
    with pytest.raises(ConfigError):
        await process.open_pool(replace(settings, secret_key="cd" * 32), application="test")
    assert await pool.fetchval("SELECT value FROM installation WHERE name = 'key'") == known
    await pool.close()


def test_the_version_and_the_commands_are_told_whatever_the_settings_are(settings: Settings) -> None:
    told = command(settings, "--version", LEASE_S="soon")
    assert (told.returncode, told.stdout) == (0, f"zstack-mgmt {__version__}\n")
    listed = command(settings, "--help", LEASE_S="soon")
    assert listed.returncode == 0
    assert all(words[0] in listed.stdout for words in COMMANDS)


def test_an_unknown_command_changes_nothing_and_lists_the_known_ones(settings: Settings) -> None:
    ended = command(settings, "sreve")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "worker jobs|webhooks" in ended.stderr
