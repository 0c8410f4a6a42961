"""Tags of resources, and tags that are attached to many."""

from typing import Any

import pytest

from app import Client, Service

NOBODY = "0123456789ab4cde8123456789abcdef"


async def found(client: Client, path: str, *conditions: str) -> list[str]:
    answer = await client.get(path, params=[("q", condition) for condition in conditions])
    return sorted(one["tag"] for one in answer.body["inventories"])


async def tagged(client: Client, uuid: str, tag: str, kind: str = "UserVO", path: str = "/user-tags") -> Any:
    params = {"resourceType": kind, "resourceUuid": uuid, "tag": tag}
    return await client.job("POST", path, {"params": params})


async def test_tags_of_a_creation_are_found_and_go_with_their_resource(service: Service) -> None:
    body = {"params": {"name": "z"}, "userTags": ["rack::7"], "systemTags": ["site::east", "ephemeral::x"]}
    zone = (await service.admin.job("POST", "/zones", body)).inventory
    assert await found(service.admin, "/user-tags", f"resourceUuid={zone['uuid']}") == ["rack::7"]
    assert await found(service.admin, "/system-tags", "resourceType=ZoneVO") == ["site::east"]
    zones = await service.admin.get("/zones?q=__userTag__=rack::7&q=__systemTag__~=site::%")
    assert [one["uuid"] for one in zones.body["inventories"]] == [zone["uuid"]]
    await service.admin.job("DELETE", f"/zones/{zone['uuid']}")
    assert await found(service.admin, "/user-tags", "tag=rack::7") == []


async def test_a_tag_is_made_changed_and_taken_off(service: Service) -> None:
    _, tenant = await service.account("tenant")
    user = await tenant.create("/accounts/users", name="u", password="x")
    made = (await tagged(tenant, user["uuid"], "team::red")).inventory
    assert (made["type"], made["resourceType"], made["tag"]) == ("User", "UserVO", "team::red")
    path = f"/user-tags/{made['uuid']}"
    changed = await tenant.job("PUT", f"{path}/actions", {"updateUserTag": {"tag": "team::blue"}})
    assert changed.inventory["tag"] == "team::blue"
    assert (await tenant.get("/accounts/users?q=__userTag__=TEAM::blue")).body["inventories"]
    system = (await tagged(tenant, user["uuid"], "s::1", path="/system-tags")).inventory
    assert system["inherent"] is False
    path = f"/system-tags/{system['uuid']}"
    body = {"updateSystemTag": {"tag": "s::2"}}
    assert (await tenant.job("PUT", f"{path}/actions", body)).inventory["tag"] == "s::2"
    for uuid in (made["uuid"], system["uuid"], system["uuid"]):
        assert (await tenant.job("DELETE", f"/tags/{uuid}")).status == 200
    assert await service.db.fetchval("SELECT count(*) FROM tags WHERE resource_uuid = $1", user["uuid"]) == 0


async def test_tags_of_others_are_as_if_absent(service: Service) -> None:
    _, one = await service.account("one")
    _, two = await service.account("two")
    user = await one.create("/accounts/users", name="u", password="x")
    tag = (await tagged(one, user["uuid"], "mine")).inventory
    pattern = await one.create("/tags", name="p", value="v")
    assert await found(two, "/user-tags") == []
    assert (await two.get(f"/user-tags/{tag['uuid']}")).body["inventories"] == []
    assert (await two.get("/tags")).body["inventories"] == []
    assert (await tagged(two, user["uuid"], "theirs")).code == "SYS.1003"
    body = {"updateUserTag": {"tag": "theirs"}}
    assert (await two.job("PUT", f"/user-tags/{tag['uuid']}/actions", body)).code == "SYS.1003"
    await two.job("DELETE", f"/tags/{tag['uuid']}")
    await two.job("DELETE", f"/tags/{pattern['uuid']}")
    attach = {"params": {"resourceUuids": [user["uuid"]]}}
    assert (await two.job("POST", f"/tags/{pattern['uuid']}/resources", attach)).code == "SYS.1003"
    assert await found(one, "/user-tags") == ["mine"]
    assert len((await one.get("/tags")).body["inventories"]) == 1
    assert (await tagged(one, (await service.admin.create("/zones", name="z"))["uuid"], "t", "ZoneVO")).code


