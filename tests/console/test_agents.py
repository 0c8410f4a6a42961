"""Console proxy agents: their rows, their states, and the addresses that clients are told."""

from dataclasses import replace

import pytest
from viewer import ask
from world import World, build

from app import running_agent, running_service
from zstack_mgmt.config import Settings


async def test_an_agent_is_seen_with_its_state(world: World, settings: Settings) -> None:
    (agent,) = (await world.admin.get("/consoles/agents?q=status=Connected")).body["inventories"]
    assert agent["managementIp"] == "127.0.0.1"
    assert agent["consoleProxyPort"] == settings.console_port
    assert (agent["type"], agent["state"]) == ("ManagementServerConsoleProxy", "Enabled")
    one = await world.admin.get(f"/consoles/agents/{agent['uuid']}")
    assert one.body["inventories"][0]["uuid"] == agent["uuid"]
    assert (await world.admin.get("/consoles/agents?q=status=Disconnected")).body["inventories"] == []


async def test_an_agent_that_comes_back_is_the_same(lonely: World, settings: Settings) -> None:
    seen = []
    for _ in range(2):
        async with running_agent(settings):
            (agent,) = (await lonely.admin.get("/consoles/agents")).body["inventories"]
            seen.append(agent["uuid"])
    assert seen[0] == seen[1]


async def test_an_agent_that_is_killed_is_disconnected_in_seconds(lonely: World) -> None:
    await lonely.service.db.execute(
        """
        INSERT INTO console_agents (uuid, management_ip, listen_port, console_proxy_port, alive_until)
        VALUES ('0123456789ab4def8123456789abcdef', '192.0.2.1', 4900, 4900, now() - interval '1 ms')
        """
    )
    (agent,) = (await lonely.admin.get("/consoles/agents")).body["inventories"]
    assert agent["status"] == "Disconnected"
    assert (await ask(lonely, await lonely.vm())).code == "SYS.1006"


async def test_clients_are_told_the_overriding_address(world: World, settings: Settings) -> None:
    (agent,) = (await world.admin.get("/consoles/agents")).body["inventories"]
    path = f"/consoles/agents/{agent['uuid']}/actions"
    vm = await world.vm()
    for ip, port, told in (
        ("203.0.113.9", 8443, ("203.0.113.9", 8443)),
        ("", 9000, ("127.0.0.1", 9000)),
        ("0.0.0.0", settings.console_port, ("127.0.0.1", settings.console_port)),
    ):
        body = {"updateConsoleProxyAgent": {"consoleProxyOverriddenIp": ip, "consoleProxyPort": port}}
        changed = (await world.admin.job("PUT", path, body)).inventory
        assert changed["consoleProxyOverriddenIp"] == (ip or "0.0.0.0")
        access = (await ask(world, vm)).inventory
        assert (access["hostname"], access["port"]) == told


@pytest.mark.provokes("UpdateConsoleProxyAgent", "InvalidArgument")
@pytest.mark.provokes("UpdateConsoleProxyAgent", "ResourceNotFound")
async def test_an_address_that_is_no_ipv4_is_refused(world: World) -> None:
    (agent,) = (await world.admin.get("/consoles/agents")).body["inventories"]
    for uuid, ip, code in (
        (agent["uuid"], "console.example", "SYS.1007"),
        (agent["uuid"], "::1", "SYS.1007"),
        ("0" * 12 + "4" + "0" * 3 + "8" + "0" * 15, "127.0.0.1", "SYS.1003"),
    ):
        body = {"updateConsoleProxyAgent": {"consoleProxyOverriddenIp": ip}}
        assert (await world.admin.job("PUT", f"/consoles/agents/{uuid}/actions", body)).code == code


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://console.example", ("https", "console.example", 443)),
        ("http://console.example:8081", ("http", "console.example", 8081)),
    ],
)
async def test_a_proxy_before_all_agents_is_what_clients_are_told(
    settings: Settings, url: str, told: tuple[str, str, int]
) -> None:
    async with running_service(replace(settings, console_public_url=url)) as service:
        world = await build(service)
        async with running_agent(settings):
            access = (await ask(world, await world.vm())).inventory
        assert (access["scheme"], access["hostname"], access["port"]) == told


@pytest.mark.provokes("ReconnectConsoleProxyAgent", "OperationError")
async def test_reconnecting_asks_for_a_sign_of_life(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (agent,) = (await world.admin.get("/consoles/agents")).body["inventories"]
    unknown = "0" * 12 + "4" + "0" * 3 + "8" + "0" * 15
    for body in (
        {"reconnectConsoleProxyAgent": {"agentUuids": [agent["uuid"], unknown]}},
        {"params": {"agentUuids": [agent["uuid"], unknown]}},
    ):
        found = (await world.admin.job("PUT", "/consoles/agents", body)).inventory
        assert found[agent["uuid"]] is True
        assert found[unknown]["code"] == "SYS.1007"
    every = await world.admin.job("PUT", "/consoles/agents", {"reconnectConsoleProxyAgent": {}})
    assert every.inventory == {agent["uuid"]: True}
    monkeypatch.setattr("zstack_mgmt.console.api.RECONNECT_S", 0.3)
    await world.service.db.execute(
        """
        INSERT INTO console_agents (uuid, management_ip, listen_port, console_proxy_port, alive_until)
        VALUES ('0123456789ab4def8123456789abcdef', '192.0.2.1', 4900, 4900, now() - interval '1 ms')
        """
    )
    silent = await world.admin.job("PUT", "/consoles/agents", {"reconnectConsoleProxyAgent": {}})
    assert silent.code == "SYS.1006"
    assert "0123456789ab4def8123456789abcdef" in silent.body["error"]["details"]


async def test_agents_are_the_administrators_business(world: World) -> None:
    tenant = await world.tenant()
    assert (await tenant.get("/consoles/agents")).code == "ID.1002"
    body = {"reconnectConsoleProxyAgent": {}}
    assert (await tenant.job("PUT", "/consoles/agents", body)).code == "ID.1002"


async def test_what_an_agent_refuses_is_told_as_the_api_tells_it(world: World, settings: Settings) -> None:
    origin = f"http://127.0.0.1:{settings.console_port}"
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "99"}
    for path, headers, status in (
        ("/ui/own/0/js/main.js", {}, 404),
        ("/ui/lib/0/x.js", {}, 404),
        ("/nothing", {}, 404),
        ("/?token=secret", upgrade, 400),
    ):
        async with world.service.http.get(f"{origin}{path}", headers=headers) as reply:
            assert (reply.status, reply.content_type) == (status, "application/json"), path
            assert reply.headers["Server"] == "zstack-mgmt"
            assert "X-Request-ID" in reply.headers
            assert "secret" not in await reply.text()
