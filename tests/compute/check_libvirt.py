"""The libvirt driver against each hypervisor at hand. `make test` has it not: there is no wheel.

make test-libvirt      (needs libvirt's headers, pkg-config and a C compiler; Debian: libvirt-dev)
"""

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))

import hypervisors
from hypervisors import BRIDGE, MIB, QEMU, Hypervisor
from playwright.async_api import async_playwright
from stack import eventually, running_stack
from world import World, build

from app import Client, Service, running_agent, running_service
from page.conftest import ASSETS, FLAGS, chromium
from zstack_mgmt.config import Settings
from zstack_mgmt.drivers.libvirt import Libvirt, domain_xml
from zstack_mgmt.drivers.protocol import Disk, Domain, DriverError, Host, HostLost, Nic
from zstack_mgmt.local.page import fetch

HOST = Host("h", "KVM", "127.0.0.1")
URIS = hypervisors.uris()
COUNT = 2  # VMs that start while a worker is killed; no more than any machine has CPUs for


@pytest.fixture(scope="session", autouse=True)
def servers(request: pytest.FixtureRequest) -> Iterator[None]:
    plugins = request.config.pluginmanager
    reporter: Any = plugins.get_plugin("terminalreporter")
    capture: Any = plugins.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled():
        reporter.write_line(f"hypervisors: {', '.join(URIS)}")
    with hypervisors.daemons() if QEMU in URIS else nullcontext():
        yield


@pytest.fixture(params=URIS)
def on(request: pytest.FixtureRequest) -> Iterator[Hypervisor]:
    with hypervisors.hypervisor(request.param) as found:
        yield found


@pytest.fixture
def driver(on: Hypervisor) -> Libvirt:
    return Libvirt(on.uri, on.virt_type, soft_stop_s=1)


def domain(on: Hypervisor, **changes: Any) -> Domain:
    values = {
        "vm_uuid": uuid.uuid4().hex,
        "name": "web <&> 1",
        "cpu_num": 2,
        "memory_size": 64 * MIB,
        "disks": (disk(on, 0),),
        "nics": (Nic("fa:00:00:00:00:01", BRIDGE, 0),),
    }
    return Domain(**values | changes)


def disk(on: Hypervisor, device_id: int) -> Disk:
    volume = uuid.uuid4().hex
    return Disk(volume, on.disk_file(on.folder / f"{volume}.qcow2"), "qcow2", 16 * MIB, device_id)


async def running(driver: Libvirt, on: Hypervisor) -> Domain:
    vm = domain(on)
    await driver.define(HOST, vm, "t")
    await driver.start(HOST, vm, "t")
    return vm


async def test_capacity_and_list(driver: Libvirt, on: Hypervisor) -> None:
    capacity = await driver.capacity(HOST)
    assert capacity.cpu_num > 0
    assert capacity.memory_size > 0
    vm = await running(driver, on)
    assert (await driver.list(HOST))[vm.vm_uuid] == "Running"


async def test_a_domain_from_definition_to_its_end(driver: Libvirt, on: Hypervisor) -> None:
    vm = domain(on)
    await driver.define(HOST, vm, "t")
    await driver.define(HOST, vm, "t")
    assert (await driver.list(HOST))[vm.vm_uuid] == "Stopped"
    for _ in range(2):
        await driver.start(HOST, vm, "t")
        assert (await driver.list(HOST))[vm.vm_uuid] == "Running"
    for action, power in ((driver.pause, "Paused"), (driver.resume, "Running")):
        await action(HOST, vm.vm_uuid, "t")
        await action(HOST, vm.vm_uuid, "t")
        assert (await driver.list(HOST))[vm.vm_uuid] == power
    await driver.define(HOST, vm, "t")
    told = on.domain(vm.vm_uuid)
    assert told.UUIDString().replace("-", "") == vm.vm_uuid
    assert told.maxMemory() == 64 * 1024
    assert on.processes(vm.vm_uuid) == int(on.is_real)
    await driver.stop(HOST, vm.vm_uuid, "t", hard=False)
    await driver.stop(HOST, vm.vm_uuid, "t", hard=True)
    assert vm.vm_uuid not in await driver.list(HOST)
    assert on.processes(vm.vm_uuid) == 0


async def test_starts_at_the_same_time_start_it_once(driver: Libvirt, on: Hypervisor) -> None:
    """As by a worker that was killed, whose call goes on, and the one that runs its job again."""
    vm = domain(on)
    await driver.define(HOST, vm, "t")
    await asyncio.gather(*(driver.start(HOST, vm, "t") for _ in range(4)))
    assert (await driver.list(HOST))[vm.vm_uuid] == "Running"
    assert on.processes(vm.vm_uuid) == int(on.is_real)


