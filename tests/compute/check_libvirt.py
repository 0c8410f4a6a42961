"""The libvirt driver against libvirt's own test hypervisor. `make test` has it not: there is no wheel.

make test-libvirt      (needs libvirt's headers, pkg-config and a C compiler; Debian: libvirt-dev)
"""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from world import build

from app import running_service
from zstack_mgmt.config import Settings
from zstack_mgmt.drivers.libvirt import Libvirt, domain_xml
from zstack_mgmt.drivers.protocol import Disk, Domain, DriverError, Host, HostLost, Nic

HOST = Host("h", "KVM", "127.0.0.1")
GIB = 1024**3


@pytest.fixture
def held() -> Iterator[Any]:
    """A connection that keeps the test hypervisor's memory while others come and go."""
    import libvirt

    conn = libvirt.open("test:///default")
    yield conn
    conn.close()


@pytest.fixture
def driver(held: Any) -> Libvirt:
    return Libvirt("test:///default")


def domain(**changes: Any) -> Domain:
    vm_uuid = uuid.uuid4().hex
    values = {
        "vm_uuid": vm_uuid,
        "name": "web <&> 1",
        "cpu_num": 2,
        "memory_size": GIB,
        "disks": (Disk(uuid.uuid4().hex, "/tmp/a.qcow2", "qcow2", GIB, 0),),
        "nics": (Nic("fa:00:00:00:00:01", "br_eth0", 0),),
    }
    return Domain(**values | changes)


async def test_capacity_and_list(driver: Libvirt) -> None:
    capacity = await driver.capacity(HOST)
    assert capacity.cpu_num > 0
    assert capacity.memory_size > 0
    assert (await driver.list(HOST))["test"] == "Running"  # the one that this hypervisor always has


async def test_a_domain_from_definition_to_its_end(driver: Libvirt, held: Any) -> None:
    vm = domain()
    await driver.define(HOST, vm, "t")
    await driver.define(HOST, vm, "t")
    assert (await driver.list(HOST))[vm.vm_uuid] == "Stopped"
    for action, power in ((driver.start, "Running"), (driver.pause, "Paused"), (driver.resume, "Running")):
        await action(HOST, vm.vm_uuid, "t")
        await action(HOST, vm.vm_uuid, "t")
        assert (await driver.list(HOST))[vm.vm_uuid] == power
    told = held.lookupByName(vm.vm_uuid)
    assert told.UUIDString().replace("-", "") == vm.vm_uuid
    assert told.maxMemory() == GIB // 1024
    await driver.stop(HOST, vm.vm_uuid, "t", hard=False)
    await driver.stop(HOST, vm.vm_uuid, "t", hard=True)
    assert vm.vm_uuid not in await driver.list(HOST)


async def test_a_reboot_happens_once_for_each_token(driver: Libvirt, held: Any) -> None:
    vm = domain()
    await driver.define(HOST, vm, "t")
    await driver.start(HOST, vm.vm_uuid, "t")
    for _ in range(2):
        await driver.reboot(HOST, vm.vm_uuid, "first")
    assert driver._token_of(held.lookupByName(vm.vm_uuid)) == "first"
    await driver.reboot(HOST, vm.vm_uuid, "second")
    assert driver._token_of(held.lookupByName(vm.vm_uuid)) == "second"
    assert (await driver.list(HOST))[vm.vm_uuid] == "Running"
    await driver.destroy(HOST, vm.vm_uuid, "t")


async def test_snapshots(driver: Libvirt, held: Any) -> None:
    vm = domain()
    await driver.define(HOST, vm, "t")
    await driver.start(HOST, vm.vm_uuid, "t")
    for _ in range(2):
        await driver.snapshot(HOST, vm.vm_uuid, vm.disks[0], "s1", "t")
    assert held.lookupByName(vm.vm_uuid).snapshotListNames(0) == ["s1"]
    for _ in range(2):
        await driver.delete_snapshot(HOST, vm.vm_uuid, vm.disks[0], "s1", "t")
    assert held.lookupByName(vm.vm_uuid).snapshotListNames(0) == []
    await driver.destroy(HOST, vm.vm_uuid, "t")
    await driver.destroy(HOST, vm.vm_uuid, "t")
    with pytest.raises(DriverError):
        await driver.snapshot(None, None, vm.disks[0], "s2", "t")


async def test_unknown_domains_and_lost_hosts(driver: Libvirt) -> None:
    for action in (driver.start, driver.reboot, driver.pause, driver.resume, driver.console_endpoint):
        arguments = ("x",) if action == driver.console_endpoint else ("x", "t")
        with pytest.raises(DriverError):
            await action(HOST, *arguments)
    with pytest.raises(HostLost):
        await Libvirt("test:///nowhere/to/be/found").list(HOST)


def test_the_description_holds_what_the_vm_has() -> None:
    vm = domain()
    text = domain_xml(vm, "kvm", "10.0.0.1")
    for part in (
        vm.vm_uuid,
        "web &lt;&amp;&gt; 1",
        vm.disks[0].volume_uuid,
        "fa:00:00:00:00:01",
        "br_eth0",
        "10.0.0.1",
    ):
        assert part in text


async def test_a_vm_on_a_kvm_host(settings: Settings, held: Any) -> None:
    settings = replace(settings, kvm_driver="libvirt", libvirt_uri="test:///default")
    async with running_service(settings) as service:
        world = await build(service, hypervisor="KVM")
        vm = await world.vm()
        assert (vm["state"], vm["hypervisorType"]) == ("Running", "KVM")
        assert held.lookupByName(vm["uuid"]).isActive()
        await world.admin.create(f"/volumes/{vm['rootVolumeUuid']}/volume-snapshots", name="s")
        for action, state in (
            ("rebootVmInstance", "Running"),
            ("pauseVmInstance", "Paused"),
            ("resumeVmInstance", "Running"),
            ("stopVmInstance", "Stopped"),
            ("startVmInstance", "Running"),
        ):
            assert (await world.act(vm, action)).inventory["state"] == state
        reconnected = await world.admin.job("PUT", f"/hosts/{world.host}/actions", {"reconnectHost": {}})
        assert reconnected.inventory["status"] == "Connected"
        assert (await world.admin.job("DELETE", f"/vm-instances/{vm['uuid']}")).status == 200
        assert vm["uuid"] not in {domain.name() for domain in held.listAllDomains(0)}
        await world.check_counters()
