"""The libvirt driver where no libvirt is: its threads, its waiting, and what it makes of errors.

The library is a stand-in here; `check_libvirt.py` has the real one.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from zstack_mgmt.drivers.libvirt import Libvirt, disk_name
from zstack_mgmt.drivers.protocol import Host, HostLost

HOST, OTHER = Host("h1", "KVM", "10.0.0.1"), Host("h2", "KVM", "10.0.0.2")


class Guest:
    """A domain that never shuts itself down."""

    def __init__(self) -> None:
        self.active = True

    def isActive(self) -> bool:  # noqa: N802
        return self.active

    def isPersistent(self) -> bool:  # noqa: N802
        return False

    def shutdown(self) -> None:
        pass

    def destroy(self) -> None:
        self.active = False


class Stand:
    """A connection; what `list` does is up to the test."""

    def __init__(self, listing: Callable[[], Any]) -> None:
        self.listing = listing
        self.guest = Guest()

    def lookupByName(self, _: str) -> Guest:  # noqa: N802
        return self.guest

    def listAllDomains(self, _: int) -> Any:  # noqa: N802
        return self.listing()

    def close(self) -> None:
        pass


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    module: Any = ModuleType("libvirt")
    module.libvirtError = type("libvirtError", (Exception,), {})
    module.registerErrorHandler = lambda *_: None
    module.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA = 0
    module.opened = []
    module.stand = Stand(list)

    def open_it(uri: str) -> Stand:
        module.opened.append(threading.current_thread().name)
        return module.stand

    module.open = open_it
    monkeypatch.setitem(sys.modules, "libvirt", module)
    return module


async def test_hosts_that_hang_hold_up_neither_others_nor_the_default_threads(library: Any) -> None:
    driver = Libvirt("test://{ip}")
    hanging = threading.Event()
    library.stand.listing = lambda: hanging.wait() and []
    stuck = [asyncio.create_task(driver.list(HOST)) for _ in range(100)]
    await asyncio.sleep(0.05)
    assert len(library.opened) == 4  # no more at once on one host
    assert all(name.startswith("libvirt") for name in library.opened)
    library.stand = Stand(list)
    async with asyncio.timeout(1):
        assert await driver.list(OTHER) == {}
        await asyncio.to_thread(time.sleep, 0)
    for task in stuck:
        task.cancel()  # as a timeout does
    await asyncio.gather(*stuck, return_exceptions=True)
    late = asyncio.create_task(driver.list(HOST))
    await asyncio.sleep(0.05)
    assert not late.done()  # the four threads are still at it
    hanging.set()
    async with asyncio.timeout(1):
        assert await late == {}


async def test_no_thread_waits_for_a_guest_that_shuts_down(library: Any) -> None:
    driver = Libvirt("test://{ip}", soft_stop_s=1)
    stopping = asyncio.create_task(driver.stop(HOST, "vm", "t", hard=False))
    await asyncio.sleep(0.2)
    assert driver._threads._work_queue.empty()  # type: ignore[attr-defined]
    async with asyncio.timeout(0.3):
        await asyncio.gather(*(driver.list(HOST) for _ in range(20)))
    await stopping
    assert not library.stand.guest.active  # in the end its power is cut


@pytest.mark.parametrize("error", [TimeoutError("late"), ConnectionResetError("gone"), OSError("odd")])
async def test_an_error_of_the_system_means_that_the_host_is_lost(library: Any, error: OSError) -> None:
    driver = Libvirt("test://{ip}")

    def fail() -> None:
        raise error

    library.stand.listing = fail
    with pytest.raises(HostLost, match=str(error)):
        await driver.list(HOST)
    library.open = lambda _uri: fail()
    with pytest.raises(HostLost, match=str(error)):
        await driver.list(HOST)


def test_disk_letters_go_on_behind_z() -> None:
    assert [disk_name(n) for n in (0, 1, 25, 26, 701, 702)] == ["vda", "vdb", "vdz", "vdaa", "vdzz", "vdaaa"]
