"""Console proxy agents, and what opens a console."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from zstack_mgmt.core.inventory import Inventory, inventory
from zstack_mgmt.doc import Doc

JAVA = "org.zstack.header.console"


@inventory(
    f"{JAVA}.ConsoleProxyAgentInventory",
    table="console_agents",
    computed={
        "type": "'ManagementServerConsoleProxy'::text",
        "status": """
            CASE WHEN {row}.alive_until < now() THEN 'Disconnected'
                 WHEN {row}.answered_at < {row}.asked_at THEN 'Connecting' ELSE 'Connected' END
        """,
    },
    hidden=("listen_port", "alive_until", "asked_at", "answered_at"),
    noun="console proxy agent",
)
class ConsoleProxyAgent(Inventory):
    """A process that carries consoles to browsers. Source: manual, "Console > QueryConsoleProxyAgent"."""

    uuid: str
    description: str | None
    management_ip: Annotated[str, Doc("where it runs")]
    console_proxy_overridden_ip: Annotated[str, Doc("which clients are told instead; 0.0.0.0: none")]
    console_proxy_port: Annotated[int, Doc("which clients are told")]
    type: str
    status: Annotated[
        Literal["Connected", "Connecting", "Disconnected"],
        Doc("Disconnected: it has given no sign of life for some seconds"),
    ]
    state: Literal["Enabled", "Disabled"]
    create_date: datetime
    last_op_date: datetime


@inventory(f"{JAVA}.ConsoleInventory", table="", name="Console")
class ConsoleAccess(Inventory):
    """What opens a console, once. Source: manual, "Console > RequestConsoleAccess"."""

    scheme: Annotated[str, Doc("http or https; a browser opens <scheme>://<hostname>:<port>/?token=<token>")]
    hostname: Annotated[str, Doc("of the agent that carries the console")]
    port: Annotated[int, Doc("of the agent that carries the console")]
    token: Annotated[
        str, Doc("which opens the console once; ws://<hostname>:<port>/?token=<token> carries it")
    ]
    target_scheme: Annotated[Literal["vnc", "serial"], Doc("what comes over the connection")]
    expired_date: Annotated[datetime, Doc("until which the token opens it")]
