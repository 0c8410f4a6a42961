"""A host together with the driver that reaches it: the one place that calls a driver."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from zstack_mgmt import tracing
from zstack_mgmt.compute.placement import store
from zstack_mgmt.core.registry import Services
from zstack_mgmt.drivers.protocol import Driver, DriverError, Host, HostLost, Power
from zstack_mgmt.drivers.registry import driver_of, host_of
from zstack_mgmt.drivers.simulator import Connect

T = TypeVar("T")
_BRIEF_S = 10.0


@dataclass(frozen=True, slots=True)
class Site:
    """A host, how to reach it, and how long one action may take."""

    driver: Driver
    host: Host
    timeout_s: float
    connect: Connect

    async def call(self, action: Callable[[Driver, Host], Awaitable[T]]) -> T:
        """Run driver calls within their time; raises DriverError, HostLost when they take too long."""
        try:
            about = {"zstack.host": self.host.uuid}
            with tracing.span(f"host {type(self.driver).__name__}", "CLIENT", fields=about):
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

    async def forget(self, vm_uuid: str, token: str) -> None:
        """Have the host destroy the VM and forget it; if it does not answer, note that it must later."""
        try:
            await self.call(lambda driver, host: driver.destroy(host, vm_uuid, token))
        except DriverError:
            async with self.connect() as conn:
                await store.note_stray(conn, vm_uuid, self.host.uuid)

    def briefly(self) -> Site:
        """The site for questions and chores, which must not hold up the others for long."""
        return replace(self, timeout_s=min(self.timeout_s, _BRIEF_S))


def site_of(services: Services, row: Any, connect: Connect) -> Site:
    """The site of a host's row. Raises DriverError when there is no driver for it."""
    driver = driver_of(services, row["hypervisor_type"], connect)
    return Site(driver, host_of(row, services.sealer), services.settings.driver_timeout_s, connect)
