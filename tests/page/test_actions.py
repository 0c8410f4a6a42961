"""What one does in the rooms: cancel jobs, run them again, switch VMs, ask a directory, stay logged in."""

from collections.abc import Iterator

import pytest
import pytest_asyncio

from app import Service
from compute.world import World, build
from directory import Directory, running_directory
from directory_data import BASE, SERVICE, SERVICE_PASSWORD
from page.conftest import ASSETS, Visitor
from page.test_page import faults

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(service: Service) -> World:
    return await build(service)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    with running_directory(tmp_path_factory.mktemp("directory")) as running:
        yield running


async def test_a_job_is_cancelled_and_run_again_under_another_uuid(world: World, visitor: Visitor) -> None:
    vm = await world.vm(name="slow-1")
    await world.act(vm, "stopVmInstance")
    await world.fault("start", latency_s=60)
    path = f"/vm-instances/{vm['uuid']}/actions"
    slow = (await world.admin.call("PUT", path, {"startVmInstance": {}})).body["location"]
    rename = {"updateVmInstance": {"name": "renamed at last"}}
    first = (await world.admin.call("PUT", path, rename)).body["location"].rpartition("/")[2]
    async with visitor() as visit:
        page = visit.page
        await visit.log_in()
        await visit.go(f"jobs/all/{first}")
        await page.wait_for_selector(".detail [data-state=queued]")
        await page.click('.detail button:text-is("Cancel job")')
        await page.click('dialog button:text-is("Cancel job")')
        await page.wait_for_selector(".detail [data-state=canceled]")
        assert (await world.admin.call("DELETE", slow)).status < 300
        await world.admin.result(slow)
        await world.no_faults()
        await page.click('.detail button:text-is("Run again")')
        await page.click('dialog button:text-is("Run again")')
        await page.wait_for_selector(".toast:has-text('UpdateVmInstance') [data-state=succeeded]")
    jobs = await world.service.db.fetch(
        "SELECT uuid, state FROM api_jobs WHERE api = 'UpdateVmInstance' ORDER BY seq DESC LIMIT 2"
    )
    assert [(job["state"], job["uuid"] == first) for job in jobs] == [
        ("succeeded", False),
        ("canceled", True),
    ]
    shown = await world.admin.get(f"/vm-instances/{vm['uuid']}")
    assert shown.body["inventories"][0]["name"] == "renamed at last"


async def test_the_power_buttons_of_a_vm(world: World, visitor: Visitor) -> None:
    vm = await world.vm(name="power-1")
    async with visitor() as visit:
        page = visit.page
        await visit.log_in()
        await visit.go(f"compute/vms/{vm['uuid']}")
        for button, state, offered in (
            ("Stop", "Stopped", {"Start"}),
            ("Start", "Running", {"Stop", "Reboot", "Pause"}),
            ("Pause", "Paused", {"Resume"}),
            ("Resume", "Running", {"Stop", "Reboot", "Pause"}),
            ("Reboot", "Running", {"Stop", "Reboot", "Pause"}),
        ):
            await page.click(f'.detail .acts-row button:text-is("{button}")')
            await page.wait_for_selector(f".toast:has-text('{button}VmInstance') [data-state=succeeded]")
            await page.wait_for_selector(f".detail [data-state={state}]")
            shown = set(await page.locator(".detail .acts-row button").all_inner_texts())
            assert shown & {"Start", "Stop", "Reboot", "Pause", "Resume"} == offered, button
            assert await world.state(vm) == state


async def test_a_directory_is_added_asked_and_bound(
    service: Service, directory: Directory, visitor: Visitor
) -> None:
    await service.account("people")
    async with visitor() as visit:
        page = visit.page
        await visit.log_in()
        await visit.go("directory/servers")
        await page.click('button:text-is("Add a directory")')
        for name, text in {
            "name": "corp",
            "url": directory.url,
            "base": BASE,
            "username": SERVICE,
            "password": SERVICE_PASSWORD,
        }.items():
            await page.fill(f"dialog [name={name}]", text)
        await page.click('dialog button:text-is("Create")')
        await page.click('a:text-is("corp")')
        await page.click('.detail button:text-is("Test the connection")')
        await page.wait_for_selector(".detail :text-is('The directory answers.')")
        await visit.go("directory/entries")
        await page.fill("[name=filter]", "(cn=Alice)")
        await page.click('button:text-is("Look")')
        await page.click('tr:has-text("cn=Alice") button:text-is("Bind to an account")')
        await page.select_option("dialog select", label="people")
        await page.click('dialog button:text-is("Bind to an account")')
        await page.wait_for_selector("dialog", state="detached")
        await visit.go("directory/bindings")
        await page.wait_for_selector('tr:has-text("cn=Alice"):has-text("people")')


async def test_a_session_lasts_while_its_page_is_used(service: Service, visitor: Visitor) -> None:
    soon = "SELECT count(*) FROM sessions WHERE expired_date < now() + interval '2 min'"
    async with visitor() as visit:
        await visit.page.clock.install()
        await visit.log_in()
        await visit.page.wait_for_selector("tbody tr")
        await service.db.execute("UPDATE sessions SET expired_date = now() + interval '1 min'")
        waiting = await service.db.fetchval(soon)
        await visit.page.keyboard.press("Tab")
        await visit.page.clock.fast_forward(601_000)
        async with visit.page.expect_response(
            lambda reply: reply.request.method == "PUT" and reply.url.endswith("/ui/session")
        ) as renewed:
            await visit.page.keyboard.press("Tab")
        accepted = await (await renewed.value).json()
        ended = await service.admin.result(f"/api-jobs/{accepted['uuid']}")
        assert ended.status == 200, ended
        assert await service.db.fetchval(soon) == waiting - 1


async def test_axe_finds_no_serious_fault_in_the_reference(visitor: Visitor) -> None:
    axe = (
        ASSETS / next(p.name for p in ASSETS.iterdir() if p.is_dir()) / "axe-core" / "axe.min.js"
    ).read_text()
    async with visitor() as visit:
        await visit.log_in()
        await visit.page.goto(f"{visit.origin}/docs")
        await visit.page.wait_for_selector(".opblock-tag", timeout=30_000)
        await visit.page.fill(".operation-filter-input", "CreateZone")
        await visit.page.wait_for_selector('[data-tag="sessions"]', state="detached")
        await visit.page.click(".opblock-tag >> nth=0")
        await visit.page.click(".opblock-summary >> nth=0")
        await visit.page.wait_for_selector(".opblock-body")
        assert await faults(visit, axe) == []
        await visit.page.goto(f"{visit.origin}/docs/plain")
        assert await faults(visit, axe) == []
