"""The schema map of a spending names only paths that its body has, parents before children."""

from typing import Any

from zstack_mgmt.billing.classes import describe


def test_each_part_has_its_class() -> None:
    pieces = [{"startTime": 1, "endTime": 2, "spending": 0.5}]
    machine = {"cpuInventory": pieces, "memoryInventory": [], "type": "VM"}
    body: dict[str, Any] = {
        "total": 1.0,
        "spending": [
            {"spendingType": "VM", "details": [machine]},
            {"spendingType": "snapShot", "details": []},
            {"spendingType": "rootVolume", "details": [{"sizeInventory": pieces * 2}]},
        ],
    }
    assert list(describe(body).items()) == [
        ("spending[0]", "org.zstack.billing.Spending"),
        ("spending[0].details[0]", "org.zstack.billing.VmSpending"),
        ("spending[0].details[0].cpuInventory[0]", "org.zstack.billing.VmSpendingDetails"),
        ("spending[1]", "org.zstack.billing.Spending"),
        ("spending[2]", "org.zstack.billing.Spending"),
        ("spending[2].details[0]", "org.zstack.billing.RootVolumeSpending"),
        ("spending[2].details[0].sizeInventory[0]", "org.zstack.billing.RootVolumeSpendingInventory"),
        ("spending[2].details[0].sizeInventory[1]", "org.zstack.billing.RootVolumeSpendingInventory"),
    ]


def test_nothing_spent_has_no_classes() -> None:
    assert describe({"total": 0, "spending": []}) == {}