async def test_listing_while_domains_come_and_go(driver: Libvirt, on: Hypervisor) -> None:
    async def come_and_go() -> None:
        for _ in range(20):
            vm = domain(on, disks=(), nics=())
            await driver.define(HOST, vm, "t")
            await driver.destroy(HOST, vm.vm_uuid, "t")

    changing = asyncio.create_task(come_and_go())
    while not changing.done():
        await driver.list(HOST)
    await changing


async def test_a_reboot_happens_once_for_each_token(driver: Libvirt, on: Hypervisor) -> None:
    vm = await running(driver, on)
    for _ in range(2):
        await driver.reboot(HOST, vm.vm_uuid, "first")
    assert driver._token_of(on.domain(vm.vm_uuid)) == "first"
    await driver.reboot(HOST, vm.vm_uuid, "second")
    assert driver._token_of(on.domain(vm.vm_uuid)) == "second"
    assert (await driver.list(HOST))[vm.vm_uuid] == "Running"


async def test_snapshots(driver: Libvirt, on: Hypervisor) -> None:
    vm = await running(driver, on)
    for _ in range(2):
        await driver.snapshot(HOST, vm.vm_uuid, vm.disks[0], "s1", "t")
    assert on.domain(vm.vm_uuid).snapshotListNames(0) == ["s1"]
    for _ in range(2):
        await driver.delete_snapshot(HOST, vm.vm_uuid, vm.disks[0], "s1", "t")
    assert on.domain(vm.vm_uuid).snapshotListNames(0) == []
    await driver.destroy(HOST, vm.vm_uuid, "t")
    await driver.destroy(HOST, vm.vm_uuid, "t")
    with pytest.raises(DriverError):
        await driver.snapshot(HOST, vm.vm_uuid, vm.disks[0], "s2", "t")


async def test_disks_and_nics_come_and_go_while_it_runs(driver: Libvirt, on: Hypervisor) -> None:
    vm = await running(driver, on)
    more = replace(
        vm,
        disks=(*vm.disks, disk(on, 1)),
        nics=(*vm.nics, Nic("fa:00:00:00:00:02", BRIDGE, 1)),
    )
    if not on.is_real:
        with pytest.raises(DriverError, match="not supported"):
            await driver.define(HOST, more, "t")
        return
    for _ in range(2):
        await driver.define(HOST, more, "t")
        for text in (on.domain(vm.vm_uuid).XMLDesc(0), on.domain(vm.vm_uuid).XMLDesc(2)):  # live, and kept
            assert text.count(more.disks[1].volume_uuid) >= 1
            assert text.count("fa:00:00:00:00:02") == 1
    # No system has booted that could let go of the disk.
    with pytest.raises(DriverError, match="does not let go of the disk"):
        await driver.define(HOST, replace(more, disks=vm.disks), "t")
    assert more.disks[1].volume_uuid in on.domain(vm.vm_uuid).XMLDesc(2)


async def test_the_console(driver: Libvirt, on: Hypervisor) -> None:
    vm = await running(driver, on)
    if not on.is_real:
        with pytest.raises(DriverError, match="no console"):
            await driver.console_endpoint(HOST, vm.vm_uuid)
        return
    endpoint = await driver.console_endpoint(HOST, vm.vm_uuid)
    assert endpoint.scheme == "vnc"
    reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    assert (await reader.readexactly(4)) == b"RFB "
    writer.close()


async def test_a_console_is_opened_and_ends_with_its_vm(driver: Libvirt, on: Hypervisor) -> None:
    vm = await running(driver, on)
    if not on.is_real:
        with pytest.raises(DriverError, match="no console"):
            await driver.open_console(HOST, vm.vm_uuid, "vnc")
        with pytest.raises(DriverError, match=r"not supported|no serial|cannot find"):
            await driver.open_console(HOST, vm.vm_uuid, "serial")
        return
    screen = await driver.open_console(HOST, vm.vm_uuid, "vnc")
    assert await screen.reader.readexactly(4) == b"RFB "
    first = await driver.open_console(HOST, vm.vm_uuid, "serial")
    line = await driver.open_console(HOST, vm.vm_uuid, "serial")
    assert await first.reader.read() == b""  # the later one has it
    line.writer.write(b"nobody is there yet\r")
    await line.writer.drain()
    await driver.destroy(HOST, vm.vm_uuid, "t")
    async with asyncio.timeout(20):
        await line.reader.read()
        await asyncio.gather(first.close(), line.close(), screen.close())
    assert driver._lines == 0
    with pytest.raises(DriverError):
        await driver.open_console(HOST, vm.vm_uuid, "serial")
    assert driver._lines == 0


