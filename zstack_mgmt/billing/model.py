"""Prices and usage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from zstack_mgmt.core.inventory import Inventory, inventory
from zstack_mgmt.doc import Doc

Kind = Literal["VM", "rootVolume", "dataVolume", "snapShot"]


@inventory("org.zstack.billing.PriceInventory", table="prices")
class Price(Inventory):
    """What a unit of a resource costs from a moment on. Source: manual, "CreateResourcePrice"."""

    uuid: str
    resource_name: Annotated[str, Doc("what it is for, such as cpu or memory")]
    resource_unit: Annotated[str | None, Doc("of sizes, such as GB; absent for pieces")]
    time_unit: Annotated[str, Doc("what the price is per, such as h")]
    price: Annotated[float, Doc("of one unit for one time unit")]
    date_in_long: Annotated[int, Doc("milliseconds since 1970 from which it holds")]
    create_date: datetime
    last_op_date: datetime


@dataclass(frozen=True, slots=True)
class Tariff:
    """A price as it is reckoned with: exact, valid from `start` until `end` (ms, exclusive)."""

    amount: Decimal  # for one unit in one time unit
    unit_bytes: int  # 0: per piece
    time_unit_ms: int
    start: int
    end: int | None  # None: until further notice


@dataclass(frozen=True, slots=True)
class Usage:
    """One stretch of use inside a window, or several of one resource and size that were added up.

    `ms` is how long it was used; of a single stretch that is `end - start`.
    """

    kind: Kind
    resource_uuid: str
    cpu_num: int
    size: int  # bytes
    start: int  # ms
    end: int  # ms, exclusive
    ms: int
