"""No silent success: a parameter on which nothing acts is refused or named."""

from typing import Any

import pytest

from app import Answer, Client, Service
from compute.world import build
from zstack_mgmt.core.errors import BadRequest
from zstack_mgmt.core.registry import APIS, Api
from zstack_mgmt.features import load
from zstack_mgmt.unheeded import UNDONE, header_of, unheeded

load()
SHOWN = "X-Ignored-Parameters"
DECLARED = sorted(APIS.values(), key=lambda declared: declared.name)
DOCUMENTED = [(name, parameter) for name, parameters in UNDONE.items() for parameter in parameters]


@pytest.mark.parametrize(("name", "parameter"), DOCUMENTED)
def test_what_is_documented_and_not_done_is_refused(name: str, parameter: str) -> None:
    declared, harmless = APIS[name], UNDONE[name][parameter]
    assert parameter not in declared.known, "it is declared, so it must not be in the list"
    for nothing in (None, "", 0, [], {}, *(harmless or ())):
        assert unheeded(declared, {parameter: nothing}) in ((), (parameter,))
    if harmless is None:
        assert unheeded(declared, {parameter: "anything"}) == (parameter,)
        return
    for value in ("else", ["else"], {"else": 1}, 7, *(() if True in harmless else (True,))):
        with pytest.raises(BadRequest, match=repr(parameter)):
            unheeded(declared, {parameter: value})


def test_false_asks_for_something_where_true_is_the_default() -> None:
    assert unheeded(APIS["AddImage"], {"virtio": "True"}) == ()
    for value in (False, "false"):
        with pytest.raises(BadRequest, match=r"'virtio'.*but for 'true'"):
            unheeded(APIS["AddImage"], {"virtio": value})


@pytest.mark.parametrize("declared", DECLARED, ids=lambda declared: declared.name)
def test_what_nobody_documents_is_named(declared: Api) -> None:
    if declared.query is not None:
        pairs = [("q", "name=x"), ("limit", "1"), ("nobodys", "1"), ("uuid", "1")]
        assert unheeded(declared, {"parameters": pairs, "uuid": None}) == ("nobodys", "uuid")
        assert unheeded(declared, {"parameters": pairs, "uuid": "1"}) == ("nobodys",)
        return
    known = dict.fromkeys(declared.known - {"systemTags", "userTags"}, "x")
    known = {name: value for name, value in known.items() if not name.endswith("SystemTags")}
    assert unheeded(declared, known) == ()
    assert unheeded(declared, known | {"nobodys": None, "aToo": 1}) == ("aToo", "nobodys")
    assert unheeded(declared, {"systemTags": ["ephemeral::validationOnly", "a::b"]}) == ("systemTags[1]",)
    assert unheeded(declared, {"userTags": ["a"]}) == (() if declared.creates else ("userTags",))


def test_tags_with_an_effect_are_not_named() -> None:
    tags = {"systemTags": ["staticIp::x::y", "hostname::z", "x"], "rootVolumeSystemTags": ["a"]}
    assert unheeded(APIS["CreateVmInstance"], tags) == ("rootVolumeSystemTags[0]", "systemTags[2]")
    assert unheeded(APIS["AddLdapServer"], {"systemTags": ["ldapServerType::OpenLdap"]}) == ()


def test_the_header_is_short_and_holds_no_odd_characters() -> None:
    named = header_of(tuple(f"n{i}\r\nX: ü\0" * 99 for i in range(50)))
    assert len(named) < 2000
    assert named.endswith(", ...")
    assert named.isascii()
    assert named.isprintable()
    assert named.count(", ") == 20


async def both(service: Service, api: str, path: str, params: dict[str, Any]) -> tuple[Answer, Answer]:
    """The call through REST and through the message door."""
    rest = await service.admin.call("POST", path, {"params": params})
    java = APIS[api].java_class
    door = Client(service.admin.http, service.admin.base.removesuffix("/v1"))
    message = await door.call("POST", "/api", {java: params | {"session": {"uuid": service.admin.token}}})
    return rest, message


async def test_every_door_refuses_and_names(service: Service) -> None:
    world = await build(service)
    l3 = {"name": "l3", "l2NetworkUuid": world.l2}
    rest, message = await both(service, "CreateL3Network", "/l3-networks", l3 | {"ipVersion": 6})
    assert rest.status == 400
    assert "'ipVersion'" in rest.body["error"]["details"]
    assert "'ipVersion'" in message.body["result"]
    assert SHOWN not in rest.headers
    named = l3 | {"ipVersion": 4, "odd name": 1, "systemTags": ["x"]}
    for answer in await both(service, "CreateL3Network", "/l3-networks", named):
        assert answer.headers[SHOWN] == "odd?name, systemTags[0]"
    for answer in await both(service, "CreateZone", "/zones", {"name": "z"}):
        assert SHOWN not in answer.headers


async def test_query_strings_and_what_is_beside_the_wrapper(service: Service) -> None:
    admin = service.admin
    zone = (await admin.create("/zones", name="z"))["uuid"]
    found = await admin.get("/zones", params={"uuid": zone, "q": "name=z", "limt": "1"})
    assert (found.status, found.headers[SHOWN]) == (200, "limt, uuid")
    assert SHOWN not in (await admin.get(f"/zones/{zone}", params={"uuid": zone})).headers
    large = await admin.get("/zones", params={"limit": "5", "x": "1"})
    assert large.headers[SHOWN] == "x"
    body = {"updateZone": {"name": "y"}, "systemTags": ["a"], "userTags": ["b"], "name": "x"}
    answer = await admin.call("PUT", f"/zones/{zone}/actions", body)
    assert answer.headers[SHOWN] == "name, systemTags[0], userTags"
    answer = await admin.call("DELETE", f"/zones/{zone}?deleteMode=Enforcing&force=true")
    assert (answer.status, answer.headers[SHOWN]) == (202, "force")
    body = {"params": {"deleteMode": "Enforcing"}, "more": 1}
    assert (await admin.call("DELETE", f"/images/{zone}", body)).headers[SHOWN] == "more"
    refused = await admin.call("DELETE", f"/images/{zone}?backupStorageUuids=x")
    assert refused.status == 400
    unnamed = await admin.call("DELETE", f"/images/{zone}?backupStorageUuids=")
    assert (unnamed.status, unnamed.headers.get(SHOWN)) == (202, None)
    java = APIS["QueryZone"].java_class
    door = Client(admin.http, admin.base.removesuffix("/v1"))
    asked = {"session": {"uuid": admin.token}, "conditions": [], "nobodys": 1}
    assert (await door.call("POST", "/api", {java: asked})).headers[SHOWN] == "nobodys"


async def test_who_may_not_call_learns_nothing_of_parameters(service: Service) -> None:
    answer = await service.anonymous.call("POST", "/l3-networks", {"params": {"ipVersion": 6}})
    assert answer.code == "ID.1001"
