"""The storages that volumes and images are on."""

from typing import Any

import pytest

from app import BACKUP_STORAGE, PRIMARY_STORAGE, Answer
from compute.world import GIB, World

NOBODY = "0123456789ab4cde8123456789abcdef"


async def test_volumes_and_images_are_on_storages_that_exist(world: World) -> None:
    vm = await world.vm(dataDiskOfferingUuids=[world.disk])
    free = await world.admin.create(
        "/volumes/data", name="d", diskSize=GIB, primaryStorageUuid=PRIMARY_STORAGE
    )
    snapshot = await world.admin.create(f"/volumes/{vm['rootVolumeUuid']}/volume-snapshots", name="s")
    volumes = [*vm["allVolumes"], free, snapshot]
    assert {one["primaryStorageUuid"] for one in volumes} == {PRIMARY_STORAGE}
    (image,) = (await world.admin.get(f"/images/{world.image}")).body["inventories"]
    assert [ref["backupStorageUuid"] for ref in image["backupStorageRefs"]] == [BACKUP_STORAGE]
    found = await world.admin.get(
        f"/primary-storage?q=volume.uuid={free['uuid']}&q=cluster.uuid={world.cluster}"
    )
    assert [one["uuid"] for one in found.body["inventories"]] == [PRIMARY_STORAGE]
    found = await world.admin.get(f"/backup-storage?q=image.uuid={world.image}&q=zone.uuid={world.zone}")
    assert [one["uuid"] for one in found.body["inventories"]] == [BACKUP_STORAGE]
    found = await world.admin.get("/volumes?q=primaryStorage.type=localstorage&count=true")
    assert found.body["total"] == 3


async def test_unknown_storages_are_refused(world: World) -> None:
    params = {"name": "d", "diskSize": 1, "primaryStorageUuid": NOBODY}
    answers = [
        await world.admin.job("POST", "/volumes/data", {"params": params}),
        await world.admin.job(
            "POST", "/vm-instances", {"params": world.vm_params(primaryStorageUuidForRootVolume=NOBODY)}
        ),
    ]
    image = {"name": "i", "url": "u", "format": "raw", "backupStorageUuids": [BACKUP_STORAGE, NOBODY]}
    answers.append(await world.admin.job("POST", "/images", {"params": image}))
    for answer in answers:
        assert (answer.status, answer.code) == (503, "SYS.1003")
        assert f"storage has the uuid {NOBODY}" in answer.body["error"]["details"]
    assert await world.service.db.fetchval("SELECT count(*) FROM vm_instances") == 0


@pytest.mark.parametrize("path", ["primary-storage", "backup-storage"])
async def test_capacity_is_what_is_known(world: World, path: str) -> None:
    await world.vm()
    tenant = await world.tenant()
    (storage,) = (await tenant.get(f"/{path}")).body["inventories"]
    used = storage["usedCapacity"]
    assert used > 0
    assert not storage.keys() & {"totalCapacity", "availableCapacity"}
    attached = storage.get("attachedClusterUuids") or storage["attachedZoneUuids"]
    assert attached in ([world.cluster], [world.zone])
    action = {"primary-storage": "updatePrimaryStorage", "backup-storage": "updateBackupStorage"}[path]
    place = f"/{path}/{storage['uuid']}/actions"
    for total, left in ((used + GIB, GIB), (1, 0)):
        body = {action: {"name": "n", "totalCapacity": total}}
        changed = (await world.admin.job("PUT", place, body)).inventory
        assert (changed["totalCapacity"], changed["availableCapacity"]) == (total, left)
        assert (await tenant.get(f"/{path}/{storage['uuid']}")).body["inventories"] == [changed]
    assert (await tenant.job("PUT", place, body)).code == "ID.1002"
    assert len((await tenant.get(f"/{path}/types")).body["types"]) == 1


@pytest.mark.provokes("RecoverImage", "OperationError")
@pytest.mark.provokes("RecoverImage", "QuotaExceeded")
async def test_a_deleted_image_can_be_recovered_until_it_is_expunged(world: World) -> None:
    async def act(action: str, uuid: str, **params: Any) -> Answer:
        return await tenant.job("PUT", f"/images/{uuid}/actions", {action: params})

    async def used(name: str) -> int:
        usages = (await tenant.get(f"/accounts/quota/{account}/usages")).body["usages"]
        return next(one["used"] for one in usages if one["name"] == name)

    await world.share()
    made, tenant = await world.service.account("tenant")
    account = made["uuid"]
    params = {"url": "u", "format": "qcow2", "backupStorageUuids": [BACKUP_STORAGE], "size": GIB}
    image = await tenant.create("/images", name="i", **params)
    uuid = image["uuid"]
    vm = await world.vm(tenant, imageUuid=uuid)
    for action in ("expungeImage", "recoverImage"):
        assert (await act(action, uuid)).code == "SYS.1006"
    assert (await tenant.job("DELETE", f"/images/{uuid}")).status == 200
    assert (await tenant.job("DELETE", f"/images/{uuid}")).status == 200
    (shown,) = (await tenant.get(f"/images/{uuid}")).body["inventories"]
    assert shown["status"] == "Deleted"
    assert (await used("image.num"), await used("image.size")) == (0, GIB)
    refused = await tenant.job("POST", "/vm-instances", {"params": world.vm_params(imageUuid=uuid)})
    assert refused.code == "SYS.1006"
    body = {"identityUuid": account, "name": "image.num", "value": 0}
    await world.admin.job("PUT", "/accounts/quotas/actions", {"updateQuota": body})
    assert (await act("recoverImage", uuid)).code == "ID.1003"
    await world.admin.job("PUT", "/accounts/quotas/actions", {"updateQuota": body | {"value": 1}})
    assert (await act("recoverImage", uuid)).inventory["status"] == "Ready"
    assert await used("image.num") == 1
    assert (await tenant.job("DELETE", f"/images/{uuid}")).status == 200
    assert (await act("expungeImage", uuid, backupStorageUuids=[BACKUP_STORAGE])).status == 200
    assert (await act("expungeImage", uuid)).code == "SYS.1003"
    assert (await tenant.get(f"/images/{uuid}")).body["inventories"] == []
    assert await used("image.size") == 0
    assert (await tenant.get(f"/vm-instances/{vm['uuid']}")).body["inventories"][0]["state"] == "Running"
