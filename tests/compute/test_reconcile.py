"""Rows and hypervisors come together again: lost hosts, strays, dead jobs, second runs.

And what subscribers are told.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import pytest
from world import World

from zstack_mgmt import db
from zstack_mgmt.compute.snapshots import events as snapshot_events
from zstack_mgmt.compute.vms import events, reconcile
from zstack_mgmt.compute.volumes import events as volume_events
from zstack_mgmt.core.callers import AccountCaller
from zstack_mgmt.core.registry import APIS, Call
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.engine.model import ClaimedJob
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.process import build_services


class Chores:
    """The periodic tasks, run when a test says so."""

    def __init__(self, world: World, pool: db.Pool) -> None:
        self.services = build_services(world.service.settings)
        self.transaction = partial(db.transaction, pool)
        self.db = world.service.db

    async def check(self) -> None:
        await self.db.execute("UPDATE hosts SET asked_at = now() - interval '1 hour'")
        await reconcile.check_hosts(self.services, self.transaction)

    async def settle(self) -> None:
        await reconcile.settle_abandoned(self.services, self.transaction)

    async def sweep(self) -> None:
        await self.db.execute("UPDATE stray_domains SET next_at = now()")
        await reconcile.destroy_strays(self.services, self.transaction)


@pytest.fixture
async def pool(world: World) -> Any:
    pool = db.create_pool(world.service.settings, application="test")
    yield pool
    await pool.close()


@pytest.fixture
async def chores(world: World, pool: db.Pool) -> Chores:
    return Chores(world, pool)


async def status(world: World) -> str:
    return await world.service.db.fetchval("SELECT status FROM hosts")


async def domains(world: World) -> list[str]:
    rows = await world.service.db.fetch("SELECT vm_uuid FROM simulator_domains ORDER BY vm_uuid")
    return [row["vm_uuid"] for row in rows]


async def test_vms_of_a_lost_host_are_unknown_until_it_answers(world: World, chores: Chores) -> None:
    running, crashed = await world.vm(), await world.vm()
    await world.fault(None, lost=True)
    await chores.check()
    assert await status(world) == "Disconnected"
    assert (await world.state(running), await world.state(crashed)) == ("Unknown", "Unknown")
    answer = await world.admin.job("POST", "/vm-instances", {"params": world.vm_params()})
    assert answer.code == "SYS.1006"
    reconnect = await world.admin.job("PUT", f"/hosts/{world.host}/actions", {"reconnectHost": {}})
    assert reconnect.code == "SYS.1006"
    await world.no_faults()
    await world.service.db.execute("DELETE FROM simulator_domains WHERE vm_uuid = $1", crashed["uuid"])
    await chores.check()
    assert await status(world) == "Connected"
    assert (await world.state(running), await world.state(crashed)) == ("Running", "Stopped")
    await world.check_counters()


async def test_a_host_that_goes_on_answering_has_not_changed(world: World, chores: Chores) -> None:
    changed = "SELECT last_op_date FROM hosts"
    before = await world.service.db.fetchval(changed)
    await chores.check()
    assert await world.service.db.fetchval(changed) == before
    await world.fault("list", lost=True)
    await chores.check()
    assert await world.service.db.fetchval(changed) > before


async def test_a_guest_that_shut_down_is_seen_to_be_stopped(world: World, chores: Chores) -> None:
    vm = await world.vm()
    await world.service.db.execute("DELETE FROM simulator_domains")
    await chores.check()
    assert await world.state(vm) == "Stopped"
    await world.check_counters()


async def test_a_vm_destroyed_while_its_host_is_lost_is_destroyed_there_later(
    world: World, chores: Chores
) -> None:
    vm = await world.vm()
    await world.fault("destroy", lost=True)
    assert (await world.admin.job("DELETE", f"/vm-instances/{vm['uuid']}")).status == 200
    assert await world.state(vm) == "Destroyed"
    assert await domains(world) == [vm["uuid"]]
    await chores.sweep()
    assert await domains(world) == [vm["uuid"]]
    recovered = await world.act(vm, "recoverVmInstance")
    assert recovered.inventory["state"] == "Stopped"
    assert (await world.act(vm, "startVmInstance")).code == "VM.1001"  # not beside its stray
    await world.no_faults()
    await chores.sweep()
    assert await domains(world) == []
    assert (await world.act(vm, "startVmInstance")).status == 200


async def test_a_copy_on_another_host_is_found_and_destroyed(world: World, chores: Chores) -> None:
    vm = await world.vm()
    second = await world.admin.create(
        "/hosts/simulators", name="h2", managementIp="10.0.0.2", clusterUuid=world.cluster
    )
    await world.service.db.execute(
        """
        INSERT INTO simulator_domains (host_uuid, vm_uuid, name, cpu_num, memory_size, power)
        VALUES ($1, $2, 'copy', 1, 1, 'Running'), ($1, 'somebody-elses', 'x', 1, 1, 'Running')
        """,
        second["uuid"],
        vm["uuid"],
    )
    await chores.check()
    await chores.sweep()
    left = await world.service.db.fetch("SELECT host_uuid, vm_uuid FROM simulator_domains")
    assert {tuple(row) for row in left} == {(world.host, vm["uuid"]), (second["uuid"], "somebody-elses")}


async def test_a_host_that_is_silent_holds_up_no_other(world: World, chores: Chores) -> None:
    second = await world.admin.create(
        "/hosts/simulators", name="h2", managementIp="10.0.0.2", clusterUuid=world.cluster
    )
    await world.service.db.executemany(
        """
        INSERT INTO simulator_domains (host_uuid, vm_uuid, name, cpu_num, memory_size)
        VALUES ($1, $2, '', 1, 1)
        """,
        [(world.host, f"stray{n}") for n in range(5)] + [(second["uuid"], "stray9")],
    )
    await world.service.db.execute(
        """
        INSERT INTO stray_domains (vm_uuid, host_uuid, hypervisor_type, management_ip)
        SELECT vm_uuid, host_uuid, 'Simulator', '' FROM simulator_domains ORDER BY vm_uuid
        """
    )
    await world.service.db.execute(
        """
        INSERT INTO simulator_faults (action, host_uuid, lost, latency_s, remaining)
        VALUES ('destroy', $1, true, 0.2, 10)
        """,
        world.host,
    )
    await chores.sweep()
    assert await domains(world) == [f"stray{n}" for n in range(5)]
    assert await world.service.db.fetchval("SELECT remaining FROM simulator_faults") == 9


async def test_a_vm_whose_job_is_gone_is_settled(world: World, chores: Chores) -> None:
    for transit, power, expected in (
        ("Starting", "Running", "Running"),
        ("Starting", None, "Stopped"),
        ("Stopping", "Running", "Stopped"),
        ("Rebooting", "Running", "Running"),
        ("Pausing", "Paused", "Paused"),
        ("Destroying", "Running", "Destroyed"),
    ):
        vm = await world.vm()
        await world.act(vm, "rebootVmInstance")  # a job that has ended, and is not the creation
        await world.service.db.execute(
            "UPDATE vm_instances SET state = $2 WHERE uuid = $1", vm["uuid"], transit
        )
        if power is None:
            await world.service.db.execute("DELETE FROM simulator_domains WHERE vm_uuid = $1", vm["uuid"])
        else:
            await world.service.db.execute(
                "UPDATE simulator_domains SET power = $2 WHERE vm_uuid = $1", vm["uuid"], power
            )
        await chores.settle()
        assert await world.state(vm) == expected, transit
        assert (vm["uuid"] in await domains(world)) == (expected in ("Running", "Paused")), transit
        await world.check_counters()


async def test_a_vm_whose_destruction_died_lets_its_data_volumes_go(world: World, chores: Chores) -> None:
    vm = await world.vm(dataDiskOfferingUuids=[world.disk])
    await world.act(vm, "rebootVmInstance")
    await world.service.db.execute("UPDATE vm_instances SET state = 'Destroying'")
    await chores.settle()
    assert await world.state(vm) == "Destroyed"
    data = (await world.admin.get(f"/volumes/{vm['allVolumes'][1]['uuid']}")).body["inventories"][0]
    assert "vmInstanceUuid" not in data


async def test_asking_a_host_costs_the_same_however_many_vms_it_runs(world: World, pool: db.Pool) -> None:
    counted: list[str] = []

    @asynccontextmanager
    async def counting() -> AsyncIterator[Any]:
        async with pool.acquire() as conn, conn.transaction():
            cast("Any", conn).add_query_logger(note)
            yield conn
            cast("Any", conn).remove_query_logger(note)

    def note(record: Any) -> None:
        counted.append(record.query)

    costs: list[int] = []
    for _ in range(2):
        await asyncio.gather(*(world.vm() for _ in range(5)))
        await world.service.db.execute("UPDATE hosts SET asked_at = now() - interval '1 hour'")
        await reconcile.check_hosts(build_services(world.service.settings), counting)
        costs.append(len(counted))
        counted.clear()
    assert costs[0] == costs[1] < 10, costs


async def test_a_host_is_added_once_by_a_job_that_runs_twice(world: World, pool: db.Pool) -> None:
    for uuid in (None, new_uuid()):
        run = Rerun(world, pool)
        request = {"name": "h", "managementIp": f"10.0.1.{1 if uuid else 2}", "clusterUuid": world.cluster}
        request |= {"resourceUuid": uuid} if uuid else {}
        assert (await run("AddSimulatorHost", request)) == (await run("AddSimulatorHost", request))


async def test_a_creation_that_died_is_undone(world: World, chores: Chores) -> None:
    await world.vm()
    await world.service.db.execute("UPDATE vm_instances SET state = 'Starting'")
    await chores.settle()
    for table in ("vm_instances", "vm_nics", "volumes", "used_ips", "simulator_domains"):
        assert await world.service.db.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    await world.check_counters()


class Rerun:
    """Runs a job's handler, as a worker does that has taken the job over, as often as a test likes."""

    def __init__(self, world: World, pool: db.Pool) -> None:
        self.world, self.pool, self.token = world, pool, new_uuid()
        self.services = build_services(world.service.settings)
        self.epoch = 0

    async def __call__(self, api: str, request: dict[str, Any]) -> Any:
        self.epoch += 1
        await self.world.service.db.execute(
            """
            INSERT INTO api_jobs (uuid, account_uuid, user_uuid, is_admin, api, fingerprint, keyed, outside,
            state, epoch,
                                  deadline_at, owner)
            VALUES ($1, $2, $2, true, $3, '', false, true, 'running', $4, now() + interval '1 hour', 'test')
            ON CONFLICT (uuid) DO UPDATE SET epoch = $4
            """,
            self.token,
            self.admin,
            api,
            self.epoch,
        )
        job = ClaimedJob(
            uuid=self.token,
            epoch=self.epoch,
            api=api,
            request="",
            account_uuid=self.admin,
            user_uuid=self.admin,
            is_admin=True,
            request_id="",
            outside=True,
            with_schema=False,
            keyed=False,
            claims=self.epoch,
            accepted_at=await self.world.service.db.fetchval("SELECT now()"),
            remaining_s=60,
        )
        call = Call(AccountCaller(self.admin, is_admin=True), self.services, job_uuid=self.token)
        declared = APIS[api]
        return await declared.handler(call, Outside(self.pool, job), declared.parse(request))

    admin = "36c27e8ff05c4780bf6d2fa65700f22e"


