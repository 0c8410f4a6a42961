"""The consoles of VMs, as their hypervisors offer them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.power import site_of_vm
from zstack_mgmt.core.errors import OperationError
from zstack_mgmt.core.registry import Call
from zstack_mgmt.drivers.protocol import Console, ConsoleKind, Driver, DriverError, Endpoint, Host
from zstack_mgmt.engine.outside import Direct, Outside
from zstack_mgmt.resources.owners import scope_of

T = TypeVar("T")


async def find_endpoint(call: Call, work: Direct | Outside, uuid: str) -> Endpoint:
    """Where the console of the caller's VM listens.

    Raises:
        ResourceNotFound: the caller owns no such VM.
        OperationError: it does not run, or its host does not say.
    """
    return await _ask(call, work, uuid, lambda driver, host: driver.console_endpoint(host, uuid))


async def open_console(call: Call, work: Direct, uuid: str, kind: ConsoleKind) -> Console:
    """Connect to the console of the caller's VM; raises as `find_endpoint` does."""
    return await _ask(call, work, uuid, lambda driver, host: driver.open_console(host, uuid, kind))


async def _ask(
    call: Call, work: Direct | Outside, uuid: str, question: Callable[[Driver, Host], Awaitable[T]]
) -> T:
    async with work.transaction() as conn:
        vm = await store.get_vm(conn, uuid, scope_of(call))
    if vm.state not in ("Running", "Paused"):
        raise OperationError(f"the VM {uuid} is {vm.state}; its console needs it Running")
    try:
        site = site_of_vm(call.services, vm, work.connection)
        if site is None:
            raise DriverError("the VM's host is gone")
        return await site.call(question)
    except DriverError as failure:
        raise OperationError(str(failure)) from None
