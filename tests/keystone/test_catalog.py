"""The catalog: other services, their endpoints and regions, written by administrators, read by tokens."""

from typing import Any

import pytest

from app import Service
from keystone.talking import Keystone, Person
from zstack_mgmt.identity.catalog.model import MAX_ENDPOINTS, MAX_REGIONS, MAX_SERVICES

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def of_catalog(person: Person, service: str) -> Any:
    """The service in the catalog of the person's token, or None."""
    found = (await person.get("auth/catalog"))["catalog"]
    return next((one for one in found if one["id"] == service), None)


async def test_a_service_is_shown_to_tokens(admin: Person, keystone: Keystone) -> None:
    service = await admin.make("service", type="compute", name="nova", description="VMs", colour="red")
    assert (service["enabled"], service["colour"]) == (True, "red")
    url = "http://nova.example.org/v2.1/$(project_id)s/%(user_id)s"
    made = await admin.make("endpoint", service_id=service["id"], interface="public", url=url, region="Two")
    assert (made["region"], made["region_id"], made["url"]) == ("Two", "Two", url)
    assert (await admin.get("regions/Two"))["region"]["description"] == ""
    project = admin.token["project"]["id"]
    (shown,) = (await of_catalog(admin, service["id"]))["endpoints"]
    assert shown["url"] == f"http://nova.example.org/v2.1/{project}/{admin.id}"
    validated = await keystone.call("GET", "auth/tokens", token=admin.secret, subject=admin.secret)
    assert service["id"] in [one["id"] for one in validated.body["token"]["catalog"]]
    domain = await keystone.log_in("admin", "password", {"domain": {"id": "default"}})
    assert await of_catalog(domain, service["id"]) is None
    for path, noun in (("endpoints", made["id"]), ("services", service["id"])):
        for enabled in (False, True):
            body = {path.removesuffix("s"): {"enabled": enabled}}
            assert (await admin.call("PATCH", f"{path}/{noun}", body)).status == 200
            assert (await of_catalog(admin, service["id"]) is not None) == enabled
    changed = {"endpoint": {"interface": "internal", "region_id": "RegionOne", "url": "https://x:1/"}}
    answer = await admin.call("PATCH", f"endpoints/{made['id']}", changed)
    shown = answer.body["endpoint"]
    assert (shown["region"], shown["interface"], shown["url"]) == ("RegionOne", "internal", "https://x:1/")
    values = {"type": "other", "name": "n", "colour": "blue", "size": 1}
    answer = await admin.call("PATCH", f"services/{service['id']}", {"service": values})
    assert values.items() <= answer.body["service"].items()
    assert (await admin.get("services?name=n"))["services"] == [answer.body["service"]]
    for query in (f"service_id={service['id']}", "interface=internal&region_id=RegionOne"):
        assert made["id"] in [one["id"] for one in (await admin.get(f"endpoints?{query}"))["endpoints"]]
    assert (await admin.call("DELETE", f"services/{service['id']}")).status == 204
    assert (await admin.call("GET", f"endpoints/{made['id']}")).status == 404


async def test_this_service_itself_cannot_be_changed(admin: Person) -> None:
    (service,) = (await admin.get("services?type=identity"))["services"]
    endpoints = (await admin.get(f"endpoints?service_id={service['id']}"))["endpoints"]
    for path in (f"services/{service['id']}", *(f"endpoints/{one['id']}" for one in endpoints)):
        body = {path.split("s/")[0]: {"enabled": False}}
        assert (await admin.call("PATCH", path, body)).status == 403
        assert (await admin.call("DELETE", path)).status == 403
    more = {"endpoint": {"service_id": service["id"], "interface": "public", "url": "http://x"}}
    assert (await admin.call("POST", "endpoints", more)).status == 403
    assert (await admin.call("DELETE", "regions/RegionOne")).status == 403
    described = await admin.call("PATCH", "regions/RegionOne", {"region": {"description": "here"}})
    assert described.body["region"]["description"] == "here"
    assert (await admin.call("DELETE", "regions/RegionOne")).status == 403
    assert (await admin.call("POST", "regions", {"region": {"id": "RegionOne"}})).status == 409


