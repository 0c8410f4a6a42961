"""Sentences with and, or and parentheses, through HTTP and against plain queries."""

from typing import Any

import pytest

from app import Client, Service
from query.asking import ALL, UTC, keys
from zstack_mgmt.core.errors import BadRequest
from zstack_mgmt.query.run import run
from zstack_mgmt.query.zql import parse_zql


async def zql(client: Client, text: str) -> Any:
    return await client.get("/zql", params={"zql": text})


async def found(conn: Any, where: str) -> list[str]:
    (sentence,) = parse_zql(f"query QtVm where {where} limit 1000")
    answer = await run(conn, sentence.query, ALL, UTC)
    return [vm["uuid"] for vm in answer["inventories"]]


A = "name like 'web%'"
B = "cpu > 1"
C = "vmNics.ip = '10.0.0.1' and vmNics.device = 1"
D = "__userTag__ in ('env::prod', 'x') and state != 'Running'"
PLAIN = {
    A: ["name~=web%"],
    B: ["cpu>1"],
    C: ["vmNics.ip=10.0.0.1", "vmNics.device=1"],
    D: ["__userTag__?=env::prod,x", "state!=Running"],
}


async def test_alternatives_and_parentheses_find_what_sets_find(conn: Any) -> None:
    sets = {text: set(await keys(conn, "QtVm", *plain)) for text, plain in PLAIN.items()}
    assert all(sets.values())
    for text, expected in (
        (f"{A} or {B}", sets[A] | sets[B]),
        (f"{A} or {C}", sets[A] | sets[C]),
        (f"({C} or {D}) and {A}", (sets[C] | sets[D]) & sets[A]),
        (f"{A} and ({B} or ({C}) or {D})", sets[A] & (sets[B] | sets[C] | sets[D])),
        (f"({A} or {B}) AND (({C}) OR ({D}))", (sets[A] | sets[B]) & (sets[C] | sets[D])),
        (f"(({A}))", sets[A]),
    ):
        assert set(await found(conn, text)) == expected, text


async def test_values_are_only_values(conn: Any) -> None:
    await conn.execute("UPDATE qt_vms SET name = $1", "a'; DROP TABLE qt_vms; --\"")
    assert len(await found(conn, r"""name = "a'; DROP TABLE qt_vms; --\"" """)) > 0
    assert await found(conn, "name = ''") == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "query",
        "drop zone",
        "query zone where",
        "query zone where name",
        "query zone where name = ",
        "query zone where name = x",
        "query zone where name not = 'x'",
        "query zone where name in ()",
        "query zone where name in ('a,b')",
        "query zone where (name = 'x'",
        "query zone where name = 'x' limit -1",
        "query zone where name = 'x' limit 1.5",
        "query zone where name = 'x",
        "query zone where name is 'x'",
        "query zone; ; query zone",
        "query zone ! 1",
        "query zone where uuid in (query vminstance)",
        "query zone where " + "(" * 20 + "name = 'x'" + ")" * 20,
        "query zone where " + " or ".join(["name = 'x'"] * 101),
        ";".join(["query zone"] * 11),
    ],
)
def test_what_is_no_sentence_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_zql(text)


async def test_sentences_are_answered_in_their_order(service: Service) -> None:
    for name in ("a", "b", "c"):
        await service.admin.create("/zones", name=name)
    answer = await zql(
        service.admin,
        "query zone.name where name = 'A' or name = 'c' return with (total) order by name desc limit 1 "
        "named as 'first'; count ZoneInventory where state = 'Enabled'; query zone offset 2;",
    )
    first, second, third = answer.body["results"]
    assert first == {"name": "first", "inventories": [{"name": "c"}], "total": 2}
    assert second == {"total": 3}
    assert len(third["inventories"]) == 1
    assert answer.body["schema"]["results[2].inventories[0]"] == "org.zstack.header.zone.ZoneInventory"


async def test_a_sentence_shows_what_its_query_api_shows(service: Service) -> None:
    _, one = await service.account("one")
    _, two = await service.account("two")
    user = await one.create("/accounts/users", name="u", password="x")
    everything = "query user where name = 'u' or uuid is not null"
    assert [u["uuid"] for u in (await zql(one, everything)).body["results"][0]["inventories"]] == [
        user["uuid"]
    ]
    assert (await zql(two, everything)).body["results"][0]["inventories"] == []
    assert (await zql(two, "query user where group.name = 'g' or (name = 'u')")).body["results"]


@pytest.mark.provokes("ZQLQuery", "PermissionDenied")
@pytest.mark.provokes("ZQLQuery", "InvalidArgument")
@pytest.mark.provokes("ZQLQuery", "InternalError")
@pytest.mark.provokes("ZQLQuery", "BadRequest")
async def test_sentences_that_are_refused(service: Service) -> None:
    _, tenant = await service.account("tenant")
    assert (await zql(tenant, "query account")).code == "ID.1002"
    assert (await zql(tenant, "query zonne")).code == "SYS.1003"
    assert (await zql(tenant, "query imagebackupstorageref")).code == "SYS.1003"
    assert (await zql(tenant, "query zone where colour = 'red'")).code == "SYS.1007"
    assert (await zql(tenant, "query zone order by colour")).code == "SYS.1000"
    refused = await zql(tenant, "query zone where")
    assert (refused.status, refused.code) == (400, "SYS.1007")
    assert (await zql(service.anonymous, "query zone")).code == "ID.1001"
