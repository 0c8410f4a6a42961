"""What zstack-cli proposes at each place of a command."""

import re
from collections.abc import Sequence

import pytest

from zstack_cli.completion import complete
from zstack_cli.messages import _EN, _ZH, Messages  # pyright: ignore[reportPrivateUsage]
from zstack_cli.shell import redacted
from zstack_mgmt.reference.errors import errors


def named(kind: str, beginning: str) -> Sequence[tuple[str, str]]:
    """Two resources of each type."""
    rows = [("1" * 32, f"{kind}-one"), ("2" * 32, f"{kind}-two")]
    return [(uuid, name) for uuid, name in rows if name.startswith(beginning) or uuid.startswith(beginning)]


def proposed(line: str) -> list[str]:
    """The candidates at the end of a line."""
    *words, current = line.split(" ")
    return [one.word for one in complete(words, current, named, ["jobs"])]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("CreateZo", ["CreateZone"]),
        ("createzo", ["CreateZone"]),
        ("jo", ["jobs"]),
        ("ChangeZoneState st", ["stateEvent="]),
        ("ChangeZoneState stateEvent=e", ["stateEvent=enable"]),
        ("QueryVmInstance vmNics.eip.vip.gat", ["vmNics.eip.vip.gateway="]),
        ("QueryVmInstance vmNics.e", ["vmNics.eip."]),
        ("QueryVmInstance state=Ru", ["state=Running"]),
        ("QueryVmInstance state?=Running,Sto", ["state?=Running,Stopping", "state?=Running,Stopped"]),
        ("QueryVmInstance zone.isDefault=t", ["zone.isDefault=true"]),
        ("QueryVmInstance fields=uuid,na", ["fields=uuid,name"]),
        ("QueryVmInstance sortBy=mem", ["sortBy=memorySize"]),
        ("QueryVmInstance sortDirection=", ["sortDirection=asc", "sortDirection=desc"]),
        ("QueryVmInstance replyWithCount=f", ["replyWithCount=false"]),
        ("QueryVmInstance nowhere.na", []),
        ("Nothing na", []),
        ("DeleteZone uuid=Zone-o", [f"uuid={'1' * 32}"]),
        ("QueryVmInstance zoneUuid=Zone-t", [f"zoneUuid={'2' * 32}"]),
        ("QueryVmInstance zone.uuid=Zone-t", [f"zone.uuid={'2' * 32}"]),
        ("CreateVmInstance l3NetworkUuids=x,L3Network-o", [f"l3NetworkUuids=x,{'1' * 32}"]),
        ("CreateVmInstance rootDiskOfferingUuid=DiskOffering-o", [f"rootDiskOfferingUuid={'1' * 32}"]),
        ("AddUserToGroup groupUuid=UserGroup-o", [f"groupUuid={'1' * 32}"]),
        ("CreateVmInstance resourceUuid=", []),
    ],
)
def test_candidates(line: str, expected: list[str]) -> None:
    assert proposed(line) == expected


def test_a_query_proposes_links_fields_and_parameters_as_the_manual_shows() -> None:
    found = proposed("QueryVmInstance ")
    assert {"allVolumes.", "cluster.", "vmNics.", "zone."} <= set(found)
    assert {"__systemTag__=", "hypervisorType=", "uuid="} <= set(found)
    assert {"count=", "fields=", "limit=", "replyWithCount=", "sortBy=", "sortDirection=", "start="} <= set(
        found
    )


def test_fields_behind_links_are_completed_without_the_service() -> None:
    def nobody(kind: str, beginning: str) -> Sequence[tuple[str, str]]:
        raise AssertionError("the service was asked")

    found = complete(["QueryVmInstance"], "vmNics.eip.vip.net", nobody)
    assert [one.word for one in found] == ["vmNics.eip.vip.netmask="]


def test_a_parameter_is_proposed_once() -> None:
    assert "name=" not in proposed("CreateZone name=x ")
    assert "description=" in proposed("CreateZone name=x ")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("LogInByAccount accountName=admin password=secret", "LogInByAccount accountName=admin password="),
        ("UpdateUser uuid=1 password='a b' name=x", "UpdateUser uuid=1 password= name=x"),
        ("CreateZone name=password", "CreateZone name=password"),
    ],
)
def test_the_history_keeps_no_password(line: str, kept: str) -> None:
    assert redacted(line) == kept


def test_every_error_code_has_its_chinese() -> None:
    for code in {error.code for error in errors()}:
        assert Messages("zh").description(code, "") != "", code
        assert Messages("en").description(code, "said") == "said"


def test_both_languages_say_the_same() -> None:
    assert _EN.keys() == _ZH.keys()
    for key, text in _EN.items():
        assert set(re.findall(r"{(\w+)", text)) == set(re.findall(r"{(\w+)", _ZH[key])), key
