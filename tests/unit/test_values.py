"""Dates from outside."""

from zoneinfo import ZoneInfo

import pytest

from zstack_mgmt.core.values import parse_date, parse_moment

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31 12:00:00+00:00"),
        ("2026-01-31T12:00:00-01:30", "2026-01-31 13:30:00+00:00"),
        ("2026-01-31 12:00:00", "2026-01-31 04:00:00+00:00"),
        ("2026-01-31", "2026-01-30 16:00:00+00:00"),
    ],
)
def test_moments_come_out_in_utc(text, moment):
    assert str(parse_moment(text, SHANGHAI)) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00",
        "2026-13-01",
    ],
)
def test_what_is_no_moment_in_utc_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 (its text is the caller's matter)
        parse_moment(text, SHANGHAI)


def test_a_date_before_the_first_is_refused():
    with pytest.raises(ValueError, match="out of range"):
        parse_date("0001-01-01 00:00:00", SHANGHAI)
