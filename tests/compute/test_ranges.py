"""Which ranges of addresses are accepted."""

import pytest

from zstack_mgmt.compute.networks.model import parse_range, range_of_cidr
from zstack_mgmt.core.errors import InvalidArgument

UNUSABLE = (
    "0.0.0.0/0",
    "0.0.0.0/24",
    "127.0.0.0/8",
    "169.254.0.0/24",
    "224.0.0.0/24",
    "240.0.0.0/4",
    "96.0.0.0/3",
)


@pytest.mark.parametrize(
    ("start", "end", "mask", "gateway"),
    [
        ("10.0.0.9", "10.0.0.2", "255.255.255.0", "10.0.0.1"),
        ("10.0.0.2", "10.0.1.9", "255.255.255.0", "10.0.0.1"),
        ("10.0.0.2", "10.0.0.9", "255.255.255.0", "10.0.1.1"),
        ("10.0.0.1", "10.0.0.9", "255.255.255.0", "10.0.0.5"),
        ("10.0.0.0", "10.0.0.9", "255.255.255.0", "10.0.0.10"),
        ("10.0.0.9", "10.0.0.255", "255.255.255.0", "10.0.0.1"),
        ("10.0.0.2", "10.0.0.2", "255.255.255.254", "10.0.0.3"),
        ("10.0.0.2", "10.0.0.9", "255.0.255.0", "10.0.0.1"),
        ("10.0.0.2", "10.0.0.9", "0.0.0.255", "10.0.0.1"),
        ("1.0.0.2", "1.0.0.9", "0.0.0.0", "1.0.0.1"),
        ("0.0.0.2", "0.0.0.9", "255.255.255.0", "0.0.0.1"),
        ("127.0.0.2", "127.0.0.9", "255.255.255.0", "127.0.0.1"),
        ("169.254.3.2", "169.254.3.9", "255.255.255.0", "169.254.3.1"),
        ("224.0.0.2", "224.0.0.9", "255.255.255.0", "224.0.0.1"),
        ("240.0.0.2", "240.0.0.9", "255.255.255.0", "240.0.0.1"),
        ("128.0.0.2", "223.0.0.9", "128.0.0.0", "224.0.0.1"),
        ("126.0.0.2", "128.0.0.9", "128.0.0.0", "126.0.0.1"),
        ("ten", "10.0.0.9", "255.255.255.0", "10.0.0.1"),
        ("::1", "10.0.0.9", "255.255.255.0", "10.0.0.1"),
    ],
)
def test_a_bad_range_is_refused(start: str, end: str, mask: str, gateway: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_range(start, end, mask, gateway)


@pytest.mark.parametrize("start", ["1.0.0.10", "126.255.255.10", "172.16.0.10", "223.255.255.10"])
def test_a_range_beside_the_unusable_ones_is_accepted(start: str) -> None:
    parse_range(start, f"{start}0", "255.255.255.0", f"{start.rpartition('.')[0]}.1")


def test_a_good_range_knows_its_subnet() -> None:
    text = parse_range("10.0.0.10", "10.0.0.20", "255.255.254.0", "10.0.1.1")
    assert str(text.network) == "10.0.0.0/23"


def test_a_subnet_keeps_its_first_address_for_the_gateway() -> None:
    text = range_of_cidr("192.168.1.0/24")
    assert (str(text.gateway), str(text.start), str(text.end)) == (
        "192.168.1.1",
        "192.168.1.2",
        "192.168.1.254",
    )


@pytest.mark.parametrize("cidr", ["10.0.0.0/31", "10.0.0.0/33", "fe80::/64", "nonsense", *UNUSABLE])
def test_a_bad_subnet_is_refused(cidr: str) -> None:
    with pytest.raises(InvalidArgument):
        range_of_cidr(cidr)
