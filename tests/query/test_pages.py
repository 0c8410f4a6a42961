"""Large pages, streamed or whole, and the plans of PostgreSQL."""

import orjson
import pytest

from answers import answer_bytes, stream
from query.asking import ALL, UTC, many
from zstack_mgmt.core.errors import InvalidArgument
from zstack_mgmt.query.compile import list_sql
from zstack_mgmt.query.parser import parse_parameters
from zstack_mgmt.query.plan import Scope, make_plan
from zstack_mgmt.query.run import run


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1700])
async def test_a_streamed_page_is_the_same_as_one_in_memory(empty, count):
    await many(empty, count)
    large = parse_parameters("QtVm", [("limit", "5000"), ("replyWithCount", "true")])
    whole = await run(empty, large, ALL, UTC)
    pieces = [piece async for piece in stream(empty, large, ALL, UTC)]
    assert orjson.loads(b"".join(pieces)) == whole
    assert await answer_bytes(empty, large, ALL, UTC) == b"".join(pieces)
    assert len(whole["inventories"]) == whole["total"] == count
    assert not empty.is_in_transaction()


async def test_a_page_of_chosen_fields_and_one_cut_off(empty):
    await many(empty, 1200)
    cut = parse_parameters("QtVm", [("limit", "1100"), ("replyWithCount", "true"), ("fields", "uuid")])
    body = orjson.loads(await answer_bytes(empty, cut, ALL, UTC))
    assert (len(body["inventories"]), body["total"]) == (1100, 1200)
    assert list(body["schema"])[-1] == "inventories[1099]"
    pieces = stream(empty, cut, ALL, UTC)
    await anext(pieces)
    await pieces.aclose()
    assert not empty.is_in_transaction()


async def test_rows_deleted_while_a_page_is_read_are_left_out(empty):
    await many(empty, 1200)
    pieces = stream(empty, parse_parameters("QtVm", [("limit", "5000"), ("sort", "-name")]), ALL, UTC)
    first = await anext(pieces)
    await empty.execute("DELETE FROM qt_vms")
    body = orjson.loads(first + b"".join([piece async for piece in pieces]))
    assert len(body["inventories"]) == 500
    assert "inventories[500]" not in body["schema"]


async def test_a_limit_beyond_the_maximum_counts_as_the_maximum():
    assert parse_parameters("QtVm", [("limit", str(2**31 - 1))]).limit == 100_000


async def test_a_bad_query_is_refused_before_the_first_piece(empty):
    pieces = stream(empty, parse_parameters("QtVm", [("q", "nope=1"), ("limit", "5000")]), ALL, UTC)
    with pytest.raises(InvalidArgument):
        await anext(pieces)


async def test_small_answers_as_bytes(conn):
    query = parse_parameters("QtVm", [("q", "state=Running")])
    assert orjson.loads(await answer_bytes(conn, query, ALL, UTC)) == await run(conn, query, ALL, UTC)


async def test_the_frequent_queries_use_indexes(empty):
    await many(empty, 20_000)
    await empty.execute(
        """
        INSERT INTO accounts (uuid, name, type, password_hash) VALUES
            ('mine', 'm', 'Normal', 'x'), ('big', 'b', 'Normal', 'x');
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
        SELECT uuid, 'QtMachineVO', CASE WHEN name LIKE '%999' THEN 'mine' ELSE 'big' END FROM qt_vms;
        ANALYZE;
        """
    )
    for q, scope in (
        ([("q", "uuid=" + "0" * 31 + "7")], ALL),
        ([("q", "name=vm-77")], ALL),
        ([("q", "name=VM-77")], ALL),
        ([("q", "name?=vm-77,vm-78")], ALL),
        ([("q", "vmNics.ip=10.9.9.9")], ALL),
        ([("q", "uuid=" + "0" * 31 + "7")], Scope("mine", sees_all=False)),
        ([], Scope("mine", sees_all=False)),
    ):
        for exact in (False, True):
            plan = make_plan(parse_parameters("QtVm", q), scope, UTC, exact=exact)
            explained = await empty.fetch(f"EXPLAIN {list_sql(plan.select)}", *plan.values, 1000, 0)
            assert "Seq Scan on qt_vms" not in "\n".join(row[0] for row in explained), q
