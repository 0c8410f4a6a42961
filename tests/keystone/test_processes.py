"""Two API processes over one database: what one has taken away, the other refuses from that moment on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest
import pytest_asyncio

from app import Service, running_service
from keystone.talking import Keystone, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")
AT_ONCE = 8  # validations that are under way at each moment


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def elsewhere(service: Service) -> AsyncIterator[Keystone]:
    """The door of another API process; it shares nothing with the first but its database and Redis."""
    async with running_service(service.settings, workers=0, senders=0) as other:
        yield Keystone(other)


class Watch:
    """Validates a token at a door again and again, several times at once, until it is told to stop."""

    def __init__(self, door: Keystone, bearer: Person, subject: Person) -> None:
        self.door, self.bearer, self.subject = door, bearer, subject
        self.seen: list[tuple[float, Any]] = []  # when it was asked, and what was told
        self.ended = False

    async def __aenter__(self) -> Self:
        self.tasks = [asyncio.create_task(self._go_on()) for _ in range(AT_ONCE)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.ended = True
        await asyncio.gather(*self.tasks)

    async def _go_on(self) -> None:
        while not self.ended:
            await self.ask()

    async def ask(self) -> Any:
        """The roles that the token has, or the status that refuses it."""
        asked_at = asyncio.get_running_loop().time()
        answer = await self.door.call(
            "GET", "auth/tokens", token=self.bearer.secret, subject=self.subject.secret
        )
        told = answer.status
        if answer.status == 200:
            told = [role["name"] for role in answer.body["token"]["roles"]]
        self.seen.append((asked_at, told))
        return told

    async def from_now_on(self, expected: Any) -> None:
        """Whatever is asked from this moment on is told this."""
        now = asyncio.get_running_loop().time()
        assert await self.ask() == expected
        count = len(self.seen) + 3 * AT_ONCE
        async with asyncio.timeout(10):
            while len(self.seen) < count:
                await asyncio.sleep(0)
        assert {str(told) for at, told in self.seen if at >= now} == {str(expected)}


@pytest.mark.parametrize(
    "what",
    ["token", "role", "group", "project", "user", "password", "domain", "deleted user", "deleted role"],
)
async def test_what_is_revoked_here_is_refused_there_at_once(
    admin: Person, keystone: Keystone, elsewhere: Keystone, what: str
) -> None:
    domain = await admin.make("domain")
    project = await admin.make("project", domain_id=domain["id"])
    group = await admin.make("group", domain_id=domain["id"])
    role = await admin.make("role")
    user = await admin.make("user", domain_id=domain["id"], password="secret")
    where = f"projects/{project['id']}"
    joined = f"groups/{group['id']}/users/{user['id']}"
    own, theirs = f"{where}/users/{user['id']}/roles", f"{where}/groups/{group['id']}/roles"
    member = await admin.role("member")
    for given in (f"{own}/{member}", f"{own}/{role['id']}", f"{theirs}/{await admin.role('reader')}", joined):
        assert (await admin.call("PUT", given)).status == 204
    scope = {"project": {"id": project["id"]}}
    person = await keystone.log_in(user["name"], "secret", scope, domain["id"])
    had = sorted(["member", "reader", role["name"]])
    off = {"enabled": False}
    method, path, body, expected = {
        "token": ("DELETE", "auth/tokens", None, 404),
        "role": ("DELETE", f"{own}/{member}", None, sorted({*had} - {"member"})),
        "group": ("DELETE", joined, None, sorted({*had} - {"reader"})),
        "project": ("PATCH", where, {"project": off}, 404),
        "user": ("PATCH", f"users/{user['id']}", {"user": off}, 404),
        "password": ("PATCH", f"users/{user['id']}", {"user": {"password": "another"}}, 404),
        "domain": ("PATCH", f"domains/{domain['id']}", {"domain": off}, 404),
        "deleted user": ("DELETE", f"users/{user['id']}", None, 404),
        "deleted role": ("DELETE", f"roles/{role['id']}", None, sorted({*had} - {role["name"]})),
    }[what]
    async with Watch(elsewhere, admin, person) as there, Watch(keystone, admin, person) as here:
        for watch in (there, here):
            await watch.from_now_on(had)
        subject = {"subject": person.secret} if what == "token" else {}
        assert (await admin.call(method, path, body, **subject)).status in (200, 204)
        await asyncio.gather(there.from_now_on(expected), here.from_now_on(expected))


async def test_a_bearer_whose_token_ends_here_is_nobody_there(
    keystone: Keystone, elsewhere: Keystone, admin: Person
) -> None:
    bearer = await keystone.log_in("admin", "password", {"system": {"all": True}})
    async with Watch(elsewhere, bearer, admin) as there:
        await there.from_now_on(["admin"])
        assert (await admin.call("DELETE", "auth/tokens", subject=bearer.secret)).status == 204
        await there.from_now_on(401)


async def test_a_change_of_the_catalog_is_seen_by_all_processes(
    admin: Person, keystone: Keystone, elsewhere: Keystone
) -> None:
    async def urls(door: Keystone) -> list[str]:
        answer = await door.call("GET", "auth/tokens", token=admin.secret, subject=admin.secret)
        entries = answer.body["token"]["catalog"]
        return [one["url"] for entry in entries if entry["type"] == "image" for one in entry["endpoints"]]

    async def shown(*expected: str) -> None:
        assert [await urls(door) for door in (elsewhere, keystone)] == [list(expected)] * 2

    await shown()
    service = await admin.make("service", type="image")
    given = {"service_id": service["id"], "interface": "public"}
    endpoint = await admin.make("endpoint", url="http://one", **given)
    at, of = f"endpoints/{endpoint['id']}", f"services/{service['id']}"
    await shown("http://one")
    assert (await admin.call("PATCH", at, {"endpoint": {"url": "http://two"}})).status == 200
    await shown("http://two")
    for enabled, urls_then in ((False, []), (True, ["http://two"])):
        assert (await admin.call("PATCH", of, {"service": {"enabled": enabled}})).status == 200
        await shown(*urls_then)
    assert (await admin.call("DELETE", of)).status == 204
    await shown()