async def test_regions_inside_regions(admin: Person) -> None:
    put = await admin.call("PUT", "regions/north.1", {"region": {"description": "d", "climate": "cold"}})
    assert (put.status, put.body["region"]["climate"]) == (201, "cold")
    assert (await admin.call("PUT", "regions/north.1", {"region": {"description": "d"}})).status == 409
    inner = await admin.make("region", id="inner", parent_region_id="north.1")
    assert (await admin.get("regions?parent_region_id=north.1"))["regions"] == [inner]
    around = {"region": {"parent_region_id": "inner"}}
    assert (await admin.call("PATCH", "regions/north.1", around)).status == 403
    service = await admin.make("service", type="compute")
    made = await admin.make(
        "endpoint", service_id=service["id"], interface="admin", url="http://x", region_id="inner"
    )
    assert (await admin.call("DELETE", "regions/north.1")).status == 403
    assert (await admin.call("DELETE", f"endpoints/{made['id']}")).status == 204
    assert (await admin.call("DELETE", "regions/north.1")).status == 204
    assert (await admin.call("GET", "regions/inner")).status == 404


async def test_limits_of_other_services(admin: Person) -> None:
    service, region = await admin.make("service", type="compute"), await admin.make("region", id="far")
    limit = {"service_id": service["id"], "region_id": "far", "resource_name": "cores", "default_limit": 1}
    made = await admin.call("POST", "registered_limits", {"registered_limits": [limit]})
    assert made.status == 201, made
    for path in (f"services/{service['id']}", f"regions/{region['id']}"):
        assert (await admin.call("DELETE", path)).status == 403
    registered = made.body["registered_limits"][0]["id"]
    for wrong in ({"service_id": "0" * 32}, {"region_id": "nowhere"}):
        body = {"registered_limit": wrong}
        assert (await admin.call("PATCH", f"registered_limits/{registered}", body)).status == 400
    assert (await admin.call("DELETE", f"registered_limits/{registered}")).status == 204
    for path in (f"services/{service['id']}", f"regions/{region['id']}"):
        assert (await admin.call("DELETE", path)).status == 204
        assert (await admin.call("DELETE", path)).status == 404


@pytest.mark.parametrize(
    ("noun", "bad"),
    [
        ("service", {}),
        ("service", {"name": "x"}),
        ("service", {"type": ""}),
        ("service", {"type": "x", "enabled": "true"}),
        ("endpoint", {"interface": "public", "url": "http://x"}),
        ("endpoint", {"interface": "public", "url": "http://x", "service_id": "0" * 32}),
        ("endpoint", {"interface": "outer", "url": "http://x", "service_id": "SERVICE"}),
        ("endpoint", {"interface": "public", "url": "nowhere", "service_id": "SERVICE"}),
        ("endpoint", {"interface": "public", "url": "http://x/$(shell)s", "service_id": "SERVICE"}),
        ("endpoint", {"interface": "public", "url": "http://x", "service_id": "SERVICE", "region_id": "no"}),
        ("endpoint", {"interface": "public", "url": "http://x", "service_id": "SERVICE", "enabled": 1}),
        ("region", {"id": "a b"}),
        ("region", {"id": "x" * 256}),
        ("region", {"id": "x", "parent_region_id": "no"}),
    ],
)
async def test_what_is_refused(admin: Person, noun: str, bad: dict[str, Any]) -> None:
    service = await admin.make("service", type="compute")
    sent = {name: service["id"] if value == "SERVICE" else value for name, value in bad.items()}
    before = [await admin.get(path) for path in ("endpoints", "regions")]
    assert (await admin.call("POST", f"{noun}s", {noun: sent})).status == 400
    assert [await admin.get(path) for path in ("endpoints", "regions")] == before


async def test_the_catalog_has_an_end(admin: Person, service: Service) -> None:
    made = await admin.make("service", type="compute")
    await service.db.execute(
        "INSERT INTO catalog_services (uuid, type, enabled) SELECT md5(n::text), 'x', true "
        "FROM generate_series(1, $1::int) n",
        MAX_SERVICES,
    )
    await service.db.execute(
        "INSERT INTO catalog_regions (id) SELECT 'r' || n FROM generate_series(1, $1::int) n", MAX_REGIONS
    )
    await service.db.execute(
        "INSERT INTO catalog_endpoints (uuid, service_uuid, interface, url, enabled) "
        "SELECT md5('e' || n), $2, 'public', 'http://x', true FROM generate_series(1, $1::int) n",
        MAX_ENDPOINTS,
        made["id"],
    )
    endpoint = {"service_id": made["id"], "interface": "public", "url": "http://x"}
    assert (await admin.call("POST", "services", {"service": {"type": "x"}})).status == 403
    assert (await admin.call("POST", "regions", {"region": {"id": "one-more"}})).status == 403
    assert (await admin.call("POST", "endpoints", {"endpoint": endpoint})).status == 403
    named = {"endpoint": {"region": "made-by-name"}}
    assert (await admin.call("PATCH", f"endpoints/{'0' * 32}", named)).status == 404
