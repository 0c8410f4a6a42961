"""From a VM's row to its hypervisor and back: the one place that calls a driver for a VM."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from zstack_mgmt.compute.hosts import store as hosts
from zstack_mgmt.compute.vms.model import Vm
from zstack_mgmt.core.registry import Services
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import Driver, DriverError, Host, HostLost, Power
from zstack_mgmt.drivers.registry import driver_of, host_of
from zstack_mgmt.drivers.simulator import Transaction

_BRIEF_S = 10.0


@dataclass(frozen=True, slots=True)
class Site:
    """A host with the driver that reaches it."""

    driver: Driver
    host: Host
    timeout_s: float

    async def call(self, action: Callable[[Driver, Host], Awaitable[Any]]) -> Any:
        """Run a driver action within its time; raises DriverError, HostLost when it takes too long."""
        try:
            async with asyncio.timeout(self.timeout_s):
                return await action(self.driver, self.host)
        except TimeoutError:
            raise HostLost(f"the host {self.host.uuid} did not finish within {self.timeout_s:g} s") from None

    async def power(self, vm_uuid: str) -> Power | None:
        """What the host says of the VM, an unknown one being Stopped; None when the host does not say."""
        try:
            domains = await self.call(lambda driver, host: driver.list(host))
        except DriverError:
            return None
        return domains.get(vm_uuid, "Stopped")


def site_of(services: Services, login: Any, transaction: Transaction) -> Site:
    """The site of a row of `hosts.store.login_of`. Raises DriverError when there is no driver for it."""
    driver = driver_of(services, login["hypervisor_type"], transaction)
    return Site(driver, host_of(login, services.sealer), services.settings.driver_timeout_s)


def briefly(site: Site) -> Site:
    """The site for questions and chores, which must not hold up the others for long."""
    return replace(site, timeout_s=min(site.timeout_s, _BRIEF_S))


async def site_of_vm(conn: Connection, services: Services, vm: Vm, transaction: Transaction) -> Site | None:
    """The site that a VM is on, or was last; None when it never had one or the host is gone."""
    uuid = vm.host_uuid or vm.last_host_uuid
    login = None if uuid is None else await hosts.login_of(conn, uuid)
    return None if login is None else site_of(services, login, transaction)


async def destroy_or_note(site: Site, vm_uuid: str, token: str, transaction: Transaction) -> None:
    """Have the host forget the VM; if it does not answer, note that it must later."""
    try:
        await site.call(lambda driver, host: driver.destroy(host, vm_uuid, token))
    except DriverError:
        async with transaction() as conn:
            await hosts.note_stray(conn, vm_uuid, site.host.uuid)
