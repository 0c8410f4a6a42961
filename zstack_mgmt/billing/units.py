"""Units of prices, in exact numbers."""

from __future__ import annotations

from zstack_mgmt.core.errors import InvalidArgument

RESOURCES = ("cpu", "memory", "rootVolume", "dataVolume", "snapShot")
"""What has a price, as the product writes it."""

_BYTES = {letter: 1024**power for power, letter in enumerate("bkmgtp")}
_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_CANONICAL = {name.lower(): name for name in RESOURCES}


def canonical_resource(name: str) -> str:
    """The product's spelling of a resource name in any case.

    Raises:
        InvalidArgument: nothing of this name has a price.

    >>> canonical_resource("rootvolume"), canonical_resource("snapShot")
    ('rootVolume', 'snapShot')
    """
    try:
        return _CANONICAL[name.lower()]
    except KeyError:
        raise InvalidArgument(f"resourceName must be one of {', '.join(RESOURCES)}") from None


def unit_bytes(unit: str) -> int:
    """The size of a resourceUnit: b, k, m, g, t or p in any case, powers of 1024.

    Raises:
        InvalidArgument: no such unit.

    >>> unit_bytes("m"), unit_bytes("G")
    (1048576, 1073741824)
    """
    try:
        return _BYTES[unit.lower()]
    except KeyError:
        raise InvalidArgument(f"resourceUnit must be one of {', '.join(_BYTES)}") from None


def time_unit_ms(unit: str) -> int:
    """The length of a timeUnit: s, m, h, d or w.

    Raises:
        InvalidArgument: no such unit.

    >>> time_unit_ms("m"), time_unit_ms("d")
    (60000, 86400000)
    """
    try:
        return _MS[unit]
    except KeyError:
        raise InvalidArgument(f"timeUnit must be one of {', '.join(_MS)}") from None
