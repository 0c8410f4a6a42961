"""The server classes behind the parts of a spending, which ZStack's Java SDK needs to build them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PACKAGE = "org.zstack.billing"
_CLASSES = {  # spendingType -> (class of a details element, class of its pieces)
    "VM": ("VmSpending", "VmSpendingDetails"),
    "rootVolume": ("RootVolumeSpending", "RootVolumeSpendingInventory"),
    "dataVolume": ("DataVolumeSpending", "DataVolumeSpendingInventory"),
    "snapShot": ("SnapshotSpending", "SnapShotSpendingInventory"),
}


def describe(body: Mapping[str, Any]) -> dict[str, str]:
    """The `schema` map of a spending: each path that the body has and its class, parents first."""
    found: dict[str, str] = {}
    for i, group in enumerate(body.get("spending", [])):
        found[f"spending[{i}]"] = f"{_PACKAGE}.Spending"
        detail_class, piece_class = _CLASSES[group["spendingType"]]
        for j, detail in enumerate(group["details"]):
            path = f"spending[{i}].details[{j}]"
            found[path] = f"{_PACKAGE}.{detail_class}"
            for name, pieces in detail.items():
                if name.endswith("Inventory"):
                    found.update(
                        {f"{path}.{name}[{k}]": f"{_PACKAGE}.{piece_class}" for k in range(len(pieces))}
                    )
    return found
