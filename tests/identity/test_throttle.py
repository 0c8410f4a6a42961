"""Failed logins: a growing delay per name and address, the lockout, and equal time for every failure."""

import asyncio
import hashlib
import time
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from app import Answer, Client, Service, running_service
from identity.world import Tenant
from zstack_mgmt.auth.throttle import forget_old, network_of
from zstack_mgmt.config import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = {
    "trusted_proxies": (ip_network("127.0.0.0/8"),),  # so that X-Forwarded-For says where a call comes from
    "login_free_failures": 3,
    "login_lockout_failures": 30,
    "password_time_cost": 2,
    "password_memory_kib": 16 * 1024,
}
HERE, THERE = "203.0.113.1", "203.0.113.2"


async def attempt(anonymous: Client, name: str, password: str, address: str = HERE) -> Answer:
    body = {"logInByAccount": {"accountName": name, "password": password}}
    return await anonymous.call("PUT", "/accounts/login", body, headers={"X-Forwarded-For": address})


async def fail(anonymous: Client, name: str, times: int, address: str = HERE) -> None:
    for _ in range(times):
        assert (await attempt(anonymous, name, "wrong", address)).code == "ID.1000"


async def opens(anonymous: Client, name: str, address: str = HERE) -> bool:
    return (await attempt(anonymous, name, "secret", address)).status == 200


async def pass_time(service: Service, seconds: float) -> None:
    """Make all counters older."""
    await service.db.execute(
        """
        UPDATE login_failures SET last_at = last_at - make_interval(secs => $1),
            blocked_until = blocked_until - make_interval(secs => $1)
        """,
        seconds,
    )


async def delay(service: Service) -> float:
    """Seconds until the latest block ends."""
    sql = (
        "SELECT extract(epoch FROM max(blocked_until) - now())::float FROM login_failures WHERE address <> ''"
    )
    return await service.db.fetchval(sql)


async def test_right_password_waits_after_too_many_failures(anonymous: Client, tenant: Tenant) -> None:
    await fail(anonymous, tenant.name, 2)
    assert await opens(anonymous, tenant.name)
    await fail(anonymous, tenant.name, 3)
    blocked, wrong = [await attempt(anonymous, tenant.name, password) for password in ("secret", "wrong")]
    assert (blocked.status, blocked.body) == (wrong.status, wrong.body)
    assert blocked.code == "ID.1000"


async def test_other_names_and_addresses_are_unaffected(
    anonymous: Client, tenant: Tenant, stranger: Tenant
) -> None:
    await fail(anonymous, tenant.name, 4)
    assert not await opens(anonymous, tenant.name)
    assert await opens(anonymous, tenant.name, THERE)
    assert await opens(anonymous, stranger.name)
    assert (await tenant.client.get("/accounts/users")).status == 200


async def test_delay_doubles_up_to_its_limit(service: Service, tenant: Tenant) -> None:
    await service.db.execute("DELETE FROM login_failures")
    await fail(service.anonymous, tenant.name, 2)
    for expected in (1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300):
        await fail(service.anonymous, tenant.name, 1)
        assert expected - 1 < await delay(service) <= expected
        await pass_time(service, expected)
    assert await opens(service.anonymous, tenant.name)


async def test_blocked_attempts_do_not_prolong_the_block(service: Service, tenant: Tenant) -> None:
    await service.db.execute("DELETE FROM login_failures")
    await fail(service.anonymous, tenant.name, 5)
    # Longer than five attempts take; counted as failures, they would make it 32 s.
    await service.db.execute(
        "UPDATE login_failures SET blocked_until = now() + interval '20 s' WHERE subject <> 'all names'"
    )
    before = await delay(service)
    await fail(service.anonymous, tenant.name, 5)
    assert await delay(service) < before


async def test_success_starts_again_at_zero(service: Service, tenant: Tenant) -> None:
    await fail(service.anonymous, tenant.name, 3)
    await pass_time(service, 2)
    assert await opens(service.anonymous, tenant.name)
    await fail(service.anonymous, tenant.name, 2)
    assert await opens(service.anonymous, tenant.name)


async def test_failures_are_forgotten_in_time(service: Service, tenant: Tenant) -> None:
    await fail(service.anonymous, tenant.name, 3)
    await pass_time(service, 3601)
    await fail(service.anonymous, tenant.name, 2)
    assert await opens(service.anonymous, tenant.name)
    await fail(service.anonymous, tenant.name, 1)
    await pass_time(service, 90_000)
    assert await forget_old(service.db, service.settings, 100) > 0
    assert not await service.db.fetchval("SELECT count(*) FROM login_failures")


async def test_lockout_counts_all_addresses_and_ends(
    service: Service, tenant: Tenant, stranger: Tenant
) -> None:
    for i in range(15):
        await fail(service.anonymous, tenant.name, 2, f"198.51.100.{i}")
    for address in (HERE, THERE):
        assert not await opens(service.anonymous, tenant.name, address)
    assert await opens(service.anonymous, stranger.name)
    await pass_time(service, 901)
    assert await opens(service.anonymous, tenant.name)


