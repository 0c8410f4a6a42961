"""What the handlers of one API process share, and the typed key under which aiohttp keeps it."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from zstack_mgmt.auth.sessions import Sessions
from zstack_mgmt.config import Settings
from zstack_mgmt.core.registry import Services
from zstack_mgmt.db import Pool
from zstack_mgmt.doors.rest.routes import Routes
from zstack_mgmt.engine.accept import Acceptor
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.watch import Watcher
from zstack_mgmt.identity.audit.trail import Trail
from zstack_mgmt.query.gets import Gets


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of one API process."""

    settings: Settings
    pool: Pool
    services: Services
    sessions: Sessions
    acceptor: Acceptor
    watcher: Watcher
    bell: Bell
    trail: Trail
    gets: Gets
    routes: Routes


@dataclass(slots=True)
class Trace:
    """What is known of a request so far, for its log line and its answer."""

    request_id: str
    api: str = "-"
    account_uuid: str = ""
    job_uuid: str = ""
    remote: str = ""


TRACE = web.RequestKey("trace", Trace)
CONTEXT = web.AppKey("context", Context)
