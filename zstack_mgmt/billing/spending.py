"""What an account pays for a window of time. Amounts are exact decimals until they reach the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from functools import reduce
from typing import Any

from zstack_mgmt.billing import store
from zstack_mgmt.billing.model import Kind, Tariff, Usage
from zstack_mgmt.db import Connection

KINDS: tuple[Kind, ...] = ("VM", "rootVolume", "dataVolume", "snapShot")
MAX_PIECES = 20_000
"""Stretches of a window that are listed one by one. Of more, a resource has one piece under each price."""

_LISTS = {
    "VM": ("cpuInventory", "memoryInventory", "rootVolumeInventory"),
    "rootVolume": ("sizeInventory",),
    "dataVolume": ("sizeInventory",),
    "snapShot": ("sizeInventory",),
}
_SIZE_NAMES = {"rootVolume": "volumeSize", "dataVolume": "volumeSize", "snapShot": "snapshotSize"}
_CONTEXT = Context(prec=60)  # no product or sum of ours has as many digits; only a quotient is ever rounded


@dataclass(slots=True)
class Detail:
    """One resource's part."""

    total: Decimal = Decimal(0)
    pieces: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])


async def calculate(conn: Connection, account_uuid: str, start: int, end: int | None) -> dict[str, Any]:
    """The spending of an account in [start, end) ms in the reply's form.

    Args:
        end: None means now, as does any later moment: what is still in use is paid for until now.

    Source: manual, "CalculateAccountSpending"; the details as on the product. VM groups CPU and memory; the
    root volume, charged while its VM runs, is a group of its own, so the VM's rootVolumeInventory stays empty
    and no piece counts twice.
    """
    now = await store.now_ms(conn)
    last = now if end is None else end
    tariffs = await store.tariffs(conn)
    usages = await _usages(conn, account_uuid, start, min(last, now), tariffs)
    details = charge(usages, tariffs)
    names = await store.names(conn, [uuid for _, uuid in details])
    return _reply(details, names, start, last)


async def _usages(
    conn: Connection, account_uuid: str, start: int, end: int, tariffs: Mapping[str, Sequence[Tariff]]
) -> list[Usage]:
    """Each stretch of the window when they are few; else their sums between the changes of prices."""
    if end <= start:
        return []
    few = await store.stretches(conn, account_uuid, start, end, MAX_PIECES + 1)
    if len(few) <= MAX_PIECES:
        return sorted(few, key=lambda u: (u.start, u.end, u.resource_uuid))
    changes = {tariff.start for prices in tariffs.values() for tariff in prices}
    edges = [start, *sorted(moment for moment in changes if start < moment < end), end]
    return await store.sums(conn, account_uuid, edges)


def charge(
    usages: Iterable[Usage], tariffs: Mapping[str, Sequence[Tariff]]
) -> dict[tuple[Kind, str], Detail]:
    """The details by kind and resource; what had no price has none."""
    details: dict[tuple[Kind, str], Detail] = {}
    for usage in usages:
        for resource, place, quantity in _measures(usage):
            for tariff, first, last, ms in _pieces(usage, tariffs.get(resource, ())):
                units = quantity // tariff.unit_bytes if tariff.unit_bytes else quantity
                exact = _CONTEXT.multiply(tariff.amount, Decimal(units * ms))
                amount = _CONTEXT.divide(exact, Decimal(tariff.time_unit_ms))
                detail = details.setdefault((usage.kind, usage.resource_uuid), Detail())
                detail.total = _CONTEXT.add(detail.total, amount)
                piece: dict[str, Any] = {"startTime": first, "endTime": last, "spending": float(amount)}
                if usage.kind in _SIZE_NAMES:
                    piece[_SIZE_NAMES[usage.kind]] = usage.size
                detail.pieces.setdefault(place, []).append(piece)
    return details


def _measures(usage: Usage) -> Iterator[tuple[str, str, int]]:
    """What of a usage has a price: the price's resource, the list its pieces go to, and the quantity."""
    if usage.kind == "VM":
        yield "cpu", "cpuInventory", usage.cpu_num
        yield "memory", "memoryInventory", usage.size
    else:
        yield usage.kind, "sizeInventory", usage.size


def _pieces(usage: Usage, tariffs: Sequence[Tariff]) -> Iterator[tuple[Tariff, int, int, int]]:
    """The usage under each price: the price, from when to when, and for how many ms."""
    for tariff in tariffs:
        first = max(usage.start, tariff.start)
        last = usage.end if tariff.end is None else min(usage.end, tariff.end)
        if first < last:
            whole = first == usage.start and last == usage.end
            yield tariff, first, last, usage.ms if whole else last - first


def _reply(
    details: Mapping[tuple[Kind, str], Detail], names: Mapping[str, str], start: int, end: int
) -> dict[str, Any]:
    total = Decimal(0)
    groups: list[dict[str, Any]] = []
    for kind in KINDS:
        mine = {uuid: detail for (of, uuid), detail in details.items() if of == kind}
        spent = reduce(_CONTEXT.add, (detail.total for detail in mine.values()), Decimal(0))
        total = _CONTEXT.add(total, spent)
        groups.append(
            {
                "spendingType": kind,
                "spending": float(spent),
                "dateStart": start,
                "dateEnd": end,
                "details": [_detail(kind, uuid, mine[uuid], names) for uuid in sorted(mine)],
            }
        )
    return {"total": float(total), "success": True, "spending": groups}


def _detail(kind: Kind, uuid: str, detail: Detail, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "resourceUuid": uuid,
        "resourceName": names[uuid],
        "spending": float(detail.total),
        "type": kind,
    } | {name: detail.pieces.get(name, []) for name in _LISTS[kind]}
