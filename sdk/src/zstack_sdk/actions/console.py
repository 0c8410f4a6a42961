"""The APIs of console."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import ConsoleInventory
    from zstack_sdk.inventories import ConsoleProxyAgentInventory
    from zstack_sdk.inventories import ReconnectConsoleProxyAgentValue
    from zstack_sdk.record import InventoryValue


class RequestConsoleAccessAction(Action["InventoryValue[ConsoleInventory]"]):
    """Get a token that opens the console of a VM that runs, once, at a console proxy agent.

    A console ends with the session or access key that asked for it, and when its VM stops or the right
    to use it is taken away.

    `POST /consoles`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1006 (OperationError).
    """

    vmInstanceUuid: str
    """The uuid of a resource."""

    type: Literal["vnc", "serial"] | None = None
    """The screen, or the first serial line. `vnc` or `serial`, `vnc` by default."""

    clientIp: str | None = None
    """The only address from which the token opens it, as the agent sees it. At most 45 characters."""


class QueryConsoleProxyAgentAction(QueryAction["ConsoleProxyAgentInventory"]):
    """Find ConsoleProxyAgents by conditions on their fields, tags and links.

    `GET /consoles/agents`. Who may call: system administrators.

    Fields for conditions: uuid, description, managementIp, consoleProxyOverriddenIp, consoleProxyPort,
    type, status, state, createDate, lastOpDate.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class ReconnectConsoleProxyAgentAction(Action["ReconnectConsoleProxyAgentValue"]):
    """Ask console proxy agents for a sign of life: by uuid true, or the error for one that is not known.

    `PUT /consoles/agents`, a job. Who may call: system administrators.

    Errors: SYS.1006 (OperationError).
    """

    agentUuids: list[str] | None = None
    """All agents, if not given. List of string, at least 1 characters, at most 255 characters; at least 1
    of them; at most 100 of them.
    """


class UpdateConsoleProxyAgentAction(Action["InventoryValue[ConsoleProxyAgentInventory]"]):
    """Change the address that clients are told of an agent, from the next RequestConsoleAccess on.

    `PUT /consoles/agents/{uuid}/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    uuid: str
    """The uuid of a resource."""

    consoleProxyOverriddenIp: str
    """An IPv4 address; empty or 0.0.0.0: its own. At most 255 characters."""

    consoleProxyPort: int | None = None
    """1 or more, at most 65535."""
