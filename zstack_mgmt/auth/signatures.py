"""Requests signed with an access key: `Authorization: ZStack <id>:<signature>` and a `Date`.

The signature is base64(HMAC-SHA1(secret, "METHOD\nDATE\nPATH")), the path without its query and without
`/zstack`. It covers neither the query nor the body.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DATE = re.compile(
    r"[A-Za-z]{3}, (\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) (\S{1,40})", re.ASCII
)
_OFFSET = re.compile(r"(?:GMT|UTC)?([+-])(\d{1,2}):?(\d\d)?", re.ASCII)
_MONTHS = ["-", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_ABBREVIATIONS = {
    "CST": "Asia/Shanghai",  # what ZStack's clients mean by it
    "MMT": "Asia/Yangon",
    "ICT": "Asia/Ho_Chi_Minh",
}


@dataclass(frozen=True, slots=True)
class Signed:
    """What a request says of its signature."""

    key_id: str
    signature: str
    date: str
    method: str
    path: str  # as it was sent, without `/zstack`

    def made_by(self, secret: str) -> bool:
        """Whether this secret made the signature; how long that takes to tell does not depend on it."""
        text = f"{self.method}\n{self.date}\n{self.path}".encode(errors="surrogateescape")
        expected = base64.b64encode(hmac.digest(secret.encode(), text, "sha1"))
        return hmac.compare_digest(expected, self.signature.encode(errors="replace"))


@lru_cache(1024)  # clients send one date for a second
def moments_of(date: str, server_zone: ZoneInfo) -> tuple[datetime, ...]:
    """The moments that the text can mean; none when it is no date.

    CST means China's time. Python clients write it behind the time of whatever zone they are in, so it
    can also mean the server's zone.
    """
    found = _DATE.fullmatch(date)
    if found is None or (zone := _zone(found[7])) is None:
        return ()
    try:
        day, month, year, hour, minute, second = found.groups()[:6]
        clock = (int(hour), int(minute), int(second))
        naive = datetime(int(year), _MONTHS.index(month), int(day), *clock)  # noqa: DTZ001 (the zone follows)
        zones = (zone, server_zone) if found[7] == "CST" else (zone,)
        return tuple(naive.replace(tzinfo=each).astimezone(UTC) for each in zones)
    except (ValueError, OverflowError):
        return ()


@lru_cache(256)
def _zone(name: str) -> tzinfo | None:
    if name == "Z":
        return UTC
    offset = _OFFSET.fullmatch(name)
    try:
        if offset is not None:
            away = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
            return timezone(away if offset[1] == "+" else -away)
        return ZoneInfo(_ABBREVIATIONS.get(name, name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
