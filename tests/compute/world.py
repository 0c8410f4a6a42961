"""A small cloud for the tests: one zone, cluster, host, image, offering and network, and an account to use
them.
"""

from dataclasses import dataclass
from typing import Any

from app import BACKUP_STORAGE, Answer, Client, Service

GIB = 1024**3


@dataclass
class World:
    """The uuids of what a VM is made of, and the service they are in."""

    service: Service
    zone: str
    cluster: str
    host: str
    image: str
    offering: str
    disk: str
    l2: str
    l3: str
    ip_range: str

    @property
    def admin(self) -> Client:
        return self.service.admin

    async def share(self) -> None:
        """Let every account use image, offerings and network."""
        body = {"resourceUuids": [self.image, self.offering, self.disk, self.l3], "toPublic": True}
        answer = await self.admin.job("PUT", "/accounts/resources/actions", {"shareResource": body})
        assert answer.status == 200, answer

    async def tenant(self, name: str = "tenant") -> Client:
        """A new account's client."""
        _, client = await self.service.account(name)
        return client

    def vm_params(self, **more: Any) -> dict[str, Any]:
        return {
            "name": "vm",
            "instanceOfferingUuid": self.offering,
            "imageUuid": self.image,
            "l3NetworkUuids": [self.l3],
        } | more

    async def vm(self, client: Client | None = None, **more: Any) -> Any:
        """A new VM's inventory."""
        return await (client or self.admin).create("/vm-instances", **self.vm_params(**more))

    async def act(self, vm: Any, action: str, client: Client | None = None, **params: Any) -> Answer:
        """An action on a VM."""
        path = f"/vm-instances/{vm['uuid']}/actions"
        return await (client or self.admin).job("PUT", path, {action: params})

    async def state(self, vm: Any) -> str | None:
        return await self.service.db.fetchval("SELECT state FROM vm_instances WHERE uuid = $1", vm["uuid"])

    async def fault(self, action: str | None, **columns: Any) -> None:
        """Have the simulator fail or wait."""
        values = {
            "latency_s": 0.0,
            "error": None,
            "lost": False,
            "remaining": None,
            "vm_uuid": None,
        } | columns
        await self.service.db.execute(
            """
            INSERT INTO simulator_faults (action, latency_s, error, lost, remaining, vm_uuid)
            VALUES ($1, $2, $3, $4, $5, $6)
            """,
            action,
            *values.values(),
        )

    async def no_faults(self) -> None:
        await self.service.db.execute("DELETE FROM simulator_faults")

    async def check_counters(self) -> None:
        """What the hosts say is free is what their VMs leave; no address or MAC is held twice."""
        rows = await self.service.db.fetch(
            """
            SELECT h.total_cpu_capacity - h.available_cpu_capacity AS cpu_counted,
                   h.total_memory_capacity - h.available_memory_capacity AS memory_counted,
                   coalesce(sum(v.cpu_num), 0) AS cpus, coalesce(sum(v.memory_size), 0) AS memory
            FROM hosts h LEFT JOIN vm_instances v ON v.host_uuid = h.uuid GROUP BY h.uuid
            """
        )
        for row in rows:
            assert (row["cpu_counted"], row["memory_counted"]) == (row["cpus"], row["memory"])
        twice = await self.service.db.fetchval(
            "SELECT count(*) - count(DISTINCT (l3_network_uuid, ip)) FROM vm_nics"
        )
        assert twice == 0
        loose = await self.service.db.fetchval(
            """
            SELECT (SELECT count(*) FROM vm_nics) + (SELECT count(*) FROM vips) - (SELECT count(*)
            FROM used_ips)
            """
        )
        assert loose == 0


async def build(
    service: Service,
    *,
    hypervisor: str = "Simulator",
    cidr: str = "192.168.0.0/16",
    management_ip: str = "10.0.0.1",
    memory_size: int = GIB,
) -> World:
    """The small cloud; its VMs have `memory_size` bytes."""
    admin = service.admin
    zone = (await admin.create("/zones", name="zone"))["uuid"]
    cluster = (await admin.create("/clusters", name="cluster", zoneUuid=zone, hypervisorType=hypervisor))[
        "uuid"
    ]
    login = {"username": "root", "password": "secret"} if hypervisor == "KVM" else {}
    kind = "kvm" if hypervisor == "KVM" else "simulators"
    host = await admin.create(
        f"/hosts/{kind}", name="host", managementIp=management_ip, clusterUuid=cluster, **login
    )
    image = await admin.create(
        "/images", name="image", url="http://x/i.qcow2", format="qcow2", backupStorageUuids=[BACKUP_STORAGE]
    )
    offering = await admin.create("/instance-offerings", name="small", cpuNum=1, memorySize=memory_size)
    disk = await admin.create("/disk-offerings", name="disk", diskSize=20 * GIB)
    l2 = await admin.create("/l2-networks/no-vlan", name="l2", zoneUuid=zone, physicalInterface="eth0")
    attached = await admin.job("POST", f"/l2-networks/{l2['uuid']}/clusters/{cluster}")
    assert attached.inventory["attachedClusterUuids"] == [cluster]
    l3 = await admin.create("/l3-networks", name="l3", l2NetworkUuid=l2["uuid"])
    ranged = await admin.create(
        f"/l3-networks/{l3['uuid']}/ip-ranges/by-cidr", name="range", networkCidr=cidr
    )
    return World(
        service,
        zone,
        cluster,
        host["uuid"],
        image["uuid"],
        offering["uuid"],
        disk["uuid"],
        l2["uuid"],
        l3["uuid"],
        ranged["uuid"],
    )
