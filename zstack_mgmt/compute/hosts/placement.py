"""Choosing the host of a VM."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from zstack_mgmt.compute.hosts import store
from zstack_mgmt.core.errors import OperationError, ResourceNotFound
from zstack_mgmt.db import Connection


async def choose_host(
    conn: Connection,
    vm_uuid: str,
    cpu_num: int,
    memory_size: int,
    l3_uuids: Sequence[str],
    *,
    host_uuid: str | None = None,
    cluster_uuid: str | None = None,
    zone_uuid: str | None = None,
    hypervisor_type: str | None = None,
) -> Any:
    """The emptiest host that fits and has room: its login and place. The row stays locked.

    A host that may still run a stray copy of the VM is passed over until that has been destroyed.

    Args:
        memory_size: bytes.
        host_uuid, cluster_uuid, zone_uuid, hypervisor_type: what the host must be, or be in; None: anything.

    Raises:
        ResourceNotFound: the host, cluster or zone that was asked for does not exist.
        OperationError: no host will do; nothing was written.
    """
    for kind, uuid in (("host", host_uuid), ("cluster", cluster_uuid), ("zone", zone_uuid)):
        if uuid is not None and not await store.exists(conn, kind, uuid):
            raise ResourceNotFound(f"no {kind} has the uuid {uuid}")
    candidates = partial(
        store.candidates,
        conn,
        vm_uuid=vm_uuid,
        host_uuid=host_uuid,
        cluster_uuid=cluster_uuid,
        zone_uuid=zone_uuid,
        hypervisor_type=hypervisor_type,
        l3_uuids=l3_uuids,
    )
    roomy = await candidates(cpu_num=cpu_num, memory_size=memory_size)
    row = await store.lock_if_room(conn, roomy, cpu_num, memory_size)
    if row is not None:
        return row
    if roomy or await candidates(cpu_num=0, memory_size=0):
        raise OperationError(f"no host has {cpu_num} CPUs and {memory_size} bytes of memory free")
    raise OperationError(
        "no host will do: it must be enabled and connected, in an enabled cluster and zone, "
        "and the networks must be attached to its cluster"
    )
