"""Two accounts against each other: no Query API, link, count, tag or error shows one what is the other's."""

from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from app import Client, Service
from identity.world import UNKNOWN, Tenant, User, allow, uuids
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.features import load

pytestmark = pytest.mark.asyncio(loop_scope="module")

load()
OWNED = {
    "users": "/accounts/users",
    "groups": "/accounts/groups",
    "policies": "/accounts/policies",
    "quotas": "/accounts/quotas",
}


@dataclass
class Side:
    """One account with something of each kind."""

    tenant: Tenant
    user: User
    uuids: dict[str, str]

    @property
    def client(self) -> Client:
        return self.tenant.client


async def make_side(service: Service, name: str) -> Side:
    tenant = Tenant(service, *await service.account(name, description=f"secret of {name}"))
    body = {"params": {"name": f"{name}-user", "password": "secret"}, "userTags": [f"tag::{name}"]}
    user = (await tenant.client.job("POST", "/accounts/users", body)).inventory
    body = {"params": {"name": f"{name}-group"}, "userTags": [f"tag::{name}"]}
    group = (await tenant.client.job("POST", "/accounts/groups", body)).inventory
    body = {
        "params": {"name": f"{name}-policy", "statements": [allow(".*")]},
        "systemTags": [f"kind::{name}"],
    }
    policy = (await tenant.client.job("POST", "/accounts/policies", body)).inventory
    quota = (await tenant.client.get("/accounts/quotas?q=name=vm.num")).body["inventories"][0]
    await tenant.join(group["uuid"], user["uuid"])
    await tenant.bind(user["uuid"], policy["uuid"])
    await tenant.bind_group(group["uuid"], policy["uuid"])
    made = {"users": user, "groups": group, "policies": policy, "quotas": quota}
    session = await tenant.log_in(user["name"])
    return Side(tenant, User(user, session), {kind: item["uuid"] for kind, item in made.items()})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mine(service: Service) -> Side:
    return await make_side(service, "mine")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theirs(service: Service) -> Side:
    return await make_side(service, "theirs")


@pytest.mark.parametrize("kind", OWNED)
async def test_lists_and_counts_hold_own_rows_only(mine: Side, theirs: Side, kind: str) -> None:
    for client in (mine.client, mine.user.client):
        seen = uuids(await client.get(OWNED[kind]))
        assert mine.uuids[kind] in seen
        assert theirs.uuids[kind] not in seen
        count = await client.get(f"{OWNED[kind]}?count=true")
        assert count.body["total"] == len(seen)
        page = await client.get(f"{OWNED[kind]}?limit=0&replyWithCount=true")
        assert page.body["total"] == len(seen)


@pytest.mark.parametrize("kind", OWNED)
async def test_foreign_uuid_is_absent(mine: Side, theirs: Side, kind: str) -> None:
    for client in (mine.client, mine.user.client):
        foreign = await client.get(f"{OWNED[kind]}/{theirs.uuids[kind]}")
        unknown = await client.get(f"{OWNED[kind]}/{UNKNOWN}")
        assert foreign.body == unknown.body == {"inventories": [], "schema": {}}
        assert uuids(await client.get(f"{OWNED[kind]}?q=uuid={theirs.uuids[kind]}")) == set()


@pytest.mark.parametrize(
    ("path", "condition"),
    [
        ("/accounts/users", "account.user.name=theirs-user"),
        ("/accounts/users", "account.name=theirs"),
        ("/accounts/users", "group.name=theirs-group"),
        ("/accounts/users", "policy.name=theirs-policy"),
        ("/accounts/users", "policy.__systemTag__=kind::theirs"),
        ("/accounts/users", "__userTag__=tag::theirs"),
        ("/accounts/users", "group.__userTag__~=tag::t%25"),
        ("/accounts/users", "group.user.policy.name=theirs-policy"),
        ("/accounts/groups", "account.group.name=theirs-group"),
        ("/accounts/groups", "account.description~=secret of t%25"),
        ("/accounts/policies", "account.policy.__systemTag__=kind::theirs"),
        ("/accounts/policies", "user.account.user.name=theirs-user"),
        ("/accounts/quotas", "account.quota.identityUuid!=x&q=account.name=theirs"),
        ("/accounts/quotas", "account.user.name=theirs-user"),
    ],
)
async def test_links_lead_to_no_foreign_row(mine: Side, theirs: Side, path: str, condition: str) -> None:
    assert uuids(await mine.client.get(f"{path}?q={condition}")) == set()
    own = condition.replace("theirs", "mine").replace("of t%", "of m%").replace("::t%", "::m%")
    assert uuids(await mine.client.get(f"{path}?q={own}")), own


