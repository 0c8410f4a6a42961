"""The items of EOS, which of them the inventory counts, and their units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import BadRequest

NO_LIMIT = 2**63 - 1
"""What an account's quota has where there is no limit; -1 on EOS's wire."""
MIB, GIB = 2**20, 2**30
VOLUME_TYPE = "hdd"  # the one type of volumes that there is, by the name that EOS's samples use


@dataclass(frozen=True, slots=True)
class Item:
    """One item.

    `quotas` are those of the account that it sets, the first of which it shows; `unit` is so many of theirs.
    """

    quotas: tuple[str, ...] = ()
    unit: int = 1
    fractions: bool = False


ITEMS: Mapping[str, Item] = {
    "instances": Item(("vm.totalNum", "vm.num")),
    "cores": Item(("vm.cpuNum",)),
    "ram": Item(("vm.memorySize",), MIB, fractions=True),
    f"volumes_{VOLUME_TYPE}": Item(("volume.data.num",)),
    f"gigabytes_{VOLUME_TYPE}": Item(("volume.capacity",), GIB, fractions=True),
    f"snapshots_{VOLUME_TYPE}": Item(("snapshot.volume.num",)),
    "backup_gigabytes": Item(fractions=True),
    "backups": Item(),
    "network": Item(("l3.num",)),
    "subnet": Item(),
    "floatingip": Item(("eip.num", "vip.num")),
    "router": Item(),
    "security_group": Item(("securityGroup.num",)),
    "security_group_rule": Item(),
    "port": Item(),
    "loadbalancer": Item(("loadBalancer.num",)),
    "cpu": Item(),
    "pods": Item(),
    "memory": Item(fractions=True),
    "gpu": Item(),
    "alcub_storage": Item(fractions=True),
    "general_storage": Item(fractions=True),
}
ALIASES = {"networks": "network", "subnets": "subnet", "security_group_rules": "security_group_rule"}


def read_values(given: Mapping[str, Any]) -> dict[str, str]:
    """The values by item, exact. Raises BadRequest, which names the first item that is wrong."""
    values: dict[str, str] = {}
    for key, value in given.items():
        name = ALIASES.get(key, key)
        item = ITEMS.get(name)
        if item is None:
            raise BadRequest(f"{key[:64]!r} is no quota")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadRequest(f"{key}: the value must be a number")
        number = Decimal(str(value))
        if not number.is_finite() or (number < 0 and number != -1) or number * item.unit >= NO_LIMIT:
            raise BadRequest(f"{key}: the value must be -1, for no limit, or a number that can be counted")
        if not item.fractions and number != number.to_integral_value():
            raise BadRequest(f"{key}: the value must be a whole number")
        values[name] = str(number)
    if not values:
        raise BadRequest("name at least one quota to change")
    return values


def shown_by(quota: str, value: int) -> dict[str, Decimal]:
    """The items that show this quota of an account, with what they show.

    >>> shown_by("vm.memorySize", 2**30), shown_by("vm.totalNum", NO_LIMIT), shown_by("vm.num", 5)
    ({'ram': Decimal('1024')}, {'instances': Decimal('-1')}, {})
    """
    return {
        name: Decimal(-1) if value == NO_LIMIT else Decimal(value) / item.unit
        for name, item in ITEMS.items()
        if quota in item.quotas[:1]
    }


def shown(amount: Decimal) -> int | float:
    """The number as JSON has it."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def ceilings_of(settings: Settings) -> dict[str, Decimal]:
    """The most that each item can be set to, where the operator says so."""
    return {name: Decimal(str(value)) for name, value in orjson.loads(settings.domain_quota_limits).items()}
