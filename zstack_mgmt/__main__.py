"""The commands of the service: `zstack-mgmt` where it is installed, `python -m zstack_mgmt` in a checkout.

run                      everything on this machine: databases if none are given, api, workers
serve                    one API process
worker jobs|webhooks     one worker process
console                  one console proxy agent
schema                   create or update the database's schema and the built-in admin
    --before             only as far as the release before this one can work with it
    --default-password   a new admin gets the password `password` instead of a generated one
admin-password           give the built-in admin the password ADMIN_PASSWORD, or a generated one
backup FILE [--key KEY]  write the database into a new file, and the key into another that lies elsewhere
restore FILE [--key KEY] fill an empty database, or a new DATA_DIR, from a backup
rotate-key               seal every secret with SECRET_KEY, or with a new key in DATA_DIR/secret.key
page                     fetch the libraries of the page into ASSETS_DIR, as `run` does by itself
openapi                  print the OpenAPI document
docs [DIR]               write the generated documentation pages
sdk [DIR]                write the generated part of the Python SDK
--version, --help
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from zstack_mgmt import __version__
from zstack_mgmt.config import ConfigError, Settings


def console_script() -> int:
    """The entry point of `zstack-mgmt`."""
    return main(sys.argv[1:])


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    match arguments:
        case ["--version"]:
            print(f"zstack-mgmt {__version__}")
            return 0
        case ["--help" | "-h" | "help"]:
            print(__doc__)
            return 0
        case _:
            pass
    try:
        return _run(arguments, Settings.from_env())
    except ConfigError as error:
        print(f"zstack-mgmt: {error}", file=sys.stderr)
        return 2


_TRACED = ("serve", "worker-jobs", "worker-webhooks")


def _run(arguments: list[str], settings: Settings) -> int:
    if settings.metrics_dir:
        _count_in(settings.metrics_dir)
    from zstack_mgmt import logs

    kind = "-".join(arguments[:2]) if arguments[:1] == ["worker"] else "".join(arguments[:1])
    logs.configure(settings.log_level, settings.log_format, kind)
    if kind in _TRACED:
        from zstack_mgmt import tracing

        tracing.start(settings, kind)
    match arguments:
        case ["run"]:
            from zstack_mgmt.local.supervisor import run

            return asyncio.run(run(settings, _Service()))
        case ["serve"]:
            _serve(settings)
        case ["worker", ("jobs" | "webhooks") as queue]:
            import uvloop

            from zstack_mgmt.doors.health import beside_operations
            from zstack_mgmt.process import settle_memory

            runner = _workers_runner()
            settle_memory()
            uvloop.run(beside_operations(settings, lambda: runner.run_worker(settings, queue)))
        case ["console"]:
            _serve_consoles(settings)
        case ["schema", *options] if set(options) <= {"--before", "--default-password"}:
            _prepare(settings, options)
        case ["admin-password"]:
            _reset_admin_password(settings)
        case ["backup" | "restore" as command, file]:
            return _back_up(settings, command, Path(file), None)
        case ["backup" | "restore" as command, file, "--key", key]:
            return _back_up(settings, command, Path(file), Path(key))
        case ["rotate-key"]:
            return _rotate_key(settings)
        case ["page"]:
            import signal

            from zstack_mgmt.local.page import fetch

            signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what it has begun goes away
            return 0 if fetch(settings) else 1
        case ["openapi"]:
            from zstack_mgmt.reference.openapi import render

            print(render())
        case ["docs", *rest]:
            from zstack_mgmt.reference.pages import write_pages

            write_pages(Path(rest[0] if rest else "docs"))
        case ["sdk", *rest]:
            from zstack_mgmt.reference.sdk import write_sdk

            write_sdk(Path(rest[0] if rest else "sdk/src/zstack_sdk"))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def _count_in(metrics_dir: str) -> None:
    """Have this process count in a folder that others share; before the metrics are imported."""
    Path(metrics_dir).mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics_dir


class _Service:
    """What the supervisor of `run` makes copies of."""

    def load(self, metrics_dir: str) -> None:
        """Import what the processes of the service consist of."""
        import gc

        _count_in(metrics_dir)
        gc.disable()  # nothing of it goes away again
        for module in ("uvloop", "zstack_mgmt.bootstrap", "zstack_mgmt.doors.agent", "zstack_mgmt.doors.app"):
            import_module(module)
        runner = _workers_runner()
        for module in ("jobs", "webhooks"):
            import_module(f"{runner.__package__}.{module}")
        from zstack_mgmt.features import load
        from zstack_mgmt.process import settle_memory

        load()
        gc.enable()
        settle_memory()

    def main(self, command: Sequence[str]) -> int:
        """Run a command in a copy."""
        from zstack_mgmt import logs

        try:
            return main(list(command))
        finally:
            logs.flush()


def _workers_runner() -> ModuleType:
    """The folder `workers` of a checkout; a wheel has it in the package, where its name is nobody else's."""
    installed = find_spec("zstack_mgmt.workers") is not None
    return import_module("zstack_mgmt.workers.runner" if installed else "workers.runner")


