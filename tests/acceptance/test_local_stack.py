"""`run`: one command to a running service, and nothing that can be killed ends it."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from zstack_mgmt.local.processes import free_port, process_command

ROOT = Path(__file__).parents[2]
KINDS = ("api", "worker", "webhook", "console", "postgres", "redis")
pytestmark = pytest.mark.faults


class Stack:
    """One `python -m zstack_mgmt run`."""

    def __init__(self, data_dir, port, **env):
        unwanted = {
            "DATABASE_URL",
            "REDIS_URL",
            "METRICS_DIR",
            "ADMIN_PASSWORD",
            "WEBHOOK_ALLOW",
            "ZSTACK_TEST_SERVICES",
        }
        self.port = port
        self.runtime_file = data_dir / "runtime.json"
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "zstack_mgmt", "run"],
            cwd=ROOT,
            env={
                **{name: value for name, value in os.environ.items() if name not in unwanted},
                "PORT": str(port),
                "DATA_DIR": str(data_dir),
                **env,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.errors = []
        self.reader = threading.Thread(target=self._read_errors, daemon=True)
        self.reader.start()

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line)

    def wait_ready(self):
        line = self.process.stdout.readline()
        assert line == f"ready: http://127.0.0.1:{self.port}/zstack/v1\n", "".join(self.errors)
        lines = [self.process.stdout.readline() for _ in range(11)]
        names = [line.split()[0] for line in lines]
        assert names == [
            "page",
            "reference",
            "login",
            "consoles",
            "command",
            "database",
            "Redis",
            "data",
            "log",
            "started",
            "stop",
        ]
        places = {line.split()[0]: line.split(maxsplit=1)[1].rstrip() for line in lines}
        assert places["page"] == f"http://127.0.0.1:{self.port}/ui/"
        assert places["reference"] == f"http://127.0.0.1:{self.port}/docs"
        assert places["login"].startswith("account admin, password ")
        assert places["command"] == (
            f'pip install "./sdk[cli]" && zstack-cli --url http://127.0.0.1:{self.port}'
        )
        runtime = self.runtime()
        for name, key in (("database", "database_url"), ("Redis", "redis_url")):
            secret = urlsplit(runtime[key]).password
            shown = runtime[key].replace(f":{secret}@", "@").replace("//@", "//")
            assert places[name] == shown
        logs = self.runtime_file.parent / "logs"
        assert places["log"] == "this terminal" + (f"; of the servers: {logs}" if logs.is_dir() else "")
        assert logs.is_dir() or not runtime["pids"]["postgres"]
        assert places["stop"] == "Ctrl-C"
        return time.monotonic() - self.started

    def runtime(self):
        return json.loads(self.runtime_file.read_text())

    def pids(self):
        return self.runtime()["pids"]

    def ready_status(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(12)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        # Its children hold the other end, too; after a kill of the supervisor they end a moment later.
        self.reader.join(10)
        self.process.stdout.close()
        self.process.stderr.close()


def eventually(condition, timeout_s=20.0):
    """The first true value of the condition; the test fails when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def alive(pids):
    return [pid for pid in pids if process_command(pid) is not None]


def every_pid(pids):
    return [pid for kind in KINDS for pid in pids[kind]]


