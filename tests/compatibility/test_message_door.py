"""The message door, asked as apibinding does: one POST, then GETs without credentials until it is done."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from app import PASSWORD_SHA512, Service
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.doors.messages.dispatch import _class_of  # pyright: ignore[reportPrivateUsage]

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADER = "org.zstack.header"


class Binding:
    """A client like apibinding's: the session goes into each message."""

    def __init__(self, http: aiohttp.ClientSession, origin: str) -> None:
        self.http = http
        self.url = f"{origin}/zstack/api/"
        self.session = ""
        self.name = ""  # of the last reply's class

    async def send(self, message: str, **values: Any) -> Any:
        """The first answer."""
        session = {"session": {"uuid": self.session}} if self.session else {}
        async with self.http.post(self.url, data=json.dumps({message: values | session})) as reply:
            assert reply.status == 200
            return await reply.json()

    async def poll(self, uuid: str, *, slash: str = "/") -> Any:
        async with self.http.get(f"{self.url}result{slash}{uuid}") as reply:
            assert reply.status == 200
            return await reply.json()

    async def call(self, message: str, **values: Any) -> Any:
        """The reply, as async_call_wait_for_complete and sync_call give it."""
        answer = await self.send(message, **values)
        async with asyncio.timeout(20):
            while answer["state"] != "Done":
                answer = await self.poll(answer["uuid"])
        ((self.name, reply),) = json.loads(answer["result"]).items()
        return reply


@pytest_asyncio.fixture(loop_scope="module")
async def binding(service: Service) -> Binding:
    made = Binding(service.http, service.origin)
    login = f"{HEADER}.identity.APILogInByAccountMsg"
    reply = await made.call(login, accountName="admin", password=PASSWORD_SHA512, timeout=15000)
    assert reply["success"] is True
    made.session = reply["inventory"]["uuid"]
    return made


async def test_a_session_s_work(binding: Binding) -> None:
    """Log in, create, query, change, delete, log out, as zstack-cli's users do."""
    zone = await binding.call(
        f"{HEADER}.zone.APICreateZoneMsg", name="by message", description=None, timeout=1800000
    )
    assert binding.name == f"{HEADER}.zone.APICreateZoneEvent"
    assert (zone["success"], zone["inventory"]["name"]) == (True, "by message")
    uuid = zone["inventory"]["uuid"]
    found = await binding.call(
        f"{HEADER}.zone.APIQueryZoneMsg", conditions=[{"name": "name", "op": "=", "value": "by message"}]
    )
    assert binding.name == f"{HEADER}.zone.APIQueryZoneReply"
    assert [row["uuid"] for row in found["inventories"]] == [uuid]
    changed = await binding.call(f"{HEADER}.zone.APIUpdateZoneMsg", uuid=uuid, description="changed")
    assert changed["inventory"]["description"] == "changed"
    gone = await binding.call(f"{HEADER}.zone.APIDeleteZoneMsg", uuid=uuid, deleteMode="Permissive")
    assert gone == {"success": True}
    session = binding.session
    assert await binding.call(f"{HEADER}.identity.APILogOutMsg", sessionUuid=session) == {"success": True}
    refused = await binding.call(f"{HEADER}.zone.APIQueryZoneMsg", conditions=[])
    assert (refused["success"], refused["error"]["code"]) == (False, "ID.1001")


async def test_conditions_and_the_rest_of_a_query(binding: Binding) -> None:
    for i in range(4):
        made = await binding.call("APICreateZoneMsg", name=f"q{i}", description="d" if i % 2 else None)
        assert made["success"], made

    async def names(*conditions: tuple[str, str, str | None], **more: Any) -> Any:
        asked = [{"name": name, "op": op, "value": value} for name, op, value in conditions]
        reply = await binding.call("APIQueryZoneMsg", conditions=asked, sortBy="name", **more)
        assert reply["success"], reply
        return [row["name"] for row in reply["inventories"]]

    assert await names(("name", "in", "q1,q2")) == ["q1", "q2"]
    assert await names(("name", "not in", "q0,q1"), ("name", "like", "q%")) == ["q2", "q3"]
    assert await names(("name", "like", "q%"), ("description", "is null", "")) == ["q0", "q2"]
    assert await names(("name", "like", "q%"), ("description", "is not null", None)) == ["q1", "q3"]
    assert await names(("name", ">=", "q1"), ("name", "<", "q3"), ("name", "!=", "q1")) == ["q2"]
    assert await names(("name", "not like", "q%"), ("name", "in", "q1")) == []
    assert await names(("name", "like", "q%"), limit=2, start=1, sortDirection="desc", fields=["name"]) == [
        "q2",
        "q1",
    ]
    counted = [{"name": "name", "op": "like", "value": "q%"}]
    reply = await binding.call("APIQueryZoneMsg", conditions=counted, count=True)
    assert (reply["total"], reply["success"]) == (4, True)
    reply = await binding.call("APIQueryZoneMsg", conditions=counted, replyWithCount=True, limit=1)
    assert (reply["total"], len(reply["inventories"])) == (4, 1)