@contextmanager
def _port(name: str, host: str, port: int) -> Generator[None]:
    """Say which setting it is when a port cannot be used."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"HOST={host} {name}={port} cannot be used: {error}") from error


def _serve(settings: Settings) -> None:
    import uvloop

    from zstack_mgmt.doors.app import serve
    from zstack_mgmt.doors.health import beside_operations
    from zstack_mgmt.features import load
    from zstack_mgmt.process import settle_memory

    load()
    settle_memory()
    with _port("PORT", settings.host, settings.port):
        uvloop.run(beside_operations(settings, lambda: serve(settings)))


def _serve_consoles(settings: Settings) -> None:
    import uvloop

    from zstack_mgmt.doors.agent import serve
    from zstack_mgmt.doors.health import beside_operations
    from zstack_mgmt.process import settle_memory

    settle_memory()
    with _port("CONSOLE_PORT", settings.host, settings.console_port):
        uvloop.run(beside_operations(settings, lambda: serve(settings)))


def _prepare(settings: Settings, options: list[str]) -> None:
    from zstack_mgmt import bootstrap

    default = bootstrap.WELL_KNOWN if "--default-password" in options else ""
    after = "--before" not in options
    for note in asyncio.run(bootstrap.prepare_database(settings, after=after, default_password=default)):
        print(note, file=sys.stderr)


def _reset_admin_password(settings: Settings) -> None:
    from zstack_mgmt.bootstrap import reset_admin_password

    generated = asyncio.run(reset_admin_password(settings))
    shown = f"is now {generated}" if generated else "is now ADMIN_PASSWORD"
    print(f"the password of the account `admin` {shown}; its sessions have ended", file=sys.stderr)


def _back_up(settings: Settings, command: str, file: Path, key: Path | None) -> int:
    from zstack_mgmt import backup
    from zstack_mgmt.local.processes import LocalError

    try:
        if command == "backup":
            size = asyncio.run(backup.backup(settings, file, key))
            kept = f"the key is in {key}" if key else "the key is not in it"
            print(f"wrote {file}, {size} bytes; {kept}", file=sys.stderr)
        else:
            asyncio.run(backup.restore(settings, file, key))
            print(f"restored {file}", file=sys.stderr)
    except LocalError as error:
        print(f"zstack-mgmt: {error}", file=sys.stderr)
        return 1
    return 0


def _rotate_key(settings: Settings) -> int:
    from zstack_mgmt.bootstrap import rotate_key

    count = asyncio.run(rotate_key(settings))
    print(f"the key is this database's now; secrets sealed with it anew: {count.renewed}", file=sys.stderr)
    if count.lost:
        print(f"secrets that none of the keys opens, left as they are: {count.lost}", file=sys.stderr)
    return 1 if count.lost else 0


if __name__ == "__main__":
    raise SystemExit(console_script())
