"""The real service, and Chromium on its page. What the browser complains of fails the test."""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from app import Service, service_of_its_own
from services import Services
from zstack_mgmt.config import Settings
from zstack_mgmt.local.page import fetch

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
ASSETS = Path(__file__).parents[2] / "build" / "test-assets"
# A violation of the policy is told to the console, as is every answer that is no success.
WATCH = """
addEventListener("securitypolicyviolation", e => console.error("CSP", e.violatedDirective, e.blockedURI))
"""


def chromium() -> str:
    """The browser's binary; without one the run fails in one line, and says how to get it."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.fail(
            "the page's tests need Chromium: apt-get install chromium, or CHROMIUM names it", pytrace=False
        )
    return found


@pytest.fixture(scope="session")
def assets_dir() -> Path:
    """The page's libraries and axe-core, fetched once for this checkout."""
    if not fetch(Settings(assets_dir=ASSETS), with_dev=True):
        pytest.fail("the page's tests need its libraries, which npm's registry has", pytrace=False)
    return ASSETS


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    services: Services, assets_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    async with service_of_its_own(services, folder, assets_dir=assets_dir) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        yield browser
        await browser.close()


@dataclass
class Visit:
    """One visitor: a browser context of its own, its page, and what the browser complained of."""

    origin: str
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)

    async def log_in(self, name: str = "admin", password: str = "password") -> None:
        await self.page.goto(f"{self.origin}/ui/")
        await self.page.fill("[name=account]", name)
        await self.page.fill("[name=password]", password)
        await self.page.keyboard.press("Enter")
        await self.page.wait_for_selector("[data-who]", state="attached")

    async def go(self, room: str) -> None:
        """Show a room, `identity/users`, and wait until its rows have come."""
        await self.page.goto(f"{self.origin}/ui/#/{room}")
        await self.page.wait_for_selector("main h1")

    async def evaluate(self, script: str, *arguments: Any) -> Any:
        return await self.page.evaluate(script, *arguments)


Visitor = Callable[..., Any]


@pytest.fixture(scope="module")
def visitor(service: Service, browser: Browser) -> Visitor:
    """`async with visitor(locale="zh-CN") as visit:`; leaving fails when the browser complained."""

    @asynccontextmanager
    async def open_visit(*, expected: tuple[str, ...] = (), **options: Any) -> AsyncIterator[Visit]:
        context = await browser.new_context(**{"locale": "en-GB", "reduced_motion": "reduce", **options})
        context.set_default_timeout(30_000)
        await context.add_init_script(WATCH)
        page = await context.new_page()
        visit = Visit(service.origin, context, page)

        def told(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                visit.complaints.append(f"{message.text} ({message.location.get('url', '')})")

        page.on("console", told)
        page.on("pageerror", lambda error: visit.complaints.append(f"uncaught: {error}"))
        yield visit
        await context.close()
        assert not [c for c in visit.complaints if not any(text in c for text in expected)]

    return open_visit
