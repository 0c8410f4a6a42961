"""Field types shared by the requests, and the few value forms of the wire."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha512
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints
from pydantic.alias_generators import to_camel

from zstack_mgmt.doc import Doc

ADMIN_UUID = "36c27e8ff05c4780bf6d2fa65700f22e"
"""The built-in administrator, made at the first start. It keeps its name, stays, and alone sees every row."""

UUID_PATTERN = re.compile(r"[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}")
_ANY_UUID_PATTERN = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
_JOB_UUID_PATTERN = re.compile(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}")
_EMPTY_DIGEST = sha512(b"").hexdigest()  # how clients send an empty password
_ODD_NAMES = {
    "access_key_id": "AccessKeyID",
    "access_key_secret": "AccessKeySecret",
    "enable_ipam": "enableIPAM",
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HOURS = tuple((hour % 12 or 12, "AM" if hour < 12 else "PM") for hour in range(24))
_TWO_DIGITS = tuple(f"{number:02d}" for number in range(60))


@dataclass(frozen=True, slots=True)
class Secret:
    """Marks a field whose clear text is replaced before the job row is written.

    `password`: by its argon2id hash. `sealed`: by a ciphertext that `auth.secrets.Sealer.open` turns back.
    `token`: by the hex of the keyed hash under which sessions are stored.
    """

    kind: Literal["password", "sealed", "token"]


@dataclass(frozen=True, slots=True)
class NamesResource:
    """Marks a field that names resources: a text that is no uuid names none, and no handler sees it."""


def wire_name(attribute: str) -> str:
    """The name of an attribute on the wire: camelCase, but for the few that ZStack writes otherwise.

    >>> wire_name("zone_uuid"), wire_name("access_key_id")
    ('zoneUuid', 'AccessKeyID')
    """
    return _ODD_NAMES.get(attribute) or to_camel(attribute)


def new_uuid() -> str:
    """A random version 4 uuid in the product's form: 32 lower-case hex digits. For tokens too."""
    raw = os.urandom(16).hex()
    return f"{raw[:12]}4{raw[13:16]}{'89ab'[int(raw[16], 16) & 3]}{raw[17:]}"


def is_uuid(text: str) -> bool:
    """Whether the text has the form of a resource uuid.

    >>> is_uuid("36c27e8ff05c4780bf6d2fa65700f22e"), is_uuid("36C27E8F-F05C"), is_uuid("")
    (True, False, False)
    """
    return UUID_PATTERN.fullmatch(text) is not None


def may_be_uuid(text: str) -> bool:
    """Whether the text is a uuid in somebody's way of writing one, of whatever version.

    >>> may_be_uuid("36C27E8F-F05C-4780-BF6D-2FA65700F22E"), may_be_uuid("0" * 32), may_be_uuid("cdroms")
    (True, True, False)
    """
    return _ANY_UUID_PATTERN.fullmatch(text) is not None


def is_job_uuid(text: str) -> bool:
    """Whether the text is a version 4 uuid without dashes, as the manual asks of X-Job-UUID."""
    return _JOB_UUID_PATTERN.fullmatch(text) is not None


def format_date(value: datetime, zone: ZoneInfo) -> str:
    """The manual's date form: English month, 12-hour clock, no padding of day and hour, no zone.

    >>> format_date(datetime(2017, 1, 1, 11, 31, 6, tzinfo=UTC), ZoneInfo("UTC"))
    'Jan 1, 2017 11:31:06 AM'
    >>> format_date(datetime(2017, 1, 12, 0, 5, 6, tzinfo=UTC), ZoneInfo("Asia/Shanghai"))
    'Jan 12, 2017 8:05:06 AM'
    """
    t = value if zone.key == "UTC" else value.astimezone(zone)
    hour, half = _HOURS[t.hour]
    day = f"{_MONTHS[t.month - 1]} {t.day}, {t.year}"
    return f"{day} {hour}:{_TWO_DIGITS[t.minute]}:{_TWO_DIGITS[t.second]} {half}"


def parse_date(text: str, zone: ZoneInfo) -> datetime:
    """A date as query conditions write it: `yyyy-MM-dd HH:mm:ss[.f]`, in the server's zone. Or ValueError."""
    if len(text) < 19 or text[10] != " ":
        raise ValueError(f"{text!r} is not a date of the form yyyy-MM-dd HH:mm:ss")
    value = datetime.fromisoformat(text)
    if value.tzinfo is not None:
        raise ValueError(f"{text!r} names a zone, which dates in conditions do not take")
    return _in_utc(value.replace(tzinfo=zone))


def parse_moment(text: str, zone: ZoneInfo) -> datetime:
    """A date in ISO 8601, in UTC; one that names no zone is in this one. Or ValueError.

    >>> str(parse_moment("2026-01-31T12:00:00+08:00", ZoneInfo("UTC")))
    '2026-01-31 04:00:00+00:00'
    """
    value = datetime.fromisoformat(text)
    return _in_utc(value if value.tzinfo is not None else value.replace(tzinfo=zone))


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:  # before the year 1 or after 9999, there
        raise ValueError(f"{value} is out of range") from None


def _resource_uuid(text: str) -> str:
    if not is_uuid(text):
        raise ValueError("is not a uuid: 32 lower-case hex digits, version 1 to 5")
    return text


ResourceName = Annotated[
    str, StringConstraints(max_length=255), Doc("At most 255 characters; the empty string is a name.")
]
Description = Annotated[str, StringConstraints(max_length=2048)]
ResourceUuid = Annotated[
    str,
    AfterValidator(_resource_uuid),
    Field(json_schema_extra={"pattern": f"^{UUID_PATTERN.pattern}$"}),
    Doc("A uuid that the client chooses for a new resource."),
]
Reference = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255),
    Doc(
        "The uuid of a resource that should exist. Its form is not checked: what does not exist is not found."
    ),
]
ExistingUuid = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255),
    NamesResource(),
    Doc("The uuid of a resource that should exist. What does not exist, or is no uuid, is not found."),
]


def _password(text: str) -> str:
    if text in ("", _EMPTY_DIGEST):
        raise ValueError("a password must not be empty")
    return text


Password = Annotated[
    str,
    StringConstraints(max_length=255),
    AfterValidator(_password),
    Secret("password"),
    Doc(
        "At most 255 characters: clear text, or the hex sha512 that ZStack's clients send. "
        "Stored as a hash only."
    ),
]
ClearPassword = Annotated[
    str,
    StringConstraints(max_length=255),
    Secret("sealed"),
    Doc("A password that the handler compares with a stored one."),
]
SessionToken = Annotated[
    str,
    StringConstraints(max_length=128),
    Secret("token"),
    Doc("The uuid of a session, which is its bearer token."),
]
SealedToken = Annotated[
    str,
    StringConstraints(max_length=128),
    Secret("sealed"),
    Doc("The uuid of a session, which is its bearer token."),
]
DeleteMode = Annotated[Literal["Permissive", "Enforcing", ""], Field()]
StateEvent = Literal["enable", "disable"]
