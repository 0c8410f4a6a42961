"""Consoles from the request to the pixels, and what must not open one."""

import asyncio
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from viewer import Viewer, ask, closing_reason, opened, url_of
from world import World

from app import ADMIN, Client, running_agent
from zstack_mgmt.config import Settings

UNKNOWN = "the token opens no console: it is unknown, has expired, was used, or is for another address"


async def test_a_screen_shows_the_vm_and_what_is_typed(world: World, settings: Settings) -> None:
    vm = await world.vm(name="web-1")
    access = (await ask(world, vm)).inventory
    assert access["scheme"] == "http"
    assert (access["hostname"], access["port"]) == ("127.0.0.1", settings.console_port)
    assert len(access["token"]) == 32
    stored = await world.service.db.fetchval(
        "SELECT request FROM api_jobs WHERE api = 'RequestConsoleAccess'"
    )
    assert "session" not in stored
    async with opened(world, access) as ws:
        assert ws.protocol == "binary"
        viewer = Viewer(ws)
        await viewer.greet()
        assert viewer.name == "web-1"
        assert await viewer.update(incremental=False) == 20
        before = bytes(viewer.pixels)
        assert len(set(zip(*[iter(before)] * 4, strict=True))) == 2  # ink on a background
        await viewer.press("ls\n")
        await viewer.update()
        assert viewer.pixels != before


async def test_a_serial_line_echoes(world: World) -> None:
    vm = await world.vm(name="web-1")
    access = (await ask(world, vm, type="serial")).inventory
    assert access["targetScheme"] == "serial"
    async with opened(world, access) as ws:
        text = b""
        while b"> " not in text:
            text += (await ws.receive(timeout=20)).data
        assert b"web-1" in text
        await ws.send_str("uname\r")
        while b"uname\r\n> " not in text:
            text += (await ws.receive(timeout=20)).data


async def test_a_token_opens_one_console_once(world: World) -> None:
    vm = await world.vm()
    access = (await ask(world, vm)).inventory
    async with opened(world, access), opened(world, access) as second:
        assert await closing_reason(second) == (4001, UNKNOWN)


async def opens(world: World, access: Any) -> bool:
    async with opened(world, access) as ws:
        return (await ws.receive(timeout=20)).type is aiohttp.WSMsgType.BINARY


async def refused(world: World, access: Any, reason: str = UNKNOWN, **options: Any) -> None:
    async with opened(world, access, **options) as ws:
        code, said = await closing_reason(ws)
        assert (code, said) == (4001, reason)


async def test_tokens_that_open_nothing(world: World) -> None:
    vm = await world.vm()
    access = (await ask(world, vm)).inventory
    for token in ("", "x", "f" * 32, "名", "f" * 300, access["token"].upper()):
        await refused(world, access | {"token": token})
    await world.service.db.execute("UPDATE console_tokens SET expires_at = now() - interval '1 s'")
    await refused(world, access)


async def test_a_token_for_one_address_opens_nothing_elsewhere(world: World) -> None:
    vm = await world.vm()
    elsewhere = (await ask(world, vm, clientIp="192.0.2.7")).inventory
    await refused(world, elsewhere)
    here = (await ask(world, vm, clientIp="127.0.0.1")).inventory
    async with opened(world, here) as ws:
        await Viewer(ws).greet()


@pytest.mark.provokes("RequestConsoleAccess", "InvalidArgument")
async def test_an_address_that_is_none_is_refused(world: World) -> None:
    vm = await world.vm()
    assert (await ask(world, vm, clientIp="the moon")).code == "SYS.1007"


async def test_another_accounts_vm_and_token_open_nothing(world: World) -> None:
    await world.share()
    alice, bob = await world.tenant("alice"), await world.tenant("bob")
    vm = await world.vm(alice)
    assert (await ask(world, vm, bob)).code == "SYS.1003"
    access = (await ask(world, vm, alice)).inventory
    moved = {"changeResourceOwner": {"resourceUuid": vm["uuid"], "accountUuid": ADMIN}}
    answer = await world.admin.job(
        "POST", f"/account/{ADMIN}/resources", {"params": {"resourceUuid": vm["uuid"]}}
    )
    assert answer.status == 200, (answer, moved)
    await refused(world, access, "the session has ended, or the VM may not be used any more")


@pytest.mark.provokes("RequestConsoleAccess", "OperationError")
async def test_a_vm_that_does_not_run_has_no_console(world: World) -> None:
    vm = await world.vm()
    access = (await ask(world, vm)).inventory
    await world.act(vm, "stopVmInstance")
    assert (await ask(world, vm)).code == "SYS.1006"
    await refused(world, access, "the session has ended, or the VM may not be used any more")


async def test_the_console_closes_when_the_vm_stops(world: World) -> None:
    vm = await world.vm()
    access = (await ask(world, vm)).inventory
    async with opened(world, access) as ws:
        await Viewer(ws).greet()
        await world.act(vm, "stopVmInstance")
        code, _ = await closing_reason(ws)
        assert code in (1000, 4002)


