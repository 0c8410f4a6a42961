"""The page's cookie: what it opens, and what other pages cannot do with it."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest_asyncio
from yarl import URL

from app import Client, Service
from zstack_mgmt import assets

LOGIN = {"as": "account", "accountName": "admin", "password": "password"}


@pytest_asyncio.fixture
async def browser(service: Service) -> AsyncIterator[Client]:
    """A client that keeps cookies as a browser does, logged in on the page."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield Client(http, f"{service.origin}/zstack/v1")


async def log_in(service: Service, browser: Client) -> Any:
    answer = await browser.call(
        "POST", f"{service.origin}/ui/session", LOGIN, headers={"Origin": service.origin}
    )
    assert answer.status == 200, answer
    return answer.body


async def test_a_change_needs_the_token_beside_the_cookie(service: Service, browser: Client) -> None:
    told = await log_in(service, browser)
    body, own = {"params": {"name": "z"}}, {"Origin": service.origin}
    assert (await browser.get("/zones")).status == 200
    for headers in (
        own,
        own | {"X-CSRF-Token": "0" * 64},
        {"X-CSRF-Token": told["csrf"], "Origin": "https://evil.example"},
        {"X-CSRF-Token": told["csrf"], "Origin": service.origin, "Sec-Fetch-Site": "cross-site"},
        {"X-CSRF-Token": told["csrf"], "Origin": service.origin, "Sec-Fetch-Site": "same-site"},
    ):
        assert (await browser.call("POST", "/zones", body, headers=headers)).code == "ID.1001"
    made = await browser.call("POST", "/zones", body, headers=own | {"X-CSRF-Token": told["csrf"]})
    assert made.status == 202


async def test_other_pages_cannot_read_with_the_cookie(service: Service, browser: Client) -> None:
    await log_in(service, browser)
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
    ):
        assert (await browser.get("/zones", headers=headers)).code == "ID.1001"
    assert (await browser.get("/zones", headers={"Sec-Fetch-Site": "same-origin"})).status == 200


async def test_the_token_belongs_to_one_session(service: Service, browser: Client) -> None:
    first = await log_in(service, browser)
    second = await log_in(service, browser)
    assert first["csrf"] != second["csrf"]
    headers = {"X-CSRF-Token": first["csrf"], "Origin": service.origin}
    assert (
        await browser.call("POST", "/zones", {"params": {"name": "z"}}, headers=headers)
    ).code == "ID.1001"


async def test_a_login_from_another_page_is_refused(service: Service, browser: Client) -> None:
    url = f"{service.origin}/ui/session"
    for headers in ({"Origin": "https://evil.example"}, {}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await browser.call("POST", url, LOGIN, headers=headers)).code == "ID.1001"
    wrong = LOGIN | {"password": "wrong"}
    assert (await browser.call("POST", url, wrong, headers={"Origin": service.origin})).code == "ID.1000"
    odd = LOGIN | {"as": "nobody"}
    assert (await browser.call("POST", url, odd, headers={"Origin": service.origin})).status == 400


async def test_no_script_learns_the_session(service: Service, browser: Client) -> None:
    answer = await browser.call(
        "POST", f"{service.origin}/ui/session", LOGIN, headers={"Origin": service.origin}
    )
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    token = cookie.partition("=")[2].partition(";")[0]
    assert len(token) == 32
    assert token not in str(answer.body)
    shown = await browser.get(f"{service.origin}/ui/session")
    assert shown.body == answer.body
    assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_logging_out_ends_the_session_and_the_cookie(service: Service, browser: Client) -> None:
    told = await log_in(service, browser)
    url = f"{service.origin}/ui/session"
    assert (await browser.call("DELETE", url, headers={"Origin": service.origin})).code == "ID.1001"
    headers = {"Origin": service.origin, "X-CSRF-Token": told["csrf"]}
    out = await browser.call("DELETE", url, headers=headers)
    assert out.status == 200
    assert (await browser.get("/zones")).code == "ID.1001"
    assert (await browser.get(url)).body == {}
    assert await service.db.fetchval("SELECT count(*) FROM sessions") == 1  # the fixture's own


async def test_a_session_is_renewed_with_its_cookie(service: Service, browser: Client) -> None:
    told = await log_in(service, browser)
    url, headers = f"{service.origin}/ui/session", {"Origin": service.origin, "X-CSRF-Token": told["csrf"]}
    assert (await browser.call("PUT", url, headers={"Origin": service.origin})).code == "ID.1001"
    await service.db.execute("UPDATE sessions SET expired_date = now() + interval '1 min'")
    accepted = await browser.call("PUT", url, headers=headers)
    assert accepted.status == 202, accepted
    ended = await browser.result(f"{service.origin}/zstack/v1/api-jobs/{accepted.body['uuid']}")
    assert ended.status == 200, ended
    later = "SELECT count(*) FROM sessions WHERE expired_date > now() + interval '1 h'"
    assert await service.db.fetchval(later) == 1
    assert (await service.anonymous.call("PUT", url, headers={"Origin": service.origin})).code == "ID.1001"


async def test_behind_tls_the_cookie_is_bound_to_the_host(service: Service) -> None:
    headers = {"Origin": "https://cloud.example", "X-Forwarded-Proto": "https"}
    answer = await service.anonymous.call("POST", f"{service.origin}/ui/session", LOGIN, headers=headers)
    assert answer.code == "ID.1001"  # nobody said that the peer is a proxy to be believed


async def test_a_browser_gets_the_page_and_others_the_versions(service: Service) -> None:
    async with service.http.get(
        f"{service.origin}/", headers={"Accept": "text/html,*/*"}, allow_redirects=False
    ) as reply:
        assert (reply.status, reply.headers["Location"]) == (302, "/ui/")
    assert (await service.anonymous.get(f"{service.origin}/")).status == 300


async def test_without_its_libraries_the_page_says_so(service: Service) -> None:
    async with service.http.get(f"{service.origin}/ui/") as reply:
        text = await reply.text()
        assert reply.status == 200
        assert "python -m zstack_mgmt page" in text
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]


async def test_files_outside_of_the_page_are_not_served(service: Service) -> None:
    for path in ("/ui/lib/0/x.js", "/ui/own/0/js/main.js", "/ui/nothing.html", "/ui/lib/..%2f..%2fx.js/y.js"):
        assert (await service.anonymous.get(f"{service.origin}{path}")).status == 404


async def test_of_the_libraries_only_scripts_styles_and_pictures_are_served(service: Service) -> None:
    folder = assets.libraries(service.settings)
    (folder / "x").mkdir(parents=True)
    for name in ("a.js", "page.html", "a.map"):
        (folder / "x" / name).write_text("1")
    (folder / "x" / "out.js").symlink_to("/etc/passwd")
    (folder / "x" / "in.js").symlink_to(folder / "x" / "page.html")
    start = f"{service.origin}/ui/lib/{folder.name}"
    async with service.http.get(f"{start}/x/a.js") as reply:
        assert (reply.status, await reply.text()) == (200, "1")
    odd = (
        "%00.js",
        "x/" + "a" * 300 + ".js",
        "x/a.js/a.js",
        "x/%ED%A0%80.js",
        "%2Fetc%2Fpasswd",
        "..%2F..%2Fx.js",
    )
    for path in ("x/page.html", "x/a.map", "x/out.js", "x/in.js", "x", *odd):
        async with service.http.get(URL(f"{start}/{path}", encoded=True)) as reply:
            assert reply.status == 404, path