async def test_names_that_do_not_exist_are_counted_too(service: Service, fresh: Any) -> None:
    name = fresh("later")
    await fail(service.anonymous, name, 3)
    await service.admin.create("/accounts", name=name, password="secret")
    assert not await opens(service.anonymous, name)


async def test_users_have_counters_of_their_own_whatever_names_their_account(
    service: Service, tenant: Tenant
) -> None:
    user = (await tenant.user()).inventory["name"]

    async def log_in(password: str, **account: str) -> int:
        body = {"logInByUser": {"userName": user, "password": password} | account}
        headers = {"X-Forwarded-For": HERE}
        return (await service.anonymous.call("PUT", "/accounts/users/login", body, headers=headers)).status

    for account in ({"accountUuid": tenant.uuid}, {"accountName": tenant.name}, {"accountUuid": tenant.uuid}):
        assert await log_in("wrong", **account) == 503
    assert await log_in("secret", accountName=tenant.name) == 503
    assert await opens(service.anonymous, tenant.name)
    await pass_time(service, 2)
    assert await log_in("secret", accountName=tenant.name) == 200


async def test_guesses_at_once_are_not_all_free(service: Service, tenant: Tenant) -> None:
    """Of many parallel guesses only the free ones are judged: the right one among the others stays shut."""
    await service.db.execute("DELETE FROM login_failures")
    began = time.monotonic()
    wrong = [attempt(service.anonymous, tenant.name, f"guess-{i}") for i in range(25)]
    late = asyncio.create_task(attempt(service.anonymous, tenant.name, "secret"))
    await asyncio.gather(*wrong)
    await late
    counted = "SELECT max(failures) FROM login_failures WHERE address <> '' AND subject <> 'all names'"
    # The first delays are 1, 2, 4 … s: on a slow machine one of them may end while the guesses are judged.
    assert await service.db.fetchval(counted) <= 3 + (time.monotonic() - began)


async def test_table_tells_no_names(service: Service, tenant: Tenant) -> None:
    await fail(service.anonymous, tenant.name, 1)
    subjects = [row["subject"] for row in await service.db.fetch("SELECT subject FROM login_failures")]
    assert subjects
    assert not any(tenant.name.encode() in subject for subject in subjects)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
async def test_addresses_of_one_client_are_one(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_failures_take_the_same_time(settings: Settings) -> None:
    """Unknown name, wrong password and blocked name: whoever skipped the hashing would be many times faster.

    The hash is made so slow that nothing else matters, and the best of interleaved rounds is compared.
    """
    slow = replace(settings, login_free_failures=1, password_time_cost=12, password_memory_kib=64 * 1024)
    spent: dict[str, list[float]] = {"admin": [], "nobody-at-all": [], "nobody-blocked": []}
    async with running_service(slow) as service:
        await fail(service.anonymous, "nobody-blocked", 4)
        for _ in range(4):
            for name, times in spent.items():
                if name != "nobody-blocked":
                    await service.db.execute("DELETE FROM login_failures WHERE failures < 4")
                began = time.perf_counter()
                await attempt(service.anonymous, name, "wrong")
                times.append(time.perf_counter() - began)
    best = {name: min(times) for name, times in spent.items()}
    assert max(best.values()) < 2 * min(best.values()), best


async def test_spraying_many_names_from_one_address_is_slowed_but_not_for_those_who_belong_there(
    settings: Settings,
) -> None:
    settings = replace(settings, **SETTINGS, login_address_free_failures=10)
    async with running_service(settings) as service:
        for name in ("old", "new"):
            await service.admin.create("/accounts", name=name, password="secret")
        assert await opens(service.anonymous, "old")
        for number in range(12):
            await fail(service.anonymous, f"sprayed-{number}", 1)
        assert await opens(service.anonymous, "old"), "it has logged in from here before"
        assert not await opens(service.anonymous, "new")
        assert await opens(service.anonymous, "new", "198.51.100.1"), "another network is not slowed"


async def test_many_wrong_logins_of_one_address_do_not_delay_another(settings: Settings) -> None:
    settings = replace(settings, **(SETTINGS | {"password_time_cost": 1, "password_memory_kib": 64 * 1024}))
    async with running_service(settings) as service:
        await service.admin.create("/accounts", name="calm", password="secret")
        alone = time.monotonic()
        assert await opens(service.anonymous, "calm", THERE)
        alone = time.monotonic() - alone
        storm = [asyncio.create_task(attempt(service.anonymous, f"n{n}", "wrong")) for n in range(60)]
        await asyncio.sleep(alone)
        beside = time.monotonic()
        assert await opens(service.anonymous, "calm", THERE)
        beside = time.monotonic() - beside
        waiting = sum(not task.done() for task in storm)
        await asyncio.gather(*storm)
        assert waiting > 20, "it was served before those who came first"
        assert beside < 60 * alone


async def test_empty_passwords_are_refused_also_as_a_digest(service: Service) -> None:
    empty = hashlib.sha512(b"").hexdigest()
    for password in ("", empty):
        answer = await service.admin.call(
            "POST", "/accounts", {"params": {"name": "e", "password": password}}
        )
        assert (answer.status, answer.code) == (400, "SYS.1007")
