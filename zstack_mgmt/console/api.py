"""The APIs of consoles. Source: manual, "Console"."""

from __future__ import annotations

import asyncio
import secrets
from ipaddress import IPv4Address, ip_address
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from zstack_mgmt.auth.results import kept
from zstack_mgmt.compute.vms.consoles import find_endpoint
from zstack_mgmt.console import store, tokens
from zstack_mgmt.console.model import JAVA, ConsoleAccess, ConsoleProxyAgent
from zstack_mgmt.console.store import Right, Ticket
from zstack_mgmt.core.callers import Caller
from zstack_mgmt.core.errors import InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import ExistingUuid, Reference, Secret
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource

CATEGORY = "console"
_LOOK_AGAIN_S = 0.2
RECONNECT_S: Annotated[float, Doc("seconds in which an agent must answer"), Bound("OperationError")] = 10.0

agents = Resource(
    ConsoleProxyAgent,
    "/v1/consoles/agents",
    java=JAVA,
    category=CATEGORY,
    access="admin",
)


class RequestConsoleAccess(ApiRequest):
    """Get a token that opens the console of a VM that runs, once, at a console proxy agent.

    A console ends with the session or access key that asked for it, and when its VM stops or the right to
    use it is taken away.

    Source: manual, "Console > RequestConsoleAccess"; `type` and `clientIp` are ours.
    """

    vm_instance_uuid: ExistingUuid
    type: Annotated[Literal["vnc", "serial"], Doc("the screen, or the first serial line")] = "vnc"
    client_ip: Annotated[
        Annotated[str, StringConstraints(max_length=45)] | None,
        Doc("the only address from which the token opens it, as the agent sees it"),
    ] = None
    # The hash of the caller's, whatever the call says; sealed, so that nobody reads it off the job.
    session: Annotated[SkipJsonSchema[str], Secret("sealed")] = ""

    def completed(self, caller: Caller) -> Self:
        """The request with the session whose console it is to be."""
        return self.model_copy(update={"session": caller.session.hex()})


@api(
    RequestConsoleAccess,
    http="POST /v1/consoles",
    mode="job",
    access="user",
    java=JAVA,
    category=CATEGORY,
    returns=ConsoleAccess,
    raises=(ResourceNotFound, InvalidArgument, OperationError),
    outside=True,
)
async def request_console_access(call: Call, work: Outside, request: RequestConsoleAccess) -> ConsoleAccess:
    await find_endpoint(call, work, request.vm_instance_uuid)
    right = Right(
        vm_uuid=request.vm_instance_uuid,
        account_uuid=call.account_uuid,
        user_uuid=call.user_uuid,
        session=bytes.fromhex(call.services.sealer.open(request.session, "session")) or None,
        key_uuid=call.caller.key and call.caller.key.key_uuid,
    )
    token = secrets.token_hex(16)
    services = call.services
    async with work.transaction() as conn:
        scheme, hostname, port = await _address(conn, services.settings.console_public_url)
        expired_date = await store.keep_token(
            conn,
            tokens.hash_of(services.sealer, token),
            Ticket(right, request.type),
            _client(request.client_ip),
            services.settings.console_token_s,
        )
    return ConsoleAccess(
        scheme=scheme,
        hostname=hostname,
        port=port,
        token=kept(services.sealer, call.job_uuid, token),
        target_scheme=request.type,
        expired_date=expired_date,
    )


def _client(text: str | None) -> str | None:
    if not text:
        return None
    try:
        return str(ip_address(text))
    except ValueError:
        raise InvalidArgument(f"clientIp {text!r} is no IP address") from None


async def _address(conn: Connection, public_url: str) -> tuple[str, str, int]:
    """Where browsers find an agent. Raises OperationError when none is connected."""
    agent = await store.choose_agent(conn)
    if agent is None:
        raise OperationError("no console proxy agent is connected; start one, or try again in some seconds")
    if not public_url:
        return "http", agent["hostname"], agent["port"]
    url = urlsplit(public_url)
    return url.scheme, url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


agents.query(access="admin")


class ReconnectConsoleProxyAgent(ApiRequest):
    """Ask console proxy agents for a sign of life: by uuid true, or the error for one that is not known.

    Source: manual, "Console > ReconnectConsoleProxyAgent".
    """

    agent_uuids: Annotated[
        Annotated[list[Reference], Field(min_length=1, max_length=100)] | None,
        Doc("all agents, if not given"),
    ] = None


@agents.action(
    ReconnectConsoleProxyAgent,
    "PUT /v1/consoles/agents",
    returns=None,
    raises=(OperationError,),
    outside=True,
    bare=True,
)
async def reconnect_agents(call: Call, work: Outside, request: ReconnectConsoleProxyAgent) -> dict[str, Any]:
    async with work.transaction() as conn:
        asked = await store.ask(conn, request.agent_uuids)
    loop = asyncio.get_running_loop()
    until, silent = loop.time() + RECONNECT_S, [*asked]
    while silent and loop.time() < until:
        await asyncio.sleep(_LOOK_AGAIN_S)
        async with work.connection() as conn:
            silent = await store.silent(conn, asked)
    if silent:
        raise OperationError(f"these console proxy agents do not answer: {', '.join(silent)}")
    unknown = {*(request.agent_uuids or ())} - asked.keys()
    missing = {
        uuid: InvalidArgument(f"no console proxy agent has the uuid {uuid}").to_json() for uuid in unknown
    }
    return dict.fromkeys(asked, True) | missing


class UpdateConsoleProxyAgent(ApiRequest):
    """Change the address that clients are told of an agent, from the next RequestConsoleAccess on.

    Source: manual, "Console > UpdateConsoleProxyAgent"; consoleProxyPort came with ZStack 5.
    """

    uuid: ExistingUuid
    console_proxy_overridden_ip: Annotated[
        Annotated[str, StringConstraints(max_length=255)], Doc("an IPv4 address; empty or 0.0.0.0: its own")
    ]
    console_proxy_port: Annotated[int, Field(ge=1, le=65535)] | None = None


@agents.action(
    UpdateConsoleProxyAgent,
    "PUT /v1/consoles/agents/{uuid}/actions",
    raises=(ResourceNotFound, InvalidArgument),
)
async def update_agent(call: Call, conn: Connection, request: UpdateConsoleProxyAgent) -> ConsoleProxyAgent:
    values: dict[str, Any] = {"console_proxy_overridden_ip": _overriding(request.console_proxy_overridden_ip)}
    if request.console_proxy_port is not None:
        values["console_proxy_port"] = request.console_proxy_port
    return await rows.update(conn, ConsoleProxyAgent, request.uuid, values)


def _overriding(text: str) -> str:
    try:
        return str(IPv4Address(text or "0.0.0.0"))
    except ValueError:
        raise InvalidArgument(f"consoleProxyOverriddenIp {text!r} is no IPv4 address") from None