async def test_the_console_closes_with_its_session(world: World) -> None:
    client = await world.service.anonymous.log_in()
    vm = await world.vm()
    access = (await ask(world, vm, client)).inventory
    async with opened(world, access) as ws:
        await Viewer(ws).greet()
        await client.call("DELETE", f"/accounts/sessions/{client.token}")
        code, reason = await closing_reason(ws)
        assert code == 4002
        assert "session has ended" in reason


async def test_the_console_closes_when_the_policy_goes(world: World) -> None:
    await world.share()
    alice = await world.tenant("alice")
    vm = await world.vm(alice)
    user = await alice.create("/accounts/users", name="u", password="secret")
    statements = [{"effect": "Allow", "actions": ["console:.*", "instance:.*"]}]
    policy = await alice.create("/accounts/policies", name="p", statements=statements)
    path = f"/accounts/users/{user['uuid']}/policies"
    assert (await alice.job("POST", path, {"params": {"policyUuid": policy["uuid"]}})).status == 200
    body = {"logInByUser": {"accountName": "alice", "userName": "u", "password": "secret"}}
    answer = await world.service.anonymous.call("PUT", "/accounts/users/login", body)
    as_user = Client(world.service.http, world.admin.base, answer.inventory["uuid"])
    access = (await ask(world, vm, as_user)).inventory
    async with opened(world, access) as ws:
        await Viewer(ws).greet()
        assert (await alice.job("DELETE", f"{path}/{policy['uuid']}")).status == 200
        code, _ = await closing_reason(ws)
        assert code == 4002


async def test_pages_of_other_origins_are_refused(world: World) -> None:
    vm = await world.vm()
    access = (await ask(world, vm)).inventory
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await world.service.http.ws_connect(url_of(access), origin="http://evil.example")
    assert caught.value.status == 403
    own = f"http://{access['hostname']}:{access['port']}"
    async with opened(world, access, origin=own) as ws:  # the refusal has used nothing up
        await Viewer(ws).greet()


async def test_without_an_agent_the_request_says_so(lonely: World, settings: Settings) -> None:
    vm = await lonely.vm()
    answer = await ask(lonely, vm)
    assert answer.code == "SYS.1006"
    assert "no console proxy agent is connected" in answer.body["error"]["details"]
    async with running_agent(settings):
        assert (await ask(lonely, vm)).status == 200
    agents = await lonely.admin.get("/consoles/agents")
    assert [agent["status"] for agent in agents.body["inventories"]] == ["Disconnected"]
    assert (await ask(lonely, vm)).code == "SYS.1006"


async def test_an_idle_console_and_a_long_one_are_closed(lonely: World, settings: Settings) -> None:
    vm = await lonely.vm()
    still, short = replace(settings, console_idle_s=1), replace(settings, console_max_bytes=10_000)
    async with running_agent(still), opened(lonely, (await ask(lonely, vm)).inventory) as ws:
        await Viewer(ws).greet()
        assert await closing_reason(ws) == (4002, "nothing has moved for 1 s")
    async with running_agent(short), opened(lonely, (await ask(lonely, vm)).inventory) as ws:
        viewer = Viewer(ws)
        await viewer.greet()
        with pytest.raises(AssertionError):
            await viewer.update(incremental=False)
        assert ws.close_code == 4002


async def test_an_agent_and_an_account_have_so_many_consoles(lonely: World, settings: Settings) -> None:
    vm = await lonely.vm()
    few = replace(settings, console_max_connections=2, console_account_connections=1)
    async with running_agent(few), opened(lonely, (await ask(lonely, vm)).inventory) as ws:
        await Viewer(ws).greet()
        reason = "the account has 1 consoles open at this agent; close one"
        await refused(lonely, (await ask(lonely, vm)).inventory, reason)
    async with running_agent(replace(settings, console_max_connections=1)):
        async with opened(lonely, (await ask(lonely, vm)).inventory) as ws:
            await Viewer(ws).greet()
            access = (await ask(lonely, vm)).inventory
            reason = "as many consoles are open at this agent as it carries; try again later"
            await refused(lonely, access, reason)
        async with asyncio.timeout(10):  # that token is still good, once the other console has ended
            while not await opens(lonely, access):
                pass


async def test_a_console_that_is_being_opened_has_its_accounts_place(
    lonely: World, settings: Settings
) -> None:
    vm = await lonely.vm()
    async with running_agent(replace(settings, console_account_connections=1)):
        first, second = [(await ask(lonely, vm)).inventory for _ in range(2)]
        await lonely.fault("open_console", latency_s=60.0)
        async with opened(lonely, first):
            reason = "the account has 1 consoles open at this agent; close one"
            await refused(lonely, second, reason)


async def test_the_newest_tokens_of_a_login_on_a_vm_are_kept(world: World) -> None:
    vm = await world.vm()
    answers = [await ask(world, vm) for _ in range(12)]
    assert await world.service.db.fetchval("SELECT count(*) FROM console_tokens") == 10
    await refused(world, answers[0].inventory)
    async with opened(world, answers[-1].inventory) as ws:
        await Viewer(ws).greet()