@pytest.mark.parametrize(
    ("message", "values", "code"),
    [
        ("APIQueryZoneMsg", {"conditions": [{"name": "no", "op": "=", "value": "x"}]}, "SYS.1007"),
        ("APIQueryZoneMsg", {"conditions": [{"name": "name", "op": "~"}]}, "SYS.1007"),
        ("APIQueryZoneMsg", {"conditions": "name=x"}, "SYS.1007"),
        ("APIQueryZoneMsg", {"conditions": ["name=x"]}, "SYS.1007"),
        ("APICreateZoneMsg", {}, "SYS.1007"),
        ("APICreateZoneMsg", {"name": "z", "timeout": "soon"}, "SYS.1007"),
        ("APIUpdateZoneMsg", {"uuid": "7b04b3b3b4c64e9ab8bd4b8e5aa1c3d4", "name": "z"}, "SYS.1003"),
        ("org.zstack.header.vm.APINoSuchThingMsg", {}, "SYS.1009"),
        ("org.zstack.job.APIPollApiJobMsg", {"uuid": "x"}, "SYS.1009"),
        ("APILogInByAccountMsg", {"accountName": "admin", "password": "no"}, "ID.1000"),
    ],
)
async def test_what_goes_wrong_is_in_the_reply(
    binding: Binding, message: str, values: Any, code: str
) -> None:
    reply = await binding.call(message, **values)
    assert (reply["success"], reply["error"]["code"]) == (False, code)
    assert {"code", "description", "details"} <= reply["error"].keys()


async def test_a_page_has_an_end(binding: Binding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zstack_mgmt.doors.messages.dispatch.MAX_PAGE_BYTES", 20_000)
    for number in range(30):
        await binding.call("APICreateZoneMsg", name=f"long {number}", description="d" * 1000)
    page = {"conditions": [{"name": "name", "op": "like", "value": "long%"}]}
    refused = await binding.call("APIQueryZoneMsg", limit=5000, **page)  # one that comes in pieces
    assert (refused["success"], refused["error"]["code"]) == (False, "SYS.1007")
    monkeypatch.undo()
    whole = await binding.call("APIQueryZoneMsg", limit=5000, **page)
    assert (whole["success"], len(whole["inventories"])) == (True, 30)


@pytest.mark.parametrize("session", [None, {}, {"uuid": ""}, {"uuid": "wrong"}, {"uuid": 1}, "wrong"])
async def test_without_a_session(service: Service, session: Any) -> None:
    binding = Binding(service.http, service.origin)
    reply = await binding.call("APICreateZoneMsg", name="z", session=session)
    assert (reply["success"], reply["error"]["code"]) == (False, "ID.1001")


@pytest.mark.parametrize("uuid", ["None", "7b04b3b3b4c64e9ab8bd4b8e5aa1c3d4", "x" * 500, "%00", "a/b"])
async def test_an_unknown_result_is_done_and_failed(service: Service, uuid: str) -> None:
    """zstack-cli asks twice a second for half an hour while it is not done."""
    answer = await Binding(service.http, service.origin).poll(uuid)
    ((_, reply),) = json.loads(answer["result"]).items()
    assert (answer["state"], reply["success"], reply["error"]["code"]) == ("Done", False, "SYS.1009")


async def test_jobs_of_sessions_by_rest_are_not_told_here(service: Service) -> None:
    accepted = await service.admin.call("POST", "/zones", {"params": {"name": "by rest"}})
    uuid = accepted.body["location"].rpartition("/")[2]
    answer = await Binding(service.http, service.origin).poll(uuid)
    assert "SYS.1009" in answer["result"]


async def test_a_job_that_takes_longer(service: Service, binding: Binding) -> None:
    """It is processing at first, and its result is asked for also as old clients write the address."""
    await service.db.execute("BEGIN; LOCK TABLE zones IN ACCESS EXCLUSIVE MODE")
    try:
        answer = await binding.send("APICreateZoneMsg", name="slow")
        assert answer.keys() == {"uuid", "state"}
        assert answer["state"] == (await binding.poll(answer["uuid"], slash=""))["state"] == "Processing"
    finally:
        await service.db.execute("COMMIT")
    async with asyncio.timeout(20):
        while (answer := await binding.poll(answer["uuid"], slash=""))["state"] != "Done":
            pass
    ((name, reply),) = json.loads(answer["result"]).items()
    assert (name, reply["success"], reply["inventory"]["name"]) == (
        f"{HEADER}.zone.APICreateZoneEvent",
        True,
        "slow",
    )


@pytest.mark.parametrize(
    "body", ["", "[]", "{", "null", "{}", '{"a": {}, "b": {}}', '{"APICreateZoneMsg": 1}']
)
async def test_what_is_no_message(service: Service, body: str) -> None:
    async with service.http.post(f"{service.origin}/zstack/api", data=body) as reply:
        assert reply.status == 400
        assert (await reply.json())["error"]["code"] == "SYS.1007"
    async with service.http.get(f"{service.origin}/zstack/api") as reply:
        assert reply.status == 405
    async with service.http.post(f"{service.origin}/zstack/api/result/x") as reply:
        assert reply.status == 405


async def test_every_api_has_its_message() -> None:
    """By the short name of its class, which is unique; ways to read jobs aside."""
    for label, declared in APIS.items():
        short = declared.java_class.rpartition(".")[2]
        assert short == f"API{label}Msg"
        assert (
            _class_of(declared).rpartition(".")[2]
            == f"API{label}{'Event' if declared.mode == 'job' else 'Reply'}"
        )
