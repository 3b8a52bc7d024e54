"""Which addresses are public: all that the registries of IANA list otherwise are not."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest

from aiojobs_lite.http.addresses import NOT_PUBLIC_4, NOT_PUBLIC_6, addresses_within, is_public

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
    "192.0.1.0", "192.88.98.255", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e", "2620:4f:8000::1", "3ffe::1", "2001:200::1",
]  # fmt: skip
PRIVATE = [
    # the host itself, its network, private networks
    "0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "100.64.0.1", "100.127.255.255", "169.254.169.254", "::", "::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%1",
    # what Python 3.11.7 has for global: multicast, NAT64, 6to4, site local, 192.0.0.8, 192.88.99.1
    "224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1",
    "2002:c0a8:101::1", "fec0::1", "192.0.0.8", "192.88.99.1",
    # documents, tests, reserved
    "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", "240.0.0.1", "255.255.255.255",
    "192.0.0.1", "192.0.0.170", "2001:db8::1", "3fff::1", "100::1", "5f00::1",
    # an address of IPv4 within: mapped, compatible, NAT64 of a site, Teredo
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1", "64:ff9b:1::7f00:1",
    "2001:0:4136:e378:8000:63bf:807f:fffe", "2001:0:7f00:1::1", "2001::1", "2001:10::1", "2001:20::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_dialled(address: str) -> None:
    assert is_public(address)
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_no_other_address_may_be_dialled(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("text", ["", "localhost", "0x7f.1", "127.1", "2130706433", "1.1.1.1/32", "1.1.1.1 "])
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize(
    ("address", "within"),
    [
        ("::ffff:1.2.3.4", ["1.2.3.4"]), ("64:ff9b::1.2.3.4", ["1.2.3.4"]), ("2002:102:304::1", ["1.2.3.4"]),
        ("2606:4700::1", []), ("::1", []),
    ],
)  # fmt: skip
def test_the_address_within_an_address_is_found_and_counts(address: str, within: list[str]) -> None:
    assert list(map(str, addresses_within(IPv6Address(address)))) == within
    assert is_public(address) == (within != [] or address.startswith("2606"))


def test_each_network_of_the_tables_is_refused_from_its_first_address_to_its_last() -> None:
    networks: list[IPv4Network | IPv6Network] = [*NOT_PUBLIC_4, *NOT_PUBLIC_6]
    for network in networks:
        first, last = network.network_address, network.broadcast_address
        assert [is_public(first), is_public(last)] == [False, False], network
