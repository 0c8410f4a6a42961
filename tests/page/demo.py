"""A small cloud for the page to show: tenants with VMs, a schedule, prices, a webhook that failed."""

import time
from dataclasses import dataclass
from typing import Any

from app import Client, Service

GIB = 1024**3


@dataclass(frozen=True)
class Demo:
    """What the tests look for."""

    tenant: Client
    account: Any
    vms: list[Any]


async def make(service: Service) -> Demo:
    """Make it, through the API as anybody would."""
    admin = service.admin
    zone = (await admin.create("/zones", name="east-1"))["uuid"]
    cluster = (await admin.create("/clusters", name="rack-a", zoneUuid=zone, hypervisorType="Simulator"))[
        "uuid"
    ]
    for number in (11, 12, 13):
        await admin.create(
            "/hosts/simulators",
            name=f"node-{number}",
            clusterUuid=cluster,
            managementIp=f"192.0.2.{number}",
            memoryCapacity=64 * GIB,
            cpuCapacity=32,
        )
    offering = (await admin.create("/instance-offerings", name="medium", cpuNum=2, memorySize=4 * GIB))[
        "uuid"
    ]
    disk = (await admin.create("/disk-offerings", name="100 GiB", diskSize=100 * GIB))["uuid"]
    storage = (await admin.get("/backup-storage")).body["inventories"][0]["uuid"]
    image = await admin.create(
        "/images",
        name="debian-12",
        url="file:///debian-12.qcow2",
        format="qcow2",
        backupStorageUuids=[storage],
    )
    l2 = (await admin.create("/l2-networks/no-vlan", name="trunk", zoneUuid=zone, physicalInterface="eth0"))[
        "uuid"
    ]
    await admin.job("POST", f"/l2-networks/{l2}/clusters/{cluster}", {"params": {}})
    l3 = (await admin.create("/l3-networks", name="office", l2NetworkUuid=l2))["uuid"]
    await admin.create(f"/l3-networks/{l3}/ip-ranges/by-cidr", name="office-1", networkCidr="10.8.0.0/24")
    shared = {"resourceUuids": [offering, disk, image["uuid"], l3], "toPublic": True}
    await admin.job("PUT", "/accounts/resources/actions", {"shareResource": shared})
    begun = int(time.time() * 1000) - 30 * 86_400_000
    for resource, price in (("cpu", 0.12), ("memory", 0.04), ("rootVolume", 0.01)):
        unit = {} if resource == "cpu" else {"resourceUnit": "g"}
        await admin.create(
            "/billings/prices", resourceName=resource, timeUnit="h", price=price, dateInLong=begun, **unit
        )
    account, tenant = await service.account("acme", description="Shop and warehouse")
    for name in ("Ann", "Bo", "Chen"):
        await tenant.create("/accounts/users", name=name, password="secret")
    size = {"instanceOfferingUuid": offering, "imageUuid": image["uuid"], "l3NetworkUuids": [l3]}
    names = ("web-1", "web-2", "db-1", "cache-1", "batch-1")
    vms = [await tenant.create("/vm-instances", name=name, **size) for name in names]
    await tenant.job("PUT", f"/vm-instances/{vms[-1]['uuid']}/actions", {"stopVmInstance": {}})
    await tenant.create("/volumes/data", name="orders", diskOfferingUuid=disk)
    nightly = await tenant.create(
        "/scheduler/triggers", name="nightly", schedulerType="cron", cron="0 30 22 ? * MON-FRI"
    )
    stop = await tenant.create(
        "/scheduler/jobs", name="stop web-2 at night", type="stopVm", targetResourceUuid=vms[1]["uuid"]
    )
    pair = f"/scheduler/jobs/{stop['uuid']}/scheduler/triggers/{nightly['uuid']}"
    await tenant.job("POST", pair, {"params": {}})
    await tenant.job("POST", "/accounts/users", {"params": {"name": "Ann", "password": "secret"}})  # fails
    # Usage that began some days ago, so that there is a bill: the clock is the database's.
    await service.db.execute(
        "UPDATE usages SET started_at = started_at - 86400000::bigint * (4 + id % 7) WHERE ended_at IS NULL"
    )
    return Demo(tenant, account, vms)
