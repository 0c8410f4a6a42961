"""The page in a browser, against the real service: what a tenant and the operator do with it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from aiohttp import web

from app import Service
from page.conftest import ASSETS, Visit, Visitor
from page.demo import Demo, make

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOMS = (
    *("jobs", "compute/vms", "compute/volumes", "compute/networks", "compute/hosts", "compute/images"),
    *("compute/offerings", "identity/accounts", "identity/users", "identity/groups", "identity/policies"),
    *("identity/sessions", "identity/keys", "identity/audit", "webhooks/receivers", "webhooks/deliveries"),
    *("webhooks/secret", "quotas", "scheduler/calendar", "scheduler/jobs", "scheduler/triggers", "bills"),
    *("health", "directory/servers", "directory/entries", "directory/bindings"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(service: Service) -> Demo:
    return await make(service)


async def row_with(visit: Visit, text: str, state: str = "") -> None:
    selector = f'tr:has-text("{text}")' + (f":has([data-state={state}])" if state else "")
    await visit.page.wait_for_selector(selector)


@pytest.mark.parametrize(
    ("locale", "new", "create", "out"),
    [("en-GB", "New account", "Create", "Log out"), ("zh-CN", "新建账户", "创建", "退出")],
)
async def test_an_account_is_created_and_its_job_ends_live(
    visitor: Visitor, locale: str, new: str, create: str, out: str
) -> None:
    async with visitor(locale=locale) as visit, visitor(locale=locale) as other:
        page = visit.page
        await other.log_in()
        await other.page.wait_for_selector("[data-live=on]")
        await visit.log_in()
        await visit.go("identity/accounts")
        await page.click(f'button:text-is("{new}")')
        await page.fill("dialog [name=name]", f"made-in-{locale}")
        await page.fill("dialog [name=password]", "secret")
        await page.click(f'dialog button:text-is("{create}")')
        await row_with(visit, f"made-in-{locale}")
        await page.wait_for_selector(".toast [data-state=succeeded]")
        await other.page.wait_for_selector('tr:has-text("CreateAccount"):has([data-state=succeeded])')
        assert (await visit.context.cookies())[0]["httpOnly"]
        await page.click(f'button:text-is("{out}")')
        await page.wait_for_selector("[name=password]")
        assert await visit.context.cookies() == []


async def test_a_job_is_run_again(service: Service, visitor: Visitor) -> None:
    made = await service.admin.create("/zones", name="once")
    await service.admin.job("PUT", f"/zones/{made['uuid']}/actions", {"updateZone": {"name": "renamed"}})
    async with visitor() as visit:
        page = visit.page
        await visit.log_in()
        for api, text in (("CreateZone", "once"), ("UpdateZone", "renamed")):
            await visit.go("jobs")
            await page.click(f"tr:has-text('{api}') a >> nth=0")
            await page.click('.detail button:text-is("Run again")')
            await page.fill(
                "dialog textarea", (await page.input_value("dialog textarea")).replace(text, f"{text} more")
            )
            await page.click('dialog button:text-is("Run again")')
            await page.wait_for_selector(f".toast:has-text('{api}') [data-state=succeeded]")
    zones = (await service.admin.get("/zones")).body["inventories"]
    assert {"renamed more", "once more"} <= {zone["name"] for zone in zones}


async def test_a_broken_receiver_is_seen_and_served_again(service: Service, visitor: Visitor) -> None:
    works, got = asyncio.Event(), asyncio.Queue[str]()

    async def receive(request: web.Request) -> web.Response:
        if works.is_set():
            got.put_nowait(request.headers["X-Job-UUID"])
        return web.Response(status=204 if works.is_set() else 500)

    app = web.Application()
    app.router.add_post("/hook", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with visitor() as visit:
        page = visit.page
        await visit.log_in()
        await visit.go("webhooks/receivers")
        await page.click('button:text-is("Send a test")')
        await page.fill("dialog [name=url]", f"{origin}/hook")
        await page.click('dialog button:text-is("Send")')
        await page.click(f'a:text-is("{origin}")')
        await row_with(visit, "500", "pending")
        works.set()
        await page.click('tr:has-text("500") >> button:text-is("Redeliver")')
        uuid = await asyncio.wait_for(got.get(), 10)
        await row_with(visit, "204", "delivered")
        await page.click('tr:has-text("204") >> a')
        await page.wait_for_selector('.detail b:text-is("500")')
        assert uuid in page.url
    await runner.cleanup()


async def test_the_secret_is_shown_once(visitor: Visitor) -> None:
    async with visitor() as visit:
        page = visit.page
        await visit.log_in()
        await visit.go("webhooks/secret")
        await page.click('main button:text-is("Rotate the secret")')
        await page.click('dialog button:text-is("Rotate the secret")')
        assert (await page.inner_text("[data-secret]")).startswith("whsec_")
        await visit.go("webhooks/receivers")
        await visit.go("webhooks/secret")
        await page.wait_for_selector("text=Handed out")
        assert await page.locator("[data-secret]").count() == 0


async def test_a_quota_is_edited(demo: Demo, visitor: Visitor) -> None:
    async with visitor() as visit:
        page = visit.page
        await visit.log_in()
        await visit.go(f"quotas/{demo.account['uuid']}")
        await page.click('tr:has-text("eip.num") >> text=Edit')
        await page.fill("dialog [name=value]", "77")
        await page.click('dialog button:text-is("Save")')
        await row_with(visit, "77")
    usages = await demo.tenant.get(f"/accounts/quota/{demo.account['uuid']}/usages")
    assert {u["name"]: u["total"] for u in usages.body["usages"]}["eip.num"] == 77


async def test_a_stop_is_scheduled_and_fires(demo: Demo, visitor: Visitor) -> None:
    async with visitor(timezone_id="UTC", expected=("preview",)) as visit:
        page = visit.page
        await visit.log_in("acme", "secret")
        await visit.go("scheduler/triggers")
        await page.click('button:text-is("New trigger")')
        await page.fill("dialog [name=cron]", "0 0 12 1 1 ?")
        await page.wait_for_selector("[data-next] li:nth-child(10)")
        await page.fill("dialog [name=cron]", "0 0 12 1 13 ?")
        await page.wait_for_selector("dialog .note.bad")
        await page.fill("dialog [name=name]", "soon")
        await page.click('dialog button:text-is("Interval")')
        soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=4)
        await page.fill("dialog [name=interval]", "3600")
        await page.fill("dialog [name=start]", soon.strftime("%Y-%m-%dT%H:%M:%S"))
        await page.click('dialog button:text-is("Create")')
        await row_with(visit, "soon")
        await page.click('button:text-is("New job")')
        await page.fill("dialog [name=name]", "stop the cache")
        await page.select_option("dialog [name=target]", label="cache-1")
        trigger = await page.locator("dialog [name=trigger] option", has_text="soon").get_attribute("value")
        await page.select_option("dialog [name=trigger]", trigger)
        await page.click('dialog button:text-is("Create")')
        await page.wait_for_selector("dialog", state="detached")
        await visit.go("scheduler/jobs")
        await page.click('a:text-is("stop the cache")')
        await page.wait_for_selector("[data-execution=Succeeded]", timeout=20_000)
        await visit.go("compute/vms")
        await row_with(visit, "cache-1", "Stopped")


async def test_a_policy_is_written_and_what_it_allows_is_told(demo: Demo, visitor: Visitor) -> None:
    async with visitor() as visit:
        page = visit.page
        await visit.log_in("acme", "secret")
        await visit.go("identity/policies")
        await page.click('button:text-is("New policy")')
        await page.fill("dialog [name=name]", "may stop")
        await page.fill("dialog .bar input.mono", "instance:APIStopVmInstanceMsg")
        await page.click('dialog button:text-is("Create")')
        await row_with(visit, "may stop")
        await visit.go("identity/users")
        await page.click('a:text-is("Ann")')
        await page.click('.detail button:text-is("Attach a policy")')
        await page.select_option("dialog select", label="may stop")
        await page.click('dialog button:text-is("Save")')
        await page.wait_for_selector("dialog", state="detached")
        await page.click(".detail summary:text-is('Show them')")
        await page.wait_for_selector(".detail .tag.good:text-is('StopVmInstance')")
        assert await page.locator(".detail .tag.bad", has_text="CreateAccount").count() == 1


async def test_a_policy_is_explained_while_it_is_written(demo: Demo, visitor: Visitor) -> None:
    async with visitor(expected=("explanations",)) as visit:  # one rule cannot be run
        page = visit.page
        await visit.log_in("acme", "secret")
        await visit.go("identity/policies")
        await page.click('button:text-is("New policy")')
        explained = page.locator("[data-explained]")
        await page.fill("dialog .bar input.mono", "instance:.*")
        await explained.get_by_text("APIs allowed").wait_for()
        await explained.locator("summary").click()

        async def told(api: str, decision: str, why: str) -> None:
            row = explained.locator(f"tr[data-api={api}]")
            await row.locator(f".tag:text-is('{decision}')").wait_for()
            assert await row.locator("td").last.inner_text() == why

        await told("StopVmInstance", "Allow", "statement 1: instance:.*")
        await told("QueryZone", "Deny", "no statement fits")
        await told("CreatePolicy", "Deny", "the same for all users")
        await page.click('dialog button:text-is("Add a statement")')
        await page.locator("dialog .bar select").last.select_option("Deny")
        await page.locator("dialog .bar input.mono").last.fill("instance:APIStopVmInstanceMsg")
        await told("StopVmInstance", "Deny", "statement 2: instance:APIStopVmInstanceMsg")
        await told("StartVmInstance", "Allow", "statement 1: instance:.*")
        assert await page.locator("[data-decides]").last.inner_text() == "decides 1"
        await page.locator("dialog .bar input.mono").last.fill("instance:(")
        await explained.get_by_text("instance:(").wait_for()
        await page.locator("dialog .bar input.mono").last.fill("")
        await explained.locator("summary").click()
        await told("StopVmInstance", "Allow", "statement 1: instance:.*")


async def test_pages_of_a_long_list_follow_each_other(service: Service, demo: Demo, visitor: Visitor) -> None:
    await service.db.execute(
        """
        WITH made AS (INSERT INTO users (uuid, account_uuid, name, password_hash, create_date, last_op_date)
            SELECT replace(gen_random_uuid()::text, '-', ''), $1, 'bulk-' || n, '', now(), now()
            FROM generate_series(1, 120) n RETURNING uuid, name)
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
        SELECT uuid, 'UserVO', $1 FROM made
        """,
        demo.account["uuid"],
    )
    async with visitor() as visit:
        page = visit.page
        await visit.log_in("acme", "secret")
        await visit.go("identity/users")
        seen: list[str] = []
        for number in (1, 2, 3):
            await page.wait_for_selector(f'[data-page="{number}"][aria-busy=false]')
            seen += await page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.dataset.row)")
            if number < 3:
                await page.click('button:text-is("Next")')
        assert len(seen) == len(set(seen)) == 123


async def test_stored_script_shows_as_text(service: Service, visitor: Visitor) -> None:
    attack = '<img src=x onerror="document.title=1"><script>document.title=1</script>{{7*7}}'
    _, tenant = await service.account(attack, description=attack)
    await tenant.create("/accounts/users", name=attack, password="p", description=attack)
    await tenant.create("/accounts/groups", name=attack, description=attack)
    await tenant.create(
        "/accounts/policies", name=attack, statements=[{"name": "s", "effect": "Allow", "actions": ["a:b"]}]
    )
    await tenant.create("/scheduler/triggers", name=attack, schedulerType="cron", cron="0 0 1 * * ?")
    await service.admin.create("/zones", name=attack, description=attack)
    async with visitor() as visit:
        await visit.log_in()
        for room in ("jobs", *(f"identity/{tab}" for tab in ("accounts", "users", "groups", "policies"))):
            await visit.go(room)
            await visit.page.wait_for_selector("tbody tr")
            if room != "jobs":
                await visit.page.locator("tr", has_text="<img src=x").locator("a").first.click()
                await visit.page.wait_for_selector(".detail dl")
            assert await visit.page.locator("img, #app script").count() == 0
        await visit.go("scheduler/triggers")
        await row_with(visit, "<img src=x")
        assert (await visit.page.title()).endswith("zstack-mgmt")


async def test_a_tenant_sees_no_row_of_another(service: Service, demo: Demo, visitor: Visitor) -> None:
    await service.account("rival")
    async with visitor(expected=("503",)) as visit:
        await visit.log_in("rival", "secret")
        for room in ROOMS:
            if room not in ("identity/accounts", "identity/audit"):
                await visit.go(room)
                await visit.page.wait_for_load_state("networkidle") if room == "compute/vms" else None
                text = await visit.page.inner_text("body")
                assert not [name for name in ("acme", "web-1", "db-1", "Ann", "nightly") if name in text], (
                    room
                )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_axe_finds_no_serious_fault(demo: Demo, visitor: Visitor, dark: bool) -> None:
    axe = (
        ASSETS / next(p.name for p in ASSETS.iterdir() if p.is_dir()) / "axe-core" / "axe.min.js"
    ).read_text()
    async with visitor(color_scheme="dark" if dark else "light") as visit:
        await visit.page.goto(f"{visit.origin}/ui/")
        await visit.page.wait_for_selector("[name=password]")
        assert await faults(visit, axe) == []
        await visit.log_in()
        for room in ROOMS:
            await visit.go(room)
            if room not in ("health", "bills", "webhooks/secret", "scheduler/calendar"):
                await visit.page.wait_for_selector(".empty:not(:has-text('Loading')), tbody tr")
            assert await faults(visit, axe) == [], room
        await visit.go("identity/accounts")
        await visit.page.click("tbody a >> nth=0")
        await visit.page.click('.detail button:text-is("Edit")')
        assert await faults(visit, axe) == []


async def faults(visit: Visit, axe: str) -> list[str]:
    """Serious and critical ones. The script comes past the policy, as a debugger's does."""
    await visit.page.evaluate(f"() => {{ if (!window.axe) {{ {axe} }} }}")
    found = await visit.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:160]} {v['nodes'][0]['failureSummary'][:160]}"
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]


