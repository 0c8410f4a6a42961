"""PostgreSQL and Redis as children: started, proved to be ours, and brought back after the worst."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from zstack_mgmt.local.postgres import prepare_postgres
from zstack_mgmt.local.processes import LocalError, exited, free_port, process_command, spawn
from zstack_mgmt.local.servers import prepare_data_dir, start_both, start_postgres, start_redis

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.faults


@pytest.fixture
def data_dir():
    folder = Path(tempfile.mkdtemp(prefix="zstack-local-"))
    yield prepare_data_dir(folder)
    shutil.rmtree(folder, ignore_errors=True)


async def _execute(url, statement):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def test_both_start_with_passwords_and_keep_their_data_and_ports(data_dir):
    postgres, redis = await start_both(data_dir)
    await _execute(postgres.database_url, "CREATE TABLE kept AS SELECT 1 AS number")
    async with Redis.from_url(redis.redis_url) as client:
        await client.set("kept", "1")
    first = (postgres.database_url, redis.redis_url)
    await postgres.stop()
    await redis.stop()

    postgres, redis = await start_both(data_dir)
    assert (postgres.database_url, redis.redis_url) == first
    assert await _execute(postgres.database_url, "SELECT number FROM kept") == [(1,)]
    async with Redis.from_url(redis.redis_url) as client:
        assert await client.get("kept") == b"1"
    await postgres.stop()
    await redis.stop()


async def test_commits_reach_the_disk_and_nobody_enters_without_the_password(data_dir):
    postgres = await start_postgres(data_dir)
    for name, value in (
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("listen_addresses", "127.0.0.1"),
        ("jit", "off"),
    ):
        assert await _execute(postgres.database_url, f"SHOW {name}") == [(value,)]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://postgres:wrong@127.0.0.1:{postgres.port}/postgres")
    assert (data_dir / "postgres.password").stat().st_mode & 0o077 == 0
    await postgres.stop()


async def test_commits_survive_kill_9(data_dir):
    postgres = await start_postgres(data_dir)
    await _execute(postgres.database_url, "CREATE TABLE kept AS SELECT generate_series(1, 10000)")
    postgres.process.kill()
    await exited(postgres.process)
    await postgres.restart()
    assert await _execute(postgres.database_url, "SELECT count(*) FROM kept") == [(10000,)]
    await postgres.stop()


async def test_a_recorded_pid_that_went_to_another_program_does_not_matter(data_dir, monkeypatch):
    def spawn_and_let_it_write(*arguments, output, **options):
        before = os.fstat(output.fileno()).st_size
        process = spawn(*arguments, output=output, **options)
        while os.fstat(output.fileno()).st_size == before:
            os.sched_yield()
        return process

    postgres = await start_postgres(data_dir)
    # A busy machine may run the new server, and let it refuse, before its parent goes on.
    monkeypatch.setattr("zstack_mgmt.local.postgres.spawn", spawn_and_let_it_write)
    pid_file = data_dir / "postgres" / "postmaster.pid"
    record = pid_file.read_text()
    postgres.process.kill()
    await exited(postgres.process)
    owner = postgres.server.owner
    other = subprocess.Popen(["sleep", "60"], user=owner.uid if owner else None)
    try:
        pid_file.write_text("\n".join([str(other.pid), *record.splitlines()[1:]]) + "\n")
        await postgres.restart()
        assert await _execute(postgres.database_url, "SELECT 1") == [(1,)]
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
        await postgres.stop()


async def test_a_port_that_somebody_took_is_left_to_them(data_dir):
    postgres, redis = await start_both(data_dir)
    ports = (postgres.port, redis.port)
    await postgres.stop()
    await redis.stop()
    squatters = [socket.create_server(("127.0.0.1", port)) for port in ports]
    postgres, redis = await start_both(data_dir)
    assert postgres.port not in ports
    assert redis.port not in ports
    assert await _execute(postgres.database_url, "SELECT 1") == [(1,)]
    await postgres.stop()
    await redis.stop()
    for squatter in squatters:
        squatter.close()


async def test_another_server_on_the_port_is_not_taken_for_ours(data_dir, services):
    strange = int(services.url_of("x").rpartition(":")[2].partition("/")[0])
    server = await prepare_postgres(data_dir)
    with pytest.raises(LocalError, match=str(strange)):
        await server.start(strange)


async def test_a_folder_with_other_things_in_it_is_refused(data_dir):
    (data_dir / "postgres").mkdir()
    (data_dir / "postgres" / "thesis.txt").write_text("years of work")
    with pytest.raises(LocalError, match="not empty"):
        await start_postgres(data_dir)
    assert (data_dir / "postgres" / "thesis.txt").read_text() == "years of work"


async def test_an_interrupted_initdb_leaves_no_half_directory(data_dir):
    starting = asyncio.create_task(start_postgres(data_dir))
    await asyncio.sleep(0.15)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    postgres = await start_postgres(data_dir)
    assert await _execute(postgres.database_url, "SELECT 1") == [(1,)]
    await postgres.stop()


async def test_redis_keeps_its_password_and_its_keys_over_kill_9(data_dir):
    redis = await start_redis(data_dir)
    async with Redis.from_url(redis.redis_url) as client:
        await client.set("kept", "1")
    await asyncio.sleep(1.2)  # its log of changes is flushed once a second
    redis.process.kill()
    await exited(redis.process)
    await redis.restart()
    async with Redis.from_url(redis.redis_url) as client:
        assert await client.get("kept") == b"1"
    command = process_command(redis.process.pid)
    assert command is not None
    assert redis.server.password not in command
    await redis.stop()


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="other kernels do not tell a child of its parent's death"
)
async def test_the_servers_die_with_the_process_that_started_them(data_dir):
    program = (
        "import asyncio, sys, time; from pathlib import Path\n"
        "from zstack_mgmt.local.servers import start_both\n"
        "postgres, redis = asyncio.run(start_both(Path(sys.argv[1])))\n"
        "print(postgres.process.pid, redis.process.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(data_dir)], stdout=subprocess.PIPE, cwd=ROOT
    )
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert all(process_command(pid) for pid in pids)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while any(process_command(pid) for pid in pids) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert [pid for pid in pids if process_command(pid)] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its user")
async def test_root_keeps_its_closed_folders_closed():
    closed = Path(tempfile.mkdtemp(prefix="zstack-closed-"))
    assert closed.stat().st_mode & 0o777 == 0o700
    postgres = await start_postgres(prepare_data_dir(closed / "data"))
    assert await _execute(postgres.database_url, "SELECT 1") == [(1,)]
    assert Path(f"/proc/{postgres.process.pid}").stat().st_uid != 0
    assert closed.stat().st_mode & 0o777 == 0o700
    await postgres.stop()
    await postgres.restart()
    await postgres.stop()
    shutil.rmtree(closed)


def test_a_free_port_is_free():
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert free_port(preferred=port) != port
    assert free_port(preferred=port) == port
