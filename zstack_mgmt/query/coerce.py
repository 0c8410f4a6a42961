"""From the text of a condition to the values that PostgreSQL is given."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from zstack_mgmt.core.errors import InternalError
from zstack_mgmt.core.inventory import Kind
from zstack_mgmt.core.values import parse_date
from zstack_mgmt.query.parser import split_list
from zstack_mgmt.query.tree import Op

Value = str | int | Decimal | bool | datetime | tuple[object, ...]

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}(\.0{0,20})?")
_NUMBER = re.compile(r"[+-]?([0-9]{1,64}(\.[0-9]{0,64})?|\.[0-9]{1,64})([eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.([0-9]{1,9}))?")
_SHOWN = 64


def bound_values(label: str, op: Op, text: str, zone: ZoneInfo, *, kind: Kind) -> tuple[Value, ...]:
    """The values that the condition's SQL binds, in order.

    A date stands for the stretch of time that it names, a second or a fraction of one. Rows hold microseconds
    that no reply shows, and `createDate=<what a reply showed>` is to find its row. So `=` binds a start and
    an end, `>` binds the end, `>=` the start, and so on. LIKE works on texts, a date's being its form in
    conditions, in the server's zone.

    Raises:
        InternalError: the text is no value of this kind; `label` names the field.
    """
    if op in (Op.IS_NULL, Op.NOT_NULL):
        return ()
    if op in (Op.LIKE, Op.NOT_LIKE):
        pattern = like_pattern(text)
        return (pattern, zone.key) if kind == "date" else (pattern,)
    texts = split_list(text) if op in (Op.IN, Op.NOT_IN) else (text,)
    if kind == "date":
        stretches = [parse_stretch(label, item, zone) for item in texts]
        match op:
            case Op.IN | Op.NOT_IN:
                return (tuple(start for start, _ in stretches), tuple(end for _, end in stretches))
            case Op.EQ | Op.NE:
                return stretches[0]
            case Op.GT | Op.LE:
                return (stretches[0][1],)
            case _:
                return (stretches[0][0],)
    values = tuple(parse_value(label, kind, item) for item in texts)
    return (values,) if op in (Op.IN, Op.NOT_IN) else values


def parse_value(label: str, kind: Kind, text: str) -> Value:
    """One value of a kind other than date.

    >>> parse_value("cpuNum", "integer", "-4"), parse_value("cpuNum", "integer", "4.0")
    (-4, 4)
    >>> parse_value("system", "boolean", "TRUE"), parse_value("system", "boolean", "yes")
    (True, False)

    Raises:
        InternalError: the text is no value of this kind, or outside the range of 64-bit integers or doubles.
    """
    match kind:
        case "boolean":
            return text.lower() == "true"
        case "integer":
            if _INTEGER.fullmatch(text):
                value = int(text.partition(".")[0])
                if -(2**63) <= value < 2**63:
                    return value
            raise InternalError(f"{label}: {text[:_SHOWN]!r} is not an integer of 64 bits")
        case "number":
            if _NUMBER.fullmatch(text):
                number = Decimal(text)
                size = abs(float(number))
                if math.isfinite(size) and (size > 0 or number == 0):
                    return number
            raise InternalError(f"{label}: {text[:_SHOWN]!r} is not a number that a double can hold")
        case _:
            return text


def parse_stretch(label: str, text: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Start and end (not included) of the second, or fraction of one, that a date names.

    >>> [str(t) for t in parse_stretch("createDate", "2017-01-01 11:31:06.5", ZoneInfo("Asia/Shanghai"))]
    ['2017-01-01 03:31:06.500000+00:00', '2017-01-01 03:31:06.600000+00:00']

    Raises:
        InternalError: not of the form yyyy-MM-dd HH:mm:ss[.f], or no such date.
    """
    shape = _DATE.fullmatch(text)
    try:
        if shape is None:
            raise ValueError
        # Java's Timestamp prints a whole second with ".0".
        digits = "" if shape[2] in (None, "0") else shape[2][:6]
        start = parse_date(text[:19], zone) + timedelta(microseconds=int(digits.ljust(6, "0")))
        return start, start + timedelta(microseconds=10 ** (6 - len(digits)))
    except (ValueError, OverflowError):
        raise InternalError(
            f"{label}: {text[:_SHOWN]!r} is not a date of the form yyyy-MM-dd HH:mm:ss"
        ) from None


def fold(text: str) -> str:
    """The text without the case of its ASCII letters, as `lower` makes it under the collation "C".

    >>> fold("Web-É")
    'web-É'
    """
    return text.encode().lower().decode()


def like_pattern(text: str) -> str:
    r"""The pattern for LIKE: `%` and `_` are wild, a backslash makes the next character plain.

    A backslash at the very end escapes nothing and stands for itself; PostgreSQL would refuse it.

    >>> like_pattern("a\\"), like_pattern("a\\\\"), like_pattern("50\\%")
    ('a\\\\', 'a\\\\', '50\\%')
    """
    trailing = len(text) - len(text.rstrip("\\"))
    return text + "\\" if trailing % 2 else text