async def test_a_phone_shows_everything_in_its_width(demo: Demo, visitor: Visitor) -> None:
    async with visitor(viewport={"width": 360, "height": 720}, has_touch=True) as visit:
        page = visit.page
        await visit.log_in()
        for room in ROOMS:
            await visit.go(room)
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 360, room
        await page.click(".menu-button")
        await page.click('nav a:text-is("Jobs")')
        await page.wait_for_selector('h1:text-is("Jobs")')


async def test_the_keyboard_alone_suffices(demo: Demo, visitor: Visitor) -> None:
    async with visitor() as visit:
        page = visit.page
        await visit.log_in()
        await visit.go("compute/vms")
        await page.focus('a:text-is("web-1")')
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".detail")
        await page.wait_for_selector(".detail:focus")
        await page.keyboard.press("Escape")
        await page.wait_for_selector(".detail", state="detached")


async def test_a_room_is_light_and_painted_soon(visitor: Visitor) -> None:
    async with visitor() as visit:
        sizes: list[int] = []
        visit.page.on("response", lambda r: sizes.append(int(r.headers.get("content-length", "0"))))
        await visit.log_in()
        for room in ("jobs", "bills"):
            await visit.go(room)
        await visit.page.wait_for_selector("[data-total]")
        assert 0 < sum(sizes) < 250_000
        outside = await visit.evaluate(
            "performance.getEntries().map(e => e.name).filter(n => /^http/.test(n) && !n.startsWith(origin))"
        )
        assert outside == []


