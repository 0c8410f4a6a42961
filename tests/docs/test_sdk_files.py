"""The committed part of the SDK that is generated is what the declarations say, and its types hold."""

import json
import re
import subprocess
import sys
from pathlib import Path

from zstack_mgmt.reference.sdk import sdk_files

ROOT = Path(__file__).parents[2]
SDK = ROOT / "sdk/src/zstack_sdk"
PROGRAM = """
from typing import assert_type

from zstack_sdk import ApiError, Client, CreateZoneAction, GetVersionAction, QueryVmInstanceAction, Result
from zstack_sdk.inventories import VmNicInventory, ZoneInventory
from zstack_sdk.record import InventoryValue
from zstack_sdk.webhooks import Event, verify


def blocking(client: Client) -> str:
    action = CreateZoneAction()
    action.name = "x"
    result = action.call(client)
    assert_type(result, Result[InventoryValue[ZoneInventory]])
    if result.error is not None:
        return result.error.code
    assert_type(result.value.inventory.description, str | None)
    query = QueryVmInstanceAction()
    query.conditions = ["name~=web%"]
    for vm in query.each(client):
        assert_type(vm.vmNics, list[VmNicInventory])
    return result.value.inventory.uuid


async def waiting(url: str) -> None:
    async with Client(url) as client, client.alogin("admin", "password") as session:
        try:
            print((await GetVersionAction().acall(session)).value)
        except ApiError as error:
            print(error.code)
        async for vm in QueryVmInstanceAction(conditions=["state=Running"]).aeach(session):
            print(vm.name)


def received(headers: dict[str, str], body: bytes) -> Event:
    return verify("whsec_x", headers, body)
"""
WRONG = """
from zstack_sdk import Client, CreateZoneAction


def wrong(client: Client) -> int:
    action = CreateZoneAction()
    action.name = 1
    action.nmae = "x"
    return action.call(client).value.inventory.name
"""


def test_the_generated_files_are_what_the_declarations_say() -> None:
    for name, text in sdk_files().items():
        assert (SDK / name).read_text("utf-8") == text, f"{name} is not what `make docs` writes"


def checked(folder: Path, program: str) -> list[str]:
    """What pyright's strict mode has against a program: the rules that it breaks, by line."""
    (folder / "program.py").write_text(program)
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(SDK.parent)], "include": ["program.py"]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    gate = Path(sys.executable).with_name("basedpyright")
    done = subprocess.run([gate, "-p", folder], capture_output=True, text=True, check=False)
    return re.findall(r"program\.py:(\d+):.* - error", done.stdout)


def test_a_program_passes_pyright_s_strict_mode(tmp_path: Path) -> None:
    assert checked(tmp_path, PROGRAM) == []


def test_pyright_finds_wrong_parameters_and_fields(tmp_path: Path) -> None:
    assert checked(tmp_path, WRONG) == ["7", "8", "9"]
