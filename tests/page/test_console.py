"""A console in a browser: the pixels of the guest change as one types, and its end is told."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from app import Service, running_agent
from compute.world import World, build
from page.conftest import Visit, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")
PIXELS = """() => {
  const canvas = document.querySelector("canvas");
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) sum = (sum * 31 + data[i] + data[i + 1]) % 1000000007;
  return [canvas.width, canvas.height, sum];
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(service: Service) -> AsyncIterator[World]:
    async with running_agent(service.settings):
        yield await build(service)


async def show(world: World, visit: Visit, vm: Any, **params: Any) -> str:
    """Open the address that RequestConsoleAccess gives; its token."""
    asked = {"params": {"vmInstanceUuid": vm["uuid"], **params}}
    access = (await world.admin.job("POST", "/consoles", asked)).inventory
    url = f"{access['scheme']}://{access['hostname']}:{access['port']}/?token={access['token']}"
    await visit.page.goto(url)
    return access["token"]


async def test_the_guests_pixels_change_with_what_one_types(world: World, visitor: Visitor) -> None:
    vm = await world.vm(name="web-1")
    async with visitor(expected=("willReadFrequently",)) as visit:  # it is the test that reads
        token = await show(world, visit, vm)
        await visit.page.wait_for_selector("[data-state=good]")
        assert await visit.page.inner_text("h1") == "web-1"
        assert token not in visit.page.url
        before = await visit.evaluate(PIXELS)
        assert before[:2] == [640, 400]
        await visit.page.keyboard.type("uname")
        await visit.page.wait_for_function(f"before => ({PIXELS})()[2] !== before", arg=before[2])
        await world.act(vm, "stopVmInstance")
        await visit.page.wait_for_selector(".over")
        assert "asked" not in await visit.page.inner_text(".over")


async def test_the_room_opens_a_console_in_a_window_of_its_own(world: World, visitor: Visitor) -> None:
    vm = await world.vm(name="web-4")
    async with visitor() as visit:
        await visit.log_in()
        await visit.go(f"compute/vms/{vm['uuid']}")
        async with visit.context.expect_page() as opening:
            await visit.page.get_by_role("button", name="Console").click()
        opened = await opening.value
        await opened.wait_for_selector("[data-state=good]")
        assert await opened.inner_text("h1") == "web-4"
        assert "token" not in opened.url


async def test_a_serial_console_is_a_terminal(world: World, visitor: Visitor) -> None:
    vm = await world.vm(name="web-2")
    async with visitor(locale="zh-CN") as visit:
        await show(world, visit, vm, type="serial")
        rows = visit.page.locator(".xterm-rows")
        await rows.get_by_text("web-2").wait_for()
        await visit.page.keyboard.type("uname")
        await rows.get_by_text("uname").wait_for()
        assert await visit.page.inner_text("h1") == "串口控制台"


async def test_a_used_token_is_told_in_words(world: World, visitor: Visitor) -> None:
    vm = await world.vm(name="web-3")
    async with visitor() as visit:
        token = await show(world, visit, vm)
        await visit.page.wait_for_selector("[data-state=good]")
        port = world.service.settings.console_port
        await visit.page.goto(f"http://127.0.0.1:{port}/?token={token}")
        await visit.page.wait_for_selector(".over")
        assert "was used" in await visit.page.inner_text(".over")
        await visit.page.goto(f"http://127.0.0.1:{port}/")
        await visit.page.wait_for_selector(".over")
        assert "no token" in await visit.page.inner_text(".over")