async def test_a_second_run_changes_nothing(world: World, pool: db.Pool) -> None:
    run = Rerun(world, pool)
    made = await run("CreateVmInstance", world.vm_params())
    assert (await run("CreateVmInstance", world.vm_params())) == made
    uuid = made.uuid
    for api, state in (
        ("StopVmInstance", "Stopped"),
        ("StartVmInstance", "Running"),
        ("RebootVmInstance", "Running"),
    ):
        run = Rerun(world, pool)
        first, second = await run(api, {"uuid": uuid}), await run(api, {"uuid": uuid})
        assert (first.state, second) == (state, first)
    starts = await world.service.db.fetch("SELECT starts FROM simulator_domains")
    assert [row["starts"] for row in starts] == [2]  # started once, rebooted once
    run = Rerun(world, pool)
    snapshot = {"volumeUuid": made.root_volume_uuid, "name": "s"}
    assert (await run("CreateVolumeSnapshot", snapshot)) == (await run("CreateVolumeSnapshot", snapshot))
    run = Rerun(world, pool)
    assert await run("DestroyVmInstance", {"uuid": uuid}) is None
    assert await run("DestroyVmInstance", {"uuid": uuid}) is None
    await world.check_counters()


async def test_a_second_run_goes_on_where_the_first_one_stopped(world: World, pool: db.Pool) -> None:
    run = Rerun(world, pool)
    made = await run("CreateVmInstance", world.vm_params())
    await world.service.db.execute("UPDATE vm_instances SET state = 'Starting'")
    again = await run("CreateVmInstance", world.vm_params())
    assert (again.uuid, again.state, again.vm_nics) == (made.uuid, "Running", made.vm_nics)
    assert await world.service.db.fetchval("SELECT starts FROM simulator_domains") == 1
    await world.check_counters()


