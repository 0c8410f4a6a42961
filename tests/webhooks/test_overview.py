"""Receivers and deliveries at a glance, and the webhook that tries a receiver out."""

from app import Client, Service


async def hook(client: Client, url: str) -> str:
    accepted = await client.call(
        "POST", "/webhooks/tests", {"params": {}}, headers={"X-Web-Hook": url, "Prefer": "wait=5"}
    )
    assert accepted.body == {"test": True}
    return accepted.headers["X-Job-UUID"]


async def test_an_account_sees_its_own_receivers_and_deliveries(service: Service) -> None:
    account, tenant = await service.account("hooked")
    _, other = await service.account("unhooked")
    url = "http://127.0.0.1:9/hook"
    jobs = [await hook(tenant, url) for _ in range(3)]
    await hook(other, "http://127.0.0.1:9/other")
    (receiver,) = (await tenant.get("/webhooks/receivers")).body["inventories"]
    assert (receiver["receiver"], receiver["accountUuid"]) == ("http://127.0.0.1:9", account["uuid"])
    assert receiver["pending"] == 3
    first = (await tenant.get("/webhooks/deliveries?limit=2")).body["inventories"]
    last = (await tenant.get(f"/webhooks/deliveries?limit=2&before={first[-1]['id']}")).body["inventories"]
    assert [row["jobUuid"] for row in first + last] == jobs[::-1]
    assert (await tenant.get("/webhooks/deliveries?state=dead")).body["inventories"] == []
    assert len((await service.admin.get("/webhooks/deliveries")).body["inventories"]) == 4
    assert {
        r["accountUuid"] for r in (await service.admin.get("/webhooks/receivers")).body["inventories"]
    } > {account["uuid"]}


async def test_deliveries_are_listed_since_a_time_and_of_one_account(service: Service) -> None:
    account, tenant = await service.account("hooked")
    other, _ = await service.account("unhooked")
    url = "http://127.0.0.1:9/hook"
    old, new = await hook(tenant, url), await hook(tenant, url)
    mine = await hook(service.admin, url)
    await service.db.execute(
        "UPDATE webhook_deliveries SET created_at = '2026-01-31T12:00:00Z' WHERE job_uuid = $1", old
    )

    async def listed(client: Client, **params: str) -> set[str]:
        answer = await client.get("/webhooks/deliveries", params=params)
        return {row["jobUuid"] for row in answer.body["inventories"]}

    assert await listed(tenant, since="2026-01-31T20:00:00+08:00") == {old, new}
    assert await listed(tenant, since="2026-01-31 12:00:01") == {new}
    assert await listed(tenant, since="2026-01-31 12:00:01", state="dead") == set()
    assert await listed(tenant, since="2026-01-31 12:00:01", receiver="http://127.0.0.1:9") == {new}
    assert await listed(tenant, accountUuid=account["uuid"]) == {old, new}
    assert await listed(service.admin, since="2026-01-31 12:00:01") == {new, mine}
    assert await listed(service.admin, accountUuid=account["uuid"]) == {old, new}
    assert await listed(service.admin, accountUuid=other["uuid"]) == set()
    wrong = await tenant.get("/webhooks/deliveries?since=yesterday at noon")
    assert (wrong.status, wrong.code) == (400, "SYS.1007")
    refused = await tenant.get(f"/webhooks/deliveries?accountUuid={other['uuid']}")
    assert (refused.status, refused.code) == (503, "ID.1002")


async def test_failed_deliveries_of_an_account_or_of_all_are_sent_again(service: Service) -> None:
    accounts = [await service.account(name) for name in ("one", "two")]
    clients = [client for _, client in accounts] + [service.admin]
    uuids = [account["uuid"] for account, _ in accounts]
    since = {"since": "2020-01-01T00:00:00Z"}
    for client in clients:
        await hook(client, "http://127.0.0.1:9/hook")

    async def fail_all() -> None:
        await service.db.execute(
            "UPDATE webhook_deliveries SET state = 'dead', epoch = epoch + 1, owner = NULL"
        )

    async def again(client: Client, **params: object) -> int:
        await fail_all()
        answer = await client.call("POST", "/webhooks/redeliveries", {"params": since | params})
        assert answer.status == 200, answer
        left = await service.db.fetchval("SELECT count(*) FROM webhook_deliveries WHERE state = 'dead'")
        assert left + answer.body["redelivered"] == len(clients)
        return answer.body["redelivered"]

    assert await again(clients[0]) == 1
    assert await again(clients[0], accountUuid=uuids[0]) == 1
    assert await again(service.admin) == 1
    assert await again(service.admin, accountUuid=uuids[1]) == 1
    states = dict(await service.db.fetch("SELECT account_uuid, state FROM webhook_deliveries"))
    assert [uuid for uuid, state in states.items() if state != "dead"] == [uuids[1]]
    assert await again(service.admin, allAccounts=True) == 3
    assert await again(service.admin, allAccounts=True, receiver="http://elsewhere.example") == 0


async def test_only_administrators_send_again_for_others(service: Service) -> None:
    account, tenant = await service.account("hooked")
    other, stranger = await service.account("stranger")
    since = {"since": "2020-01-01T00:00:00Z"}
    await hook(tenant, "http://127.0.0.1:9/hook")
    await service.db.execute("UPDATE webhook_deliveries SET state = 'dead', epoch = epoch + 1, owner = NULL")
    for more in ({"accountUuid": account["uuid"]}, {"allAccounts": True}):
        refused = await stranger.call("POST", "/webhooks/redeliveries", {"params": since | more})
        assert (refused.status, refused.code) == (503, "ID.1002")
    both = since | {"accountUuid": other["uuid"], "allAccounts": True}
    answer = await service.admin.call("POST", "/webhooks/redeliveries", {"params": both})
    assert (answer.status, answer.code) == (400, "SYS.1007")
    assert await service.db.fetchval("SELECT count(*) FROM webhook_deliveries WHERE state = 'dead'") == 1