async def test_a_tag_with_tokens_is_attached_to_many_and_goes_with_its_pattern(service: Service) -> None:
    _, tenant = await service.account("tenant")
    users = [
        (await tenant.create("/accounts/users", name=name, password="x"))["uuid"] for name in ("a", "b", "c")
    ]
    pattern = await tenant.create("/tags", name="tier", value="tier::{level}", type="withToken")
    path = f"/tags/{pattern['uuid']}/resources"
    params = {"resourceUuids": [*users[:2], NOBODY], "tokens": {"level": "gold"}}
    headers = {"X-JSON-Schema": "true"}
    answer = await tenant.job("POST", path, {"params": params}, headers=headers)
    results = answer.body["results"]
    assert [result["success"] for result in results] == [True, True, False]
    assert results[0]["inventory"]["tagPatternUuid"] == pattern["uuid"]
    assert results[2]["error"]["code"] == "SYS.1003"
    assert await found(tenant, "/user-tags", f"tagPatternUuid={pattern['uuid']}") == ["tier::gold"] * 2
    assert await found(tenant, "/user-tags", "tagPattern.name=tier") == ["tier::gold"] * 2
    again = (await tenant.job("POST", path, {"params": params})).body["results"]
    assert again[0]["inventory"]["uuid"] == results[0]["inventory"]["uuid"]
    await tenant.job("DELETE", f"{path}?resourceUuids={users[0]}&resourceUuids={users[2]}")
    assert await found(tenant, "/user-tags") == ["tier::gold"]
    assert (await tenant.job("DELETE", f"/tags/{pattern['uuid']}")).status == 200
    assert await found(tenant, "/user-tags") == []


async def test_attached_tags_follow_the_value_of_a_simple_one(service: Service) -> None:
    zone = await service.admin.create("/zones", name="z")
    pattern = await service.admin.create("/tags", name="n", value="old")
    attach = {"params": {"resourceUuids": [zone["uuid"]]}}
    await service.admin.job("POST", f"/tags/{pattern['uuid']}/resources", attach)
    await tagged(service.admin, zone["uuid"], "new", "ZoneVO")
    changed = await service.admin.job(
        "PUT", f"/tags/{pattern['uuid']}/actions", {"updateTag": {"value": "new"}}
    )
    assert changed.inventory["value"] == "new"
    assert await found(service.admin, "/user-tags") == ["new"]


@pytest.mark.provokes("CreateUserTag", "InvalidArgument")
@pytest.mark.provokes("CreateSystemTag", "InvalidArgument")
@pytest.mark.provokes("UpdateUserTag", "InvalidArgument")
@pytest.mark.provokes("UpdateSystemTag", "InvalidArgument")
@pytest.mark.provokes("AttachTagToResources", "InvalidArgument")
async def test_tags_that_are_refused(service: Service) -> None:
    zone = (await service.admin.create("/zones", name="z"))["uuid"]
    for path, action in (("/user-tags", "updateUserTag"), ("/system-tags", "updateSystemTag")):
        first = (await tagged(service.admin, zone, "a", "ZoneVO", path)).inventory
        await tagged(service.admin, zone, "b", "ZoneVO", path)
        assert (await tagged(service.admin, zone, "a", "ZoneVO", path)).code == "SYS.1007"
        assert (await tagged(service.admin, zone, "c", "VmInstanceVO", path)).code == "SYS.1007"
        twin = await service.admin.job("PUT", f"{path}/{first['uuid']}/actions", {action: {"tag": "b"}})
        assert twin.code == "SYS.1007"
    assert (await tagged(service.admin, zone, "ephemeral::x", "ZoneVO", "/system-tags")).code == "SYS.1007"
    body = {"updateSystemTag": {"tag": "ephemeral::x"}}
    assert (await service.admin.job("PUT", f"/system-tags/{NOBODY}/actions", body)).code == "SYS.1007"
    pattern = await service.admin.create("/tags", name="p", value="{a}-{b}", type="withToken")
    params = {"resourceUuids": [zone], "tokens": {"a": "1"}}
    answer = await service.admin.job("POST", f"/tags/{pattern['uuid']}/resources", {"params": params})
    assert answer.code == "SYS.1007"
    assert "'b'" in answer.body["error"]["details"]


