"""Another account's uuid behaves as one that does not exist: in every uuid field of every compute API."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from pydantic.alias_generators import to_camel
from world import World, build

from app import BACKUP_STORAGE, Answer, Client, service_of_its_own
from services import Services
from zstack_mgmt.core.registry import APIS, PATH_VARIABLE, Api
from zstack_mgmt.features import load

pytestmark = pytest.mark.asyncio(loop_scope="module")

load()

MISSING = "0" * 12 + "4" + "0" * 3 + "8" + "0" * 15
FEATURES = (
    "zones",
    "hosts",
    "images",
    "offerings",
    "networks",
    "vips",
    "vms",
    "volumes",
    "snapshots",
    "billing",
    "webhooks",
)
INFRASTRUCTURE = frozenset(
    {"zoneUuid", "clusterUuid", "hostUuid", "primaryStorageUuid", "primaryStorageUuidForRootVolume"}
    | {"backupStorageUuids"}
)
"""Fields whose uuids belong to no account."""


@dataclass
class Side:
    """An account and what it owns."""

    client: Client
    account: str
    job: str  # that it called
    image: str
    offering: str
    disk: str
    l3: str
    l3_b: str
    ip_range: str
    vm: str
    destroyed_vm: str
    nic: str
    root: str
    attached: str
    volume: str
    deleted_volume: str
    snapshot: str
    vip: str
    used_vip: str
    eip: str
    used_eip: str


Params = Mapping[str, Any]
CALLS: dict[str, Callable[[Side], Params]] = {
    "AddImage": lambda s: (
        {"name": "i", "url": "u", "format": "raw", "backupStorageUuids": [BACKUP_STORAGE]}
        | {"resourceUuid": s.image}
    ),
    "UpdateImage": lambda s: {"uuid": s.image, "name": "n"},
    "ChangeImageState": lambda s: {"uuid": s.image, "stateEvent": "disable"},
    "DeleteImage": lambda s: {"uuid": s.image},
    "RecoverImage": lambda s: {"uuid": s.image},
    "ExpungeImage": lambda s: {"uuid": s.image},
    "GetFreeIp": lambda s: {"l3NetworkUuid": s.l3, "ipRangeUuid": s.ip_range},
    "CheckIpAvailability": lambda s: {"l3NetworkUuid": s.l3, "ip": "10.9.9.9"},
    "GetVmStartingCandidateClustersHosts": lambda s: {"uuid": s.vm},
    "GetEipAttachableVmNics": lambda s: {"eipUuid": s.eip, "vmUuid": s.vm},
    "GetVmNicAttachableEips": lambda s: {"vmNicUuid": s.nic},
    "GetDataVolumeAttachableVm": lambda s: {"volumeUuid": s.volume},
    "GetVmAttachableDataVolume": lambda s: {"vmInstanceUuid": s.vm},
    "GetVmAttachableL3Network": lambda s: {"vmInstanceUuid": s.vm},
    "GetCandidatePrimaryStoragesForCreatingVm": lambda s: {
        "imageUuid": s.image,
        "l3NetworkUuids": [s.l3],
        "rootDiskOfferingUuid": s.disk,
        "dataDiskOfferingUuids": [s.disk],
    },
    "CreateVip": lambda s: (
        {"name": "v", "l3NetworkUuid": s.l3, "ipRangeUuid": s.ip_range} | {"resourceUuid": s.vip}
    ),
    "UpdateVip": lambda s: {"uuid": s.vip, "name": "n"},
    "ChangeVipState": lambda s: {"uuid": s.vip, "stateEvent": "disable"},
    "DeleteVip": lambda s: {"uuid": s.vip},
    "CreateEip": lambda s: {"name": "e", "vipUuid": s.vip, "vmNicUuid": s.nic, "resourceUuid": s.eip},
    "AttachEip": lambda s: {"eipUuid": s.eip, "vmNicUuid": s.nic},
    "DetachEip": lambda s: {"uuid": s.used_eip},
    "UpdateEip": lambda s: {"uuid": s.eip, "name": "n"},
    "ChangeEipState": lambda s: {"uuid": s.eip, "stateEvent": "disable"},
    "DeleteEip": lambda s: {"uuid": s.eip},
    "CreateVmInstance": lambda s: {
        "name": "vm",
        "imageUuid": s.image,
        "instanceOfferingUuid": s.offering,
        "l3NetworkUuids": [s.l3],
        "defaultL3NetworkUuid": s.l3,
        "dataDiskOfferingUuids": [s.disk],
        "rootDiskOfferingUuid": s.disk,
        "resourceUuid": s.vm,
    },
    "StartVmInstance": lambda s: {"uuid": s.vm},
    "StopVmInstance": lambda s: {"uuid": s.vm},
    "RebootVmInstance": lambda s: {"uuid": s.vm},
    "PauseVmInstance": lambda s: {"uuid": s.vm},
    "ResumeVmInstance": lambda s: {"uuid": s.vm},
    "DestroyVmInstance": lambda s: {"uuid": s.vm},
    "RecoverVmInstance": lambda s: {"uuid": s.destroyed_vm},
    "ExpungeVmInstance": lambda s: {"uuid": s.destroyed_vm},
    "UpdateVmInstance": lambda s: {"uuid": s.vm, "defaultL3NetworkUuid": s.l3},
    "ChangeInstanceOffering": lambda s: {"vmInstanceUuid": s.vm, "instanceOfferingUuid": s.offering},
    "AttachL3NetworkToVm": lambda s: {"vmInstanceUuid": s.vm, "l3NetworkUuid": s.l3_b},
    "DetachL3NetworkFromVm": lambda s: {"vmNicUuid": s.nic},
    "GetVmConsoleAddress": lambda s: {"uuid": s.vm},
    "CreateDataVolume": lambda s: {"name": "v", "diskOfferingUuid": s.disk, "resourceUuid": s.volume},
    "UpdateVolume": lambda s: {"uuid": s.volume, "name": "n"},
    "ChangeVolumeState": lambda s: {"uuid": s.volume, "stateEvent": "disable"},
    "DeleteDataVolume": lambda s: {"uuid": s.volume},
    "RecoverDataVolume": lambda s: {"uuid": s.deleted_volume},
    "ExpungeDataVolume": lambda s: {"uuid": s.deleted_volume},
    "AttachDataVolumeToVm": lambda s: {"volumeUuid": s.volume, "vmInstanceUuid": s.vm},
    "DetachDataVolumeFromVm": lambda s: {"uuid": s.attached, "vmUuid": s.vm},
    "CreateVolumeSnapshot": lambda s: {"volumeUuid": s.root, "name": "s", "resourceUuid": s.snapshot},
    "UpdateVolumeSnapshot": lambda s: {"uuid": s.snapshot, "name": "n"},
    "DeleteVolumeSnapshot": lambda s: {"uuid": s.snapshot},
    "CalculateAccountSpending": lambda s: {"accountUuid": s.account},
    "ListWebhookDeliveries": lambda s: {"accountUuid": s.account},
    "RedeliverFailedWebhooks": lambda s: {"since": "2026-01-31 12:00:00", "accountUuid": s.account},
    "GetWebhookDeliveries": lambda s: {"uuid": s.job},
    "RedeliverWebhook": lambda s: {"uuid": s.job},
}
"""For each API the parameters with which a side may call it, but for a resourceUuid, which is taken."""

OPEN = [a for a in APIS.values() if a.feature in FEATURES and a.access in ("user", "account")]


def uuid_fields(declared: Api) -> list[str]:
    """The parameters of an API that name resources of accounts, as the wire calls them."""
    names = [to_camel(name) for name in declared.request.model_fields]
    return [n for n in names if n.lower().endswith(("uuid", "uuids")) and n not in INFRASTRUCTURE]


CASES = [
    (declared.name, field) for declared in OPEN if declared.query is None for field in uuid_fields(declared)
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sides(
    services: Services, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[World, Side, Side]]:
    """Two accounts with the same possessions, in one service."""
    async with service_of_its_own(services, tmp_path_factory.mktemp("service")) as service:
        world = await build(service)
        yield world, await make_side(world, "victim", 1), await make_side(world, "stranger", 2)


async def make_side(world: World, name: str, number: int) -> Side:
    account, client = await world.service.account(name)
    admin = world.admin
    offering = await admin.create("/instance-offerings", name="o", cpuNum=1, memorySize=1024)
    disk = await admin.create("/disk-offerings", name="d", diskSize=1024)
    networks = [await admin.create("/l3-networks", name=f"l3{n}", l2NetworkUuid=world.l2) for n in (1, 2, 3)]
    ranges: dict[str, str] = {}
    for n, l3 in enumerate(networks):
        path = f"/l3-networks/{l3['uuid']}/ip-ranges/by-cidr"
        made = await admin.create(path, name="r", networkCidr=f"10.{number}.{n}.0/24")
        ranges[l3["uuid"]] = made["uuid"]
    for given in (offering, disk, *networks):
        body = {"params": {"resourceUuid": given["uuid"]}}
        assert (await admin.job("POST", f"/account/{account['uuid']}/resources", body)).status == 200
    l3, l3_b, public = (network["uuid"] for network in networks)
    image = await client.create(
        "/images", name="i", url="u", format="iso", mediaType="ISO", backupStorageUuids=[BACKUP_STORAGE]
    )
    params = {
        "imageUuid": image["uuid"],
        "instanceOfferingUuid": offering["uuid"],
        "l3NetworkUuids": [l3],
        "rootDiskOfferingUuid": disk["uuid"],
        "dataDiskOfferingUuids": [disk["uuid"]],
    }
    vm = await client.create("/vm-instances", name="vm", **params)
    second = await client.create("/vm-instances", name="second", **params)
    gone = await client.job("DELETE", f"/vm-instances/{second['uuid']}")
    volume = await client.create("/volumes/data", name="v", diskSize=1024)
    kept = second["allVolumes"][1]["uuid"]
    assert (await client.job("DELETE", f"/volumes/{kept}")).status == 200
    root, attached = (v["uuid"] for v in vm["allVolumes"])
    vips = [await client.create("/vips", name="v", l3NetworkUuid=public) for _ in range(3)]
    spare = await client.create("/vm-instances", name="spare", **params)
    eip = await client.create("/eips", name="e", vipUuid=vips[0]["uuid"])
    used = await client.create(
        "/eips", name="e", vipUuid=vips[1]["uuid"], vmNicUuid=spare["vmNics"][0]["uuid"]
    )
    return Side(
        client=client,
        account=account["uuid"],
        job=gone.headers["X-Job-UUID"],
        image=image["uuid"],
        offering=offering["uuid"],
        disk=disk["uuid"],
        l3=l3,
        l3_b=l3_b,
        ip_range=ranges[l3],
        vm=vm["uuid"],
        destroyed_vm=second["uuid"],
        nic=vm["vmNics"][0]["uuid"],
        root=root,
        attached=attached,
        volume=volume["uuid"],
        deleted_volume=kept,
        snapshot=(await client.create(f"/volumes/{root}/volume-snapshots", name="s"))["uuid"],
        vip=vips[2]["uuid"],
        used_vip=vips[0]["uuid"],
        eip=eip["uuid"],
        used_eip=used["uuid"],
    )


async def ask(client: Client, declared: Api, params: Params, field: str) -> Answer:
    """Call the API with these parameters, each in its place, by a path that names the field."""
    template = next((path for path in declared.paths if f"{{{field}}}" in path), declared.paths[0])
    path = PATH_VARIABLE.sub(lambda found: str(params[found[1]]), template.removeprefix("/v1"))
    rest = {name: value for name, value in params.items() if name not in declared.in_path}
    if declared.method in ("GET", "DELETE"):
        path += "?" + "&".join(f"{name}={value}" for name, value in rest.items())
        return await client.job(declared.method, path)
    return await client.job(declared.method, path, {declared.body_key: rest})


async def possessions(world: World) -> dict[str, str]:
    """The rows of all resources of accounts, each table in one text."""
    tables = (
        *("images", "instance_offerings", "disk_offerings", "l3_networks", "vips", "eips", "vm_instances"),
        *("vm_nics", "volumes", "volume_snapshots", "used_ips", "resource_owners", "simulator_domains"),
    )
    text = "SELECT coalesce(string_agg(t::text, ' ' ORDER BY t::text), '') FROM {} t"
    return {table: await world.service.db.fetchval(text.format(table)) for table in tables}


async def test_every_api_is_in_the_table() -> None:
    names = {declared.name for declared in OPEN if declared.query is None and uuid_fields(declared)}
    assert names - CALLS.keys() == set(), "say with which parameters an account may call it: CALLS"
    assert CALLS.keys() - names == set(), "there is no such API any more"


@pytest.mark.parametrize(("name", "field"), CASES)
async def test_a_foreign_uuid_is_as_good_as_none(
    sides: tuple[World, Side, Side], name: str, field: str
) -> None:
    world, victim, stranger = sides
    declared = APIS[name]
    own, theirs = CALLS[name](stranger), CALLS[name](victim)
    params = {key: value for key, value in own.items() if key != "resourceUuid"}
    foreign = theirs[field]
    before = await possessions(world)
    answer = await ask(stranger.client, declared, params | {field: foreign}, field)
    assert await possessions(world) == before, answer
    if field == "resourceUuid":
        assert answer.code == "SYS.1000"  # taken, whoever has it
        return
    unknown = [MISSING] if isinstance(foreign, list) else MISSING
    absent = await ask(stranger.client, declared, params | {field: unknown}, field)
    named = foreign[0] if isinstance(foreign, list) else foreign
    assert answer.status == absent.status
    assert str(answer.body).replace(named, MISSING) == str(absent.body)
    if declared.method != "DELETE":
        assert answer.status == 503, answer


@pytest.mark.parametrize("name", [d.name for d in OPEN if d.query is not None and d.query.meta.owned])
async def test_no_query_finds_what_a_stranger_owns(sides: tuple[World, Side, Side], name: str) -> None:
    world, victim, stranger = sides
    meta = APIS[name].query.meta
    rows = await world.service.db.fetch(
        "SELECT resource_uuid FROM resource_owners WHERE account_uuid = $1 AND resource_type = $2",
        victim.account,
        meta.base_type,
    )
    path = APIS[name].paths[0].removeprefix("/v1")
    for row in rows:
        for asked in (f"{path}/{row['resource_uuid']}", f"{path}?q=uuid={row['resource_uuid']}"):
            assert (await stranger.client.get(asked)).body["inventories"] == [], asked
