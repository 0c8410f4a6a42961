"""The commands of the service.

run                      everything on this machine: databases if none are given, api, workers
serve                    one API process
worker jobs|webhooks     one worker process
schema                   create or update the database's schema and the built-in admin
    --before             only as far as the release before this one can work with it
    --default-password   a new admin gets the password `password` instead of a generated one
admin-password           give the built-in admin the password ADMIN_PASSWORD, or a generated one
openapi                  print the OpenAPI document
docs [DIR]               write the generated documentation pages
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from zstack_mgmt.config import ConfigError, Settings


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    try:
        return _run(arguments, Settings.from_env())
    except ConfigError as error:
        print(f"zstack-mgmt: {error}", file=sys.stderr)
        return 2


def _run(arguments: list[str], settings: Settings) -> int:
    if settings.metrics_dir:
        Path(settings.metrics_dir).mkdir(parents=True, exist_ok=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = settings.metrics_dir
    from zstack_mgmt import logs

    logs.configure(settings.log_level)
    match arguments:
        case ["run"]:
            from zstack_mgmt.local.supervisor import run

            return asyncio.run(run(settings))
        case ["serve"]:
            _serve(settings)
        case ["worker", ("jobs" | "webhooks") as queue]:
            import uvloop

            from workers.runner import run_worker
            from zstack_mgmt.process import settle_memory

            settle_memory()
            uvloop.run(run_worker(settings, queue))
        case ["schema", *options] if set(options) <= {"--before", "--default-password"}:
            _prepare(settings, options)
        case ["admin-password"]:
            _reset_admin_password(settings)
        case ["openapi"]:
            from zstack_mgmt.reference.openapi import render

            print(render())
        case ["docs", *rest]:
            from zstack_mgmt.reference.pages import write_pages

            write_pages(Path(rest[0] if rest else "docs"))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def _serve(settings: Settings) -> None:
    import uvloop

    from zstack_mgmt.doors.app import serve
    from zstack_mgmt.features import load
    from zstack_mgmt.process import settle_memory

    load()
    settle_memory()
    try:
        uvloop.run(serve(settings))
    except OSError as error:
        raise ConfigError(f"HOST={settings.host} PORT={settings.port} cannot be used: {error}") from error


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


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
