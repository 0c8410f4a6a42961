"""The commands of the service.

run                      everything on this machine: databases if none are given, api, workers
serve                    one API process
worker jobs|webhooks     one worker process
schema [--before]        create or update the database's schema and the built-in admin; with --before
                         only as far as the release before this one can work with it
openapi                  print the OpenAPI document
docs [DIR]               write the generated documentation pages
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from pathlib import Path

from zstack_mgmt.config import ConfigError, Settings

MAX_LINE_BYTES = 64 * 1024  # of a request line: some GETs name a thousand uuids


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    try:
        settings = Settings.from_env()
    except ConfigError as error:
        print(f"zstack-mgmt: {error}", file=sys.stderr)
        return 2
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
        case ["schema", *options] if set(options) <= {"--before"}:
            return asyncio.run(_schema(settings, after="--before" not in options))
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
    from aiohttp import web

    from zstack_mgmt.doors.app import build_app
    from zstack_mgmt.process import settle_memory

    app = build_app(settings)
    settle_memory()
    web.run_app(
        app,
        host=settings.host,
        port=settings.port,
        reuse_port=True,
        access_log=None,
        handle_signals=True,
        shutdown_timeout=min(5.0, settings.stop_grace_s - 2),
        keepalive_timeout=75,
        max_line_size=MAX_LINE_BYTES,
        print=None,
        loop=uvloop.new_event_loop(),
    )


async def prepare_database(settings: Settings, *, after: bool = True) -> str:
    """Bring the schema up to date and make the built-in admin if it is missing.

    Returns: the password that was generated for the admin, or nothing.
    """
    import asyncpg

    from zstack_mgmt import schema
    from zstack_mgmt.auth.passwords import PasswordService
    from zstack_mgmt.identity.accounts.store import insert_admin

    conn = await asyncpg.connect(settings.database_url, timeout=10)
    try:
        await schema.apply(conn, after=after)
        generated = "" if settings.admin_password else secrets.token_urlsafe(16)
        password = settings.admin_password or generated
        made = await insert_admin(conn, await PasswordService(settings).hash(password))
    finally:
        await conn.close()
    return generated if made else ""


async def _schema(settings: Settings, *, after: bool) -> int:
    from zstack_mgmt.schema import SchemaError

    try:
        generated = await prepare_database(settings, after=after)
    except SchemaError as error:
        print(f"zstack-mgmt: {error}", file=sys.stderr)
        return 1
    if generated:
        print(f"the account `admin` was made; its password, shown only now: {generated}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
