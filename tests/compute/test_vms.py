"""The life of a VM: one short test per rule."""

from world import GIB, World


async def test_a_vm_from_creation_to_expunge(world: World) -> None:
    vm = await world.vm()
    assert vm["state"] == "Running"
    assert vm["hostUuid"] == world.host
    assert vm["vmNics"][0]["ip"] == "192.168.0.2"
    assert vm["vmNics"][0]["mac"].startswith("fa:")
    assert [v["type"] for v in vm["allVolumes"]] == ["Root"]
    assert vm["memorySize"] == GIB
    seen = await world.admin.get(f"/vm-instances/{vm['uuid']}")
    assert seen.body["inventories"][0] == vm
    for action, state in (
        ("stopVmInstance", "Stopped"),
        ("startVmInstance", "Running"),
        ("rebootVmInstance", "Running"),
        ("pauseVmInstance", "Paused"),
        ("resumeVmInstance", "Running"),
    ):
        assert (await world.act(vm, action)).inventory["state"] == state
    gone = await world.admin.job("DELETE", f"/vm-instances/{vm['uuid']}")
    assert gone.status == 200
    assert await world.state(vm) == "Destroyed"
    assert (await world.act(vm, "recoverVmInstance")).inventory["state"] == "Stopped"
    await world.admin.job("DELETE", f"/vm-instances/{vm['uuid']}")
    assert (await world.act(vm, "expungeVmInstance")).status == 200
    assert await world.state(vm) is None
    await world.check_counters()
