"""The APIs of storages."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zstack_mgmt.compute.storages.model import BackupStorage, PrimaryStorage
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.requests import UpdateRequest
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Doc
from zstack_mgmt.resources.declare import Resource

Total = Annotated[int, Field(ge=0, le=2**62), Doc("bytes; ours, because nothing here measures storages")]

primary_storages = Resource(
    PrimaryStorage,
    "/v1/primary-storage",
    java="org.zstack.header.storage.primary",
    category="primaryStorage",
    access="admin",
    source="ZStack's storage API",
)
backup_storages = Resource(
    BackupStorage,
    "/v1/backup-storage",
    java="org.zstack.header.storage.backup",
    category="backupStorage",
    access="admin",
    source="ZStack's storage API",
)


class UpdatePrimaryStorage(UpdateRequest):
    """Change a primary storage's name, description or size.

    Source: ZStack's storage API.
    """

    total_capacity: Total | None = None


class UpdateBackupStorage(UpdateRequest):
    """Change a backup storage's name, description or size.

    Source: ZStack's storage API.
    """

    total_capacity: Total | None = None


class GetPrimaryStorageTypes(ApiRequest):
    """The types of primary storage that there can be.

    Source: ZStack's storage API.
    """


class GetBackupStorageTypes(ApiRequest):
    """The types of backup storage that there can be.

    Source: ZStack's storage API.
    """


@primary_storages.action(
    GetPrimaryStorageTypes,
    "GET /v1/primary-storage/types",
    mode="sync",
    access="user",
    returns=None,
    is_read=True,
    response_key="types",
)
async def get_primary_storage_types(
    call: Call, conn: Connection, request: GetPrimaryStorageTypes
) -> list[str]:
    return [row[0] for row in await conn.fetch("SELECT DISTINCT type FROM primary_storages ORDER BY type")]


@backup_storages.action(
    GetBackupStorageTypes,
    "GET /v1/backup-storage/types",
    mode="sync",
    access="user",
    returns=None,
    is_read=True,
    response_key="types",
)
async def get_backup_storage_types(call: Call, conn: Connection, request: GetBackupStorageTypes) -> list[str]:
    return [row[0] for row in await conn.fetch("SELECT DISTINCT type FROM backup_storages ORDER BY type")]


primary_storages.update(UpdatePrimaryStorage)
primary_storages.query(access="user")
backup_storages.update(UpdateBackupStorage)
backup_storages.query(access="user")