async def test_a_disk_that_is_not_there(driver: Libvirt, on: Hypervisor) -> None:
    vm = domain(on, disks=(Disk(uuid.uuid4().hex, "/nowhere/a.qcow2", "qcow2", MIB, 0),))
    await driver.define(HOST, vm, "t")
    if on.is_real:  # the imitation opens none
        with pytest.raises(DriverError, match="/nowhere/a"):
            await driver.start(HOST, vm, "t")
    assert (await driver.list(HOST))[vm.vm_uuid] == "Stopped"


async def test_unknown_domains(driver: Libvirt) -> None:
    for action in (driver.reboot, driver.pause, driver.resume, driver.console_endpoint):
        arguments = ("x",) if action == driver.console_endpoint else ("x", "t")
        with pytest.raises(DriverError):
            await action(HOST, *arguments)


@pytest.mark.parametrize(
    "uri",
    ["test:///nowhere/to/be/found", "qemu+tcp://127.0.0.1:1/system", "qemu+unix:///system?socket=/nowhere"],
)
async def test_lost_hosts(uri: str) -> None:
    with pytest.raises(HostLost):
        await Libvirt(uri).list(HOST)


def test_the_description_holds_what_the_vm_has() -> None:
    vm = Domain(
        uuid.uuid4().hex,
        "web <&> 1",
        1,
        MIB,
        (Disk(uuid.uuid4().hex, "/a", "raw", 1, 0),),
        (Nic("fa:00:00:00:00:01", BRIDGE, 0),),
    )
    text = domain_xml(vm, "kvm", "10.0.0.1")
    told = (vm.vm_uuid, "web &lt;&amp;&gt; 1", vm.disks[0].volume_uuid, vm.nics[0].mac, BRIDGE, "10.0.0.1")
    for part in told:
        assert part in text


def of_kvm(on: Hypervisor) -> dict[str, str]:
    """The settings under which KVM hosts are this hypervisor."""
    return {"KVM_DRIVER": "libvirt", "LIBVIRT_URI": on.uri, "LIBVIRT_VIRT_TYPE": on.virt_type}


async def small_cloud(service: Service) -> World:
    return await build(service, hypervisor="KVM", management_ip="127.0.0.1", memory_size=64 * MIB)


async def stopped_vm(on: Hypervisor, world: World) -> Any:
    vm = await world.vm(strategy="JustCreate")
    on.disk_file(vm["allVolumes"][0]["installPath"])
    return vm


async def test_a_vm_on_a_kvm_host(settings: Settings, on: Hypervisor) -> None:
    chosen = {name.lower(): value for name, value in of_kvm(on).items()}
    async with running_service(replace(settings, **chosen)) as service:
        world = await small_cloud(service)
        vm = await stopped_vm(on, world)
        started = (await world.act(vm, "startVmInstance")).inventory
        assert (started["state"], started["hypervisorType"]) == ("Running", "KVM")
        assert on.domain(vm["uuid"]).isActive()
        snapshot = await world.admin.create(f"/volumes/{vm['rootVolumeUuid']}/volume-snapshots", name="s")
        assert on.domain(vm["uuid"]).snapshotListNames(0) == [snapshot["uuid"]]
        steps: list[tuple[str, dict[str, Any], str]] = [
            ("rebootVmInstance", {}, "Running"),
            ("pauseVmInstance", {}, "Paused"),
            ("resumeVmInstance", {}, "Running"),
            ("stopVmInstance", {"type": "cold"}, "Stopped"),
            ("startVmInstance", {}, "Running"),
        ]
        for action, params, state in steps:
            assert (await world.act(vm, action, **params)).inventory["state"] == state
        reconnected = await world.admin.job("PUT", f"/hosts/{world.host}/actions", {"reconnectHost": {}})
        assert reconnected.inventory["status"] == "Connected"
        assert (await world.admin.job("DELETE", f"/vm-instances/{vm['uuid']}")).status == 200
        assert vm["uuid"] not in {domain.name() for domain in on.held.listAllDomains(0)}
        await world.check_counters()


async def test_a_host_that_cannot_be_reached_is_not_added(settings: Settings) -> None:
    settings = replace(settings, kvm_driver="libvirt", libvirt_uri="qemu+tcp://{ip}:1/system")
    async with running_service(settings) as service:
        zone = await service.admin.create("/zones", name="z")
        kvm = {"name": "c", "zoneUuid": zone["uuid"], "hypervisorType": "KVM"}
        cluster = await service.admin.create("/clusters", **kvm)
        host = {"name": "h", "managementIp": "127.0.0.1", "username": "root", "password": "secret"}
        body = {"params": host | {"clusterUuid": cluster["uuid"]}}
        refused = await service.admin.job("POST", "/hosts/kvm", body)
        assert refused.code == "SYS.1006"
        assert "the host 127.0.0.1 cannot be reached" in refused.body["error"]["details"]
        assert "secret" not in str(refused.body)
        assert (await service.admin.get("/hosts")).body["inventories"] == []