async def test_what_tags_take_of_the_quota_of_text(service: Service) -> None:
    account, tenant = await service.account("tenant")
    user = await tenant.create("/accounts/users", name="u", password="x")
    used = "SELECT used FROM quotas WHERE identity_uuid = $1 AND name = 'text.size'"
    before = await service.db.fetchval(used, account["uuid"])
    tag = (await tagged(tenant, user["uuid"], "12345")).inventory
    assert await service.db.fetchval(used, account["uuid"]) == before + 5
    body = {"updateUserTag": {"tag": "123"}}
    await tenant.job("PUT", f"/user-tags/{tag['uuid']}/actions", body)
    pattern = await tenant.create("/tags", name="n", value="vv")
    assert await service.db.fetchval(used, account["uuid"]) == before + 3 + 3
    await tenant.job("PUT", f"/tags/{pattern['uuid']}/actions", {"updateTag": {"value": "v"}})
    assert await service.db.fetchval(used, account["uuid"]) == before + 3 + 2
    await tenant.job("DELETE", f"/tags/{pattern['uuid']}")
    await tenant.job("DELETE", f"/tags/{tag['uuid']}")
    assert await service.db.fetchval(used, account["uuid"]) == before


async def test_a_pattern_does_not_write_on_what_is_another_accounts_now(service: Service) -> None:
    _, one = await service.account("one")
    receiver, two = await service.account("two")

    async def give(uuid: str) -> None:
        body = {"params": {"resourceUuid": uuid}}
        assert (await service.admin.job("POST", f"/account/{receiver['uuid']}/resources", body)).status == 200

    given, kept, pattern, moving = [await one.create("/tags", name=n, value=f"v-{n}") for n in "gkpm"]
    for tag in (pattern, moving):
        body = {"params": {"resourceUuids": [given["uuid"], kept["uuid"]]}}
        await one.job("POST", f"/tags/{tag['uuid']}/resources", body)
    await give(given["uuid"])
    own = (await tagged(two, given["uuid"], "own", kind="TagPatternVO")).inventory
    await one.job("PUT", f"/tags/{pattern['uuid']}/actions", {"updateTag": {"value": "own"}})
    assert (await two.get(f"/user-tags/{own['uuid']}")).body["inventories"]
    assert await found(two, "/user-tags") == ["own", "v-m", "v-p"]
    await one.job("DELETE", f"/tags/{pattern['uuid']}")
    assert await found(two, "/user-tags") == ["own", "v-m", "v-p"]
    await give(moving["uuid"])
    await two.job("PUT", f"/tags/{moving['uuid']}/actions", {"updateTag": {"value": "by two"}})
    assert await found(one, "/user-tags") == ["v-m"]


@pytest.mark.parametrize("token", ["", "x" * 255])
async def test_tokens_make_no_tag_that_could_not_be_created(service: Service, token: str) -> None:
    pattern = await service.admin.create("/tags", name="p", value="{a}" * 42, type="withToken")
    body = {"params": {"resourceUuids": [pattern["uuid"]], "tokens": {"a": token}}}
    refused = await service.admin.job("POST", f"/tags/{pattern['uuid']}/resources", body)
    assert refused.code == "SYS.1007", refused
