"""Requests signed with an access key: `Authorization: ZStack <id>:<signature>`."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key, as CreateAccessKey shows it."""

    id: str
    secret: str = field(repr=False)

    def headers(self, method: str, path: str, now: datetime | None = None) -> dict[str, str]:
        """The headers that sign a request.

        Args:
            path: as it is sent, without its query and without `/zstack`: `/v1/zones`.

        >>> now = datetime(2026, 11, 25, 22, 32, 27, tzinfo=UTC)
        >>> AccessKey("id", "secret").headers("GET", "/v1/zones", now)
        {'Date': 'Wed, 25 Nov 2026 22:32:27 UTC', 'Authorization': 'ZStack id:nSrFFJM9BgHDGBkB4fGPdFUUXdM='}
        """
        at = now or datetime.now(UTC)
        # strftime would write the days in the language of the process.
        date = f"{_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at:%Y %H:%M:%S} UTC"
        text = f"{method}\n{date}\n{path}".encode()
        signature = base64.b64encode(hmac.digest(self.secret.encode(), text, "sha1")).decode()
        return {"Date": date, "Authorization": f"ZStack {self.id}:{signature}"}