async def test_libraries_of_the_console_can_be_imported(visitor: Visitor) -> None:
    async with visitor() as visit:
        await visit.page.goto(f"{visit.origin}/ui/")
        kinds = await visit.evaluate(
            """Promise.all(["@novnc/novnc", "@xterm/xterm", "@xterm/addon-fit"].map(n => import(n)))
               .then(([n, x, f]) => [typeof n.default, typeof x.Terminal, typeof f.FitAddon])"""
        )
        assert kinds == ["function"] * 3


async def test_the_reference_is_searched_and_tried(service: Service, visitor: Visitor) -> None:
    async with visitor() as visit:
        page = visit.page
        await visit.log_in()
        await page.goto(f"{visit.origin}/docs")
        await page.wait_for_selector(".opblock-tag", timeout=30_000)  # it reads a document of a megabyte
        await page.fill(".operation-filter-input", "CreateZone")
        await page.wait_for_selector('[data-tag="sessions"]', state="detached")
        assert await page.locator(".opblock-tag-section").count() == 1
        await page.click(".opblock-tag-section .expand-operation")
        await page.click(".opblock-summary-control")
        for language, text in (
            ("curl", 'curl -X POST "$ZSTACK/zones"'),
            ("Python", "requests.post("),
            ("Java", '"/zones"'),
            ("Go", "http.NewRequest("),
        ):
            await page.click(f".samples button:text-is('{language}')")
            assert text in await page.inner_text("[data-sample]")
        await page.fill(".body-param textarea", '{"params": {"name": "tried"}}')
        await page.click("button.execute")
        await page.wait_for_selector(".live-responses-table .response-col_status:has-text('202')")
        await page.click(".docs-head >> text=Log out")
        await page.wait_for_selector(".docs-head [name=password]")
    async with service.http.get(f"{service.origin}/docs/plain") as reply:
        assert "CreateZone" in await reply.text()