ON_QEMU = pytest.mark.parametrize("on", [uri for uri in URIS if uri == QEMU], indirect=True)


@ON_QEMU
async def test_a_host_that_is_lost_and_found(settings: Settings, on: Hypervisor) -> None:
    way = on.folder / "socket"
    way.symlink_to("/run/libvirt/libvirt-sock")
    uri = f"qemu+unix:///system?socket={way}"
    settings = replace(settings, kvm_driver="libvirt", libvirt_uri=uri, libvirt_virt_type=on.virt_type)
    async with running_service(settings) as service:
        world = await small_cloud(service)
        vm = await stopped_vm(on, world)
        assert (await world.act(vm, "startVmInstance")).status == 200

        async def reconnect() -> tuple[int, str, str | None]:
            answer = await world.admin.job("PUT", f"/hosts/{world.host}/actions", {"reconnectHost": {}})
            host = (await world.admin.get(f"/hosts/{world.host}")).body["inventories"][0]
            return answer.status, host["status"], await world.state(vm)

        way.unlink()
        assert await reconnect() == (503, "Disconnected", "Unknown")
        way.symlink_to("/run/libvirt/libvirt-sock")
        assert await reconnect() == (200, "Connected", "Running")


ECHO = bytes.fromhex("b81300 cd10 bb0f00 31c0 cd16 b40e cd10 ebf6")
"""A boot sector: 320 × 200 pixels, which QEMU shows doubled and the BIOS does not use, with what is typed."""
BOOTED = """() => {
  const canvas = document.querySelector("canvas");
  return canvas.width === 640 && canvas.height === 400;
}"""
LIT = """() => {
  const canvas = document.querySelector("canvas");
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let lit = 0;
  for (let i = 0; i < data.length; i += 4) lit += data[i] > 60;
  return lit;
}"""


@ON_QEMU
async def test_a_browser_shows_the_boot_screen_of_a_guest(settings: Settings, on: Hypervisor) -> None:
    """What is typed into the page goes through the agent and QEMU to the guest, and comes back as pixels."""
    chosen = {name.lower(): value for name, value in of_kvm(on).items()}
    fetch(Settings(assets_dir=ASSETS), with_dev=True)
    settings = replace(settings, assets_dir=ASSETS, **chosen)
    async with running_service(settings) as service, running_agent(service.settings):
        world = await small_cloud(service)
        vm = await world.vm(strategy="JustCreate")
        on.disk_file(vm["allVolumes"][0]["installPath"], ECHO)
        assert (await world.act(vm, "startVmInstance")).status == 200
        asked = {"params": {"vmInstanceUuid": vm["uuid"]}}
        access = (await world.admin.job("POST", "/consoles", asked)).inventory
        async with async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=chromium(), args=list(FLAGS))
            page = await browser.new_page()
            port, token = access["port"], access["token"]
            await page.goto(f"{access['scheme']}://{access['hostname']}:{port}/?token={token}")
            await page.wait_for_selector("[data-state=good]")
            await page.wait_for_function(BOOTED, timeout=60_000)
            assert await page.evaluate(LIT) == 0
            await page.keyboard.type("K")
            await page.wait_for_function(f"() => ({LIT})() > 0")
            letter = await page.evaluate(LIT)
            await page.keyboard.type("KKKK")
            await page.wait_for_function(f"n => ({LIT})() === 5 * n", arg=letter)
            await browser.close()


@ON_QEMU
async def test_a_worker_is_killed_while_vms_start(on: Hypervisor) -> None:
    async with running_stack(WORKER_PROCESSES="2", LEASE_S="5", LEASE_RENEW_S="1", **of_kvm(on)) as stack:
        db = await stack.db()
        admin = Client(stack.http, stack.base, stack.token)
        service = Service(Settings(), stack.origin, stack.http, Client(stack.http, stack.base), admin, db)
        world = await small_cloud(service)
        vms = [(await stopped_vm(on, world))["uuid"] for _ in range(COUNT)]
        body = {"startVmInstance": {}}
        answers = [await admin.call("PUT", f"/vm-instances/{vm}/actions", body) for vm in vms]
        os.kill(await stack.running_owner(), signal.SIGKILL)
        results = [await admin.result(answer.body["location"], 60) for answer in answers]
        assert [result.body for result in results if result.status != 200] == []
        assert await db.fetchval("SELECT count(*) FROM api_jobs WHERE claims > 1") > 0  # some ran twice

        async def all_run() -> bool:
            return await db.fetchval("SELECT count(*) = $1 FROM vm_instances WHERE state = 'Running'", COUNT)

        await eventually(all_run, 30, "every VM runs")
        assert [on.processes(vm) for vm in vms] == [1] * COUNT
        assert await db.fetchval("SELECT count(*) FROM stray_domains") == 0
        await world.check_counters()
        await db.close()