@pytest.mark.parametrize("kind", OWNED)
async def test_group_by_sort_and_fields_show_own_rows_only(mine: Side, theirs: Side, kind: str) -> None:
    for parameters in ("groupBy=name&fields=name", "sort=-name&fields=name", "fields=name"):
        answer = await mine.client.get(f"{OWNED[kind]}?{parameters}")
        assert not any("theirs" in row["name"] for row in answer.body["inventories"])


async def test_untagged_means_own_untagged(mine: Side, theirs: Side) -> None:
    for condition in ("__userTag__!=tag::mine", "__userTag__ is null"):
        assert uuids(await mine.client.get(f"/accounts/users?q={condition}")) == set()
    assert uuids(await mine.client.get("/accounts/users?q=__userTag__ not null")) == {mine.uuids["users"]}


async def test_administrators_see_as_they_should(
    service: Service, mine: Side, theirs: Side, new_tenant: Any
) -> None:
    chief = await new_tenant(type="SystemAdmin")
    for kind, path in OWNED.items():
        assert {mine.uuids[kind], theirs.uuids[kind]} <= uuids(await service.admin.get(path))
        assert {mine.uuids[kind], theirs.uuids[kind]} <= uuids(await chief.client.get(path))
    assert {mine.tenant.uuid, theirs.tenant.uuid} <= uuids(await chief.client.get("/accounts"))


async def test_share_shows_the_shared_row_and_nothing_behind_it(mine: Side, theirs: Side) -> None:
    shared = theirs.uuids["groups"]
    await theirs.tenant.share(shared, to=mine.tenant)
    try:
        assert shared in uuids(await mine.client.get("/accounts/groups"))
        assert shared in uuids(await mine.user.client.get(f"/accounts/groups/{shared}"))
        for condition in (
            "user.name=theirs-user",
            "policy.name=theirs-policy",
            "account.user.name=theirs-user",
        ):
            assert uuids(await mine.client.get(f"/accounts/groups?q={condition}")) == set(), condition
        assert uuids(await mine.client.get("/accounts/users?q=group.name=theirs-group")) == set()
    finally:
        body = {"revokeResourceSharing": {"resourceUuids": [shared], "all": True}}
        await theirs.client.job("PUT", "/accounts/resources/actions", body)
    assert uuids(await mine.client.get(f"/accounts/groups/{shared}")) == set()


async def test_every_query_for_users_filters_what_belongs_to_accounts(mine: Side, theirs: Side) -> None:
    """Whatever features there are: no row that a tenant can query names the other account or its things."""
    foreign = {theirs.tenant.uuid, theirs.tenant.name, *theirs.uuids.values()}
    for declared in APIS.values():
        if declared.query is None or declared.access not in ("user", "account"):
            continue
        path = declared.paths[0].removeprefix("/v1")
        answer = await mine.client.get(path)
        assert answer.status == 200, (declared.name, answer)
        for row in answer.body["inventories"]:
            assert not foreign & {value for value in row.values() if isinstance(value, str)}, declared.name


async def test_jobs_of_another_account_are_absent(mine: Side, theirs: Side) -> None:
    accepted = await theirs.client.call("POST", "/accounts/groups", {"params": {"name": "by-theirs"}})
    assert accepted.status == 202
    assert (await mine.client.get(accepted.body["location"])).status == 404
    listed = await mine.client.get("/api-jobs")
    assert {job["accountUuid"] for job in listed.body["inventories"]} == {mine.tenant.uuid}


@pytest.mark.parametrize(
    "parameters",
    [
        "q=name=x' OR '1'='1",
        "q=name=x'; DROP TABLE users; --",
        "q=name~=%25' OR true --",
        "q=__userTag__=x' OR '1'='1",
        "q=group.name=') OR ('1'='1",
        "q=name?=a','b",
        "q=name=$1",
    ],
)
async def test_values_are_bound(service: Service, mine: Side, parameters: str) -> None:
    assert uuids(await mine.client.get(f"/accounts/users?{parameters}")) == set()
    assert await service.db.fetchval("SELECT count(*) FROM users") > 0


@pytest.mark.parametrize(
    "parameters",
    [
        'q=name" OR "1=1',
        "q=password_hash=x",
        "q=passwordHash~=%25",
        "q=account.passwordHash~=%25",
        "q=user.name=x",
        "sort=name; DROP TABLE users",
        "sort=passwordHash",
        "groupBy=name) FROM accounts --",
        "groupBy=passwordHash",
        "fields=passwordHash",
        "fields=name, password_hash",
        'fields=name"',
    ],
)
async def test_names_that_are_no_fields_are_refused(mine: Side, parameters: str) -> None:
    answer = await mine.client.get(f"/accounts/users?{parameters}")
    assert (answer.status, answer.code[:6]) == (503, "SYS.10")
    assert "SELECT" not in answer.body["error"]["details"]