@pytest.fixture
def data_dir():
    folder = Path(tempfile.mkdtemp(prefix="zstack-stack-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start(data_dir):
    stacks = []

    def start_stack(port=None, folder=data_dir, **env):
        stacks.append(Stack(folder, port or free_port(), **env))
        return stacks[-1]

    yield start_stack
    for stack in stacks:
        stack.close()


def test_it_says_when_it_is_ready_and_what_it_consists_of(start):
    stack = start(API_PROCESSES="2", WORKER_PROCESSES="2")
    took_s = stack.wait_ready()
    runtime = stack.runtime()
    assert stack.ready_status() == 200
    assert runtime["url"] == f"http://127.0.0.1:{stack.port}/zstack/v1"
    assert runtime["database_url"].startswith("postgresql://")
    assert runtime["redis_url"].startswith("redis://")
    assert {kind: len(pids) for kind, pids in runtime["pids"].items()} == {
        "api": 2,
        "worker": 2,
        "webhook": 1,
        "console": 1,
        "postgres": 1,
        "redis": 1,
    }
    assert len(alive(every_pid(runtime["pids"]))) == 8
    if sys.platform == "linux":
        commands = {kind: str(process_command(runtime["pids"][kind][0])) for kind in KINDS}
        assert commands["api"].endswith("-m zstack_mgmt serve")
        assert "zstack_mgmt worker" in commands["worker"]
        # The processes are its copies, and a copy of one thread among others may wait for ever.
        assert len(list(Path(f"/proc/{stack.process.pid}/task").iterdir())) == 1
    assert stack.runtime_file.stat().st_mode & 0o077 == 0  # it holds passwords
    assert took_s < 20


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_killed_comes_back(start, kind):
    stack = start()
    stack.wait_ready()
    before = stack.runtime()
    victim = before["pids"][kind][0]
    os.kill(victim, signal.SIGKILL)
    eventually(
        lambda: len(stack.pids()[kind]) == len(before["pids"][kind]) and victim not in stack.pids()[kind]
    )
    eventually(lambda: stack.ready_status() == 200)
    after = stack.runtime()
    assert (after["database_url"], after["redis_url"]) == (before["database_url"], before["redis_url"])
    assert alive(after["pids"][kind]) == after["pids"][kind]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything_within_ten_seconds(start, number):
    stack = start()
    stack.wait_ready()
    pids = every_pid(stack.pids())
    begun = time.monotonic()
    stack.process.send_signal(number)
    assert stack.process.wait(11) == 0
    assert time.monotonic() - begun <= 10
    assert alive(pids) == []
    assert every_pid(stack.pids()) == []


def test_after_kill_9_of_the_supervisor_the_next_start_works(start):
    stack = start()
    stack.wait_ready()
    pids = every_pid(stack.pids())
    stack.process.kill()
    stack.process.wait()
    again = start(port=stack.port)  # at once: it has to wait for what is still ending
    again.wait_ready()
    assert again.ready_status() == 200
    eventually(lambda: alive(pids) == [])


def test_after_kill_9_of_everything_the_next_start_works(start):
    stack = start()
    stack.wait_ready()
    pids = every_pid(stack.pids())
    for pid in (stack.process.pid, *pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    stack.process.wait()
    start(port=stack.port).wait_ready()


def test_a_port_in_use_is_one_clear_line(start):
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        stack = start(port=port)
        assert stack.process.wait(20) == 1
        stack.reader.join()
    assert len(stack.errors) == 1
    assert f"Port {port} of 127.0.0.1 is used by another program" in stack.errors[0]


def test_a_second_run_on_the_same_data_is_refused(start):
    stack = start()
    stack.wait_ready()
    second = start()
    assert second.process.wait(20) == 1
    second.reader.join()
    assert f"in use by another run (pid {stack.process.pid})" in "".join(second.errors)
    assert stack.ready_status() == 200


def test_given_servers_are_used_and_none_is_started(start, database_url, services):
    stack = start(DATABASE_URL=database_url, REDIS_URL=services.redis_url)
    stack.wait_ready()
    runtime = stack.runtime()
    assert runtime["pids"]["postgres"] == []
    assert runtime["pids"]["redis"] == []
    assert (runtime["database_url"], runtime["redis_url"]) == (database_url, services.redis_url)
    assert not (stack.runtime_file.parent / "postgres").exists()


def test_the_well_known_password_is_warned_about(start):
    stack = start()
    stack.wait_ready()
    assert any("the password of the account `admin` is `password`" in line for line in stack.errors)
    stack.close()
    again = start(ADMIN_PASSWORD="a better one")
    again.wait_ready()
    assert any("ADMIN_PASSWORD changes nothing" in line for line in again.errors)
    assert any("the password of the account `admin` is `password`" in line for line in again.errors)


def test_a_backup_of_the_running_service(start, data_dir):
    stack = start()
    stack.wait_ready()
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    done = subprocess.run(
        [sys.executable, "-m", "zstack_mgmt", "backup", str(data_dir / "backup")],
        cwd=ROOT,
        env=kept | {"DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert stack.ready_status() == 200
    assert (data_dir / "backup").read_bytes().startswith(b"PGDMP")
