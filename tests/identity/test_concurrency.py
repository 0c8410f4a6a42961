"""What must hold when many do the same at once."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg
import pytest

from app import Answer, Service
from identity.world import Tenant, allow, uuids
from zstack_mgmt.core.callers import AccountCaller
from zstack_mgmt.core.errors import ApiError
from zstack_mgmt.core.registry import APIS, Call, Hasher
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.identity.sessions.store import insert_session
from zstack_mgmt.process import build_services

pytestmark = pytest.mark.asyncio(loop_scope="module")


def outcomes(answers: list[Answer]) -> list[str]:
    return ["ok" if answer.status == 200 else answer.code for answer in answers]


async def test_one_of_20_users_gets_the_name(tenant: Tenant) -> None:
    body = {"params": {"name": "wanted", "password": "p"}}
    answers = await asyncio.gather(*[tenant.client.job("POST", "/accounts/users", body) for _ in range(20)])
    assert sorted(outcomes(answers)) == ["SYS.1007"] * 19 + ["ok"]
    winner = next(answer.inventory["uuid"] for answer in answers if answer.status == 200)
    assert uuids(await tenant.client.get("/accounts/users")) == {winner}


async def test_one_of_10_accounts_gets_the_name(service: Service, fresh: Any) -> None:
    body = {"params": {"name": fresh("wanted"), "password": "p"}}
    before = await service.db.fetchval("SELECT count(*) FROM quotas")
    answers = await asyncio.gather(*[service.admin.job("POST", "/accounts", body) for _ in range(10)])
    assert sorted(outcomes(answers)) == ["SYS.1007"] * 9 + ["ok"]
    assert await service.db.fetchval("SELECT count(*) FROM quotas") == before + 17


async def test_one_of_10_resources_gets_the_uuid(tenant: Tenant) -> None:
    body = {"params": {"name": "n", "statements": [allow("a")], "resourceUuid": "b" * 12 + "4" + "b" * 19}}
    answers = await asyncio.gather(
        *[tenant.client.job("POST", "/accounts/policies", body) for _ in range(10)]
    )
    assert sorted(outcomes(answers)) == ["SYS.1000"] * 9 + ["ok"]


async def test_memberships_and_bindings_cross_without_harm(service: Service, tenant: Tenant) -> None:
    users = [await tenant.user(bare=True) for _ in range(4)]
    groups = [await tenant.group() for _ in range(3)]
    policy = await tenant.policy(allow(".*"))
    calls = [
        tenant.client.job(
            "POST", f"/accounts/groups/{group['uuid']}/users", {"params": {"userUuid": user.uuid}}
        )
        for group in groups
        for user in users
        for _ in range(2)
    ]
    calls += [
        tenant.client.job("POST", f"/accounts/users/{user.uuid}/policies", {"params": {"policyUuid": policy}})
        for user in users
        for _ in range(3)
    ]
    assert set(outcomes(await asyncio.gather(*calls))) == {"ok"}
    rows = (
        "SELECT count(*) FROM group_members m JOIN users u ON u.uuid = m.user_uuid WHERE u.account_uuid = $1"
    )
    assert await service.db.fetchval(rows, tenant.uuid) == 12


async def test_account_that_is_deleted_leaves_no_orphans(service: Service, tenant: Tenant) -> None:
    makes = [tenant.client.job("POST", "/accounts/groups", {"params": {"name": f"g{i}"}}) for i in range(30)]
    deletion = service.admin.job("DELETE", f"/accounts/{tenant.uuid}")
    *made, gone = await asyncio.gather(*makes, deletion)
    assert gone.status == 200, gone
    # ID.1002: accepted before the deletion and run after it, with rights that are gone.
    assert set(outcomes(made)) <= {"ok", "SYS.1003", "ID.1001", "ID.1002"}, outcomes(made)
    for table, column in (("user_groups", "account_uuid"), ("resource_owners", "account_uuid")):
        sql = f"SELECT count(*) FROM {table} WHERE {column} = $1"
        assert await service.db.fetchval(sql, tenant.uuid) == 0
    orphans = """
        SELECT count(*) FROM resources r WHERE r.resource_type = 'UserGroupVO'
        AND NOT EXISTS (SELECT FROM user_groups g WHERE g.uuid = r.uuid)
    """
    assert await service.db.fetchval(orphans) == 0


async def test_share_and_change_of_owner_do_not_leave_a_share_of_the_old_owner(
    service: Service, tenant: Tenant, stranger: Tenant, new_tenant: Any
) -> None:
    third = await new_tenant()
    for _ in range(5):
        policy = await tenant.policy(allow("a"))
        share = {"shareResource": {"resourceUuids": [policy], "accountUuids": [third.uuid]}}
        give = {"params": {"resourceUuid": policy}}
        await asyncio.gather(
            tenant.client.job("PUT", "/accounts/resources/actions", share),
            service.admin.job("POST", f"/account/{stranger.uuid}/resources", give),
        )
        rows = "SELECT count(*) FROM resource_shares WHERE resource_uuid = $1"
        assert await service.db.fetchval(rows, policy) == 0


async def test_deletion_waits_for_what_is_being_made_for_the_account(
    service: Service, tenant: Tenant
) -> None:
    """A group is written and not committed when the deletion starts, which must neither fail nor leave it."""
    group = new_uuid()
    transaction = service.db.transaction()
    await transaction.start()
    try:
        await service.db.execute(
            "INSERT INTO user_groups (uuid, account_uuid, name) VALUES ($1, $2, 'late')", group, tenant.uuid
        )
        await service.db.execute(
            """
            INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
            VALUES ($1, 'UserGroupVO', $2)
            """,
            group,
            tenant.uuid,
        )
        deletion = asyncio.create_task(service.admin.job("DELETE", f"/accounts/{tenant.uuid}"))
        await asyncio.sleep(0.3)
        assert not deletion.done()
    finally:
        await transaction.commit()
    assert (await deletion).status == 200
    assert not await service.db.fetchval("SELECT count(*) FROM resources WHERE uuid = $1", group)


async def test_doors_that_share_a_login_share_its_limit(service: Service, tenant: Tenant) -> None:
    """Logins of one user through different doors have no lock in common but that of the sessions."""

    async def open_one(number: int) -> bool:
        conn = await asyncpg.connect(service.settings.database_url)
        try:
            async with conn.transaction():
                row = await insert_session(conn, bytes([number]) * 32, tenant.uuid, tenant.uuid, 60, 3)
                await asyncio.sleep(0.02)
                return row is not None
        finally:
            await conn.close()

    assert sum(await asyncio.gather(*[open_one(number) for number in range(8)])) == 2


@dataclass
class SlowHasher:
    """Checks passwords with another, once it is let."""

    hasher: Hasher
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    let: asyncio.Event = field(default_factory=asyncio.Event)

    async def hash(self, password: str) -> str:
        return await self.hasher.hash(password)

    async def verify(self, stored: str | None, password: str, client: str = "") -> bool:
        self.asked.set()
        await self.let.wait()
        return await self.hasher.verify(stored, password, client)


@pytest.mark.parametrize("meanwhile", ["nothing", "another password"])
@pytest.mark.parametrize("kind", ["user", "account"])
async def test_nobody_waits_while_an_old_password_is_checked(
    service: Service, tenant: Tenant, kind: str, meanwhile: str
) -> None:
    services = build_services(service.settings)
    slow = SlowHasher(services.hasher)
    uuid = (await tenant.user(bare=True)).uuid if kind == "user" else tenant.uuid
    table = f"{kind}s"
    await service.db.execute(
        f"UPDATE {table} SET password_hash = $2 WHERE uuid = $1",
        uuid,
        await slow.hash("old"),
    )
    call = Call(AccountCaller(tenant.uuid, False), replace(services, hasher=slow))
    old = services.sealer.seal("old", "old_password")
    api = APIS["UpdateUser" if kind == "user" else "UpdateAccount"]
    request = api.request.model_construct(uuid=uuid, old_password=old, description="changed")
    conn = await asyncpg.connect(service.settings.database_url)
    try:
        async with conn.transaction():
            change = asyncio.ensure_future(api.handler(call, conn, request))
            await slow.asked.wait()
            await service.db.execute(f"SELECT FROM {table} WHERE uuid = $1 FOR UPDATE NOWAIT", uuid)
            if meanwhile != "nothing":
                await service.db.execute(
                    f"UPDATE {table} SET password_hash = 'x' WHERE uuid = $1",
                    uuid,
                )
            slow.let.set()
            if meanwhile == "nothing":
                assert (await change).description == "changed"
            else:
                with pytest.raises(ApiError, match="old password"):
                    await change
    finally:
        await conn.close()
