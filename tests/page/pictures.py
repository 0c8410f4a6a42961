"""Pictures of the page for the README: `make pictures`. They show a small cloud that is made for them."""

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Page, async_playwright

from app import service_of_its_own
from page.conftest import ASSETS, FLAGS, chromium
from page.demo import make
from services import Owner, Services
from zstack_mgmt.config import Settings
from zstack_mgmt.local.page import fetch

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
ROOMS = {"jobs": "jobs", "compute": "compute/vms", "bills": "bills"}


async def paint(services: Services) -> None:
    with tempfile.TemporaryDirectory() as name:
        async with service_of_its_own(services, Path(name), assets_dir=ASSETS) as service:
            made = await make(service)
            async with async_playwright() as driver:
                browser = await driver.chromium.launch(executable_path=chromium(), args=list(FLAGS))
                for locale, suffix in (("en-GB", ""), ("zh-CN", ".zh-CN")):
                    page = await browser.new_page(locale=locale, viewport={"width": 1280, "height": 760})
                    await page.goto(f"{service.origin}/ui/")
                    await page.fill("[name=account]", "acme")
                    await page.fill("[name=password]", "secret")
                    await page.keyboard.press("Enter")
                    await page.wait_for_selector("[data-who]")
                    for room, path in ROOMS.items():
                        await show(page, f"{service.origin}/ui/#/{path}", made.vms[0]["uuid"])
                        await page.screenshot(path=FOLDER / f"{room}{suffix}.png")
                await browser.close()


async def show(page: Page, url: str, vm: str) -> None:
    await page.goto(f"{url}/{vm}" if url.endswith("vms") else url)
    await page.wait_for_selector("[data-total]" if url.endswith("bills") else "tbody tr")
    if url.endswith("jobs"):
        await page.click("tr:has([data-state=failed]) a")
    if not url.endswith("bills"):
        await page.wait_for_selector(".detail dl")
    await page.wait_for_timeout(400)  # for what a chart draws, which raises no event


if __name__ == "__main__":
    fetch(Settings(assets_dir=ASSETS), with_dev=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    owner = Owner()
    try:
        asyncio.run(paint(owner.start()))
    finally:
        owner.stop()