@pytest.fixture
def told() -> Iterator[list[Any]]:
    """The changes that subscribers are told of while the test runs."""
    changes: list[Any] = []

    async def note(_conn: Any, change: Any) -> None:
        changes.append(change)

    topics: list[Any] = [events.VM_CHANGES, volume_events.VOLUME_CHANGES, snapshot_events.SNAPSHOT_CHANGES]
    for topic in topics:
        topic.subscribe(note)
    yield changes
    for topic in topics:
        topic.handlers.remove(note)


async def test_subscribers_are_told_of_every_change(told: list[Any], world: World) -> None:
    vm = await world.vm(dataDiskOfferingUuids=[world.disk])
    snapshot = await world.admin.create(f"/volumes/{vm['rootVolumeUuid']}/volume-snapshots", name="s")
    await world.admin.job("DELETE", f"/volume-snapshots/{snapshot['uuid']}")
    await world.act(vm, "stopVmInstance")
    await world.admin.job("DELETE", f"/vm-instances/{vm['uuid']}")
    await world.act(vm, "expungeVmInstance")
    seen = [(c.reason, c.state_before, c.state_after) for c in told if isinstance(c, events.VmChange)]
    assert seen == [
        ("created", None, "Starting"),
        ("start", "Starting", "Running"),
        ("stop", "Running", "Stopping"),
        ("stop", "Stopping", "Stopped"),
        ("destroy", "Stopped", "Destroying"),
        ("destroy", "Destroying", "Destroyed"),
        ("expunge", "Destroyed", "Expunging"),
    ]
    kinds = [(c.type, c.kind) for c in told if isinstance(c, volume_events.VolumeChange)]
    assert kinds == [
        ("Root", "created"),
        ("Data", "created"),
        ("Data", "attached"),
        ("Data", "detached"),
        ("Root", "expunged"),
    ]
    assert [c.kind for c in told if isinstance(c, snapshot_events.SnapshotChange)] == ["created", "deleted"]
    assert all(c.root_volume_size == 10 * 1024**3 for c in told if isinstance(c, events.VmChange))
