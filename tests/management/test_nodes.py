"""What the service tells of itself."""

from app import Service, running_service
from zstack_mgmt import __version__
from zstack_mgmt.config import Settings
from zstack_mgmt.service.parts import running


async def test_anybody_reads_the_version_and_leaves_no_trace(service: Service) -> None:
    node = "0123456789ab4cde8123456789abcdef"
    paths = ("/management-nodes/actions", f"/management-nodes/actions/{node}")
    for path in (*paths, f"/management-nodes/{node}/actions"):
        for body in ({"getVersion": {}}, {}):
            answer = await service.anonymous.call("PUT", path, body)
            assert (answer.status, answer.body) == (200, {"version": __version__})
    assert await service.db.fetchval("SELECT count(*) FROM audits WHERE api = 'GetVersion'") == 0


async def test_each_process_that_answers_calls_is_a_node(service: Service) -> None:
    (mine,) = (await service.admin.get("/management-nodes")).body["inventories"]
    assert mine.keys() == {"uuid", "hostName", "joinDate", "heartBeat"}
    async with running(service.settings):
        nodes = (await service.admin.get("/management-nodes?sort=joinDate")).body["inventories"]
        assert len(nodes) == 2
        assert nodes[0]["uuid"] == mine["uuid"]
    assert len((await service.admin.get("/management-nodes")).body["inventories"]) == 1


async def test_a_process_that_died_is_no_node_any_more(settings: Settings) -> None:
    async with running_service(settings) as service:
        dead = (
            "INSERT INTO api_processes VALUES ('dead', 'h', now() - interval '9 hours', now() - $1::interval)"
        )
        for age in ("35 s", "2 min"):
            await service.db.execute(dead.replace("$1", f"'{age}'").replace("'dead'", f"'dead {age}'"))
        assert len((await service.admin.get("/management-nodes")).body["inventories"]) == 1
        async with running(service.settings):  # a new one forgets the dead
            left = await service.db.fetch("SELECT uuid FROM api_processes WHERE uuid LIKE 'dead%'")
            assert [row["uuid"] for row in left] == ["dead 35 s"]
