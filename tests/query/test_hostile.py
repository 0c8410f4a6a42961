"""Hostile text stays a value or an unknown name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.asking import ALL, SLOW, UTC, agree, keys
from query_oracle import Asked
from zstack_mgmt.core.errors import InternalError, InvalidArgument
from zstack_mgmt.query.parser import parse_parameters
from zstack_mgmt.query.run import run

ATTACKS = (
    "' OR '1'='1",
    "'; DROP TABLE qt_vms; --",
    'x" OR "1"="1',
    "\\'; SELECT pg_sleep(9); --",
    "$1",
    "%s",
    "{row}",
    "${jndi:x}",
    "/* x */",
    "a\x01b",
    "\\",
    "%\\",
)


@pytest.mark.parametrize("text", ATTACKS)
async def test_hostile_values_are_only_values(conn, rows, text):
    for op in ("=", "!=", ">", "?=", "!?=", "~=", "!~="):
        for path in (
            ("name",),
            ("vmNics", "mac"),
            ("triggersUuid",),
            ("__userTag__",),
            ("host", "__systemTag__"),
        ):
            await agree(conn, rows, "QtVm", [Asked(path, op, text)], None)
    await conn.execute("UPDATE qt_vms SET name = $1", text)
    like = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    for condition in (f"name={text}", f"name~={like}"):
        assert len(await keys(conn, "QtVm", condition)) == len(rows["qt_vms"])


@pytest.mark.parametrize("text", [*ATTACKS, "uuid;", '"uuid"', "uuid--", "t0.uuid", "secret", "qt_vms"])
async def test_hostile_names_are_unknown_names(conn, text):
    for parameters in ([("sort", text)], [("groupBy", text)], [("q", f"a.{text.replace('=', '')}=1")]):
        with pytest.raises((InternalError, InvalidArgument)):
            await run(conn, parse_parameters("QtVm", parameters), ALL, UTC)
    for parameters in ([("fields", text)], [("q", f"{text} is null")]):
        with pytest.raises((InternalError, InvalidArgument)):
            await run(conn, parse_parameters("QtVm", parameters), ALL, UTC)


@SLOW
@given(value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
async def test_any_text_is_compared_as_it_is(conn, rows, value):
    for op in ("=", "?=", "~=", "!~="):
        await agree(conn, rows, "QtVm", [Asked(("name",), op, value)], None)
    assert await conn.fetchval("SELECT 1") == 1
