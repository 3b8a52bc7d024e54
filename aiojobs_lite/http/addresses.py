"""Which addresses a delivery may be sent to: those of the public internet, unless the application allows others."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address

# By the registries of special addresses of IANA. `is_global` of Python 3.11 has several of them for public: all of
# multicast, 64:ff9b::/96, 2002::/16, fec0::/10, 192.0.0.8, 192.88.99.0/24.
NOT_PUBLIC_4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
            "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        ),
    )
)  # fmt: skip
"""Networks of IPv4 that are not public: private ones, those of the host itself, of documents and tests, multicast."""

PUBLIC_6: Final = IPv6Network("2000::/3")
"""All of IPv6 that is given out as public."""

NOT_PUBLIC_6: Final = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20"))
)  # 2001::/23 has Teredo, ORCHID and the tests of benchmarks; 2002::/16 is looked into
"""Networks within it that are not."""

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_6TO4: Final = IPv6Network("2002::/16")


def is_public(address: Address | str) -> bool:
    """Whether an address, as a connection is made to it, belongs to the public internet; so do all within it.

    An IPv6 address may hold one of IPv4 to which the packets go in the end: mapped, 6to4, NAT64.

    Args:
        address: The address; as text perhaps with a zone, which no public one has.
    """
    if isinstance(address, str):
        try:
            address = ip_address(address)
        except ValueError:
            return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_4)
    if address.scope_id is not None:
        return False
    inner = list(addresses_within(address))
    if inner:
        return all(map(is_public, inner))
    return address in PUBLIC_6 and not any(address in network for network in NOT_PUBLIC_6)


def addresses_within(address: IPv6Address) -> Iterator[IPv4Address]:
    """The addresses of IPv4 to which the packets for an address of IPv6 go: none for most."""
    number = int(address)
    if address in _MAPPED or address in _NAT64:
        yield IPv4Address(number & 0xFFFFFFFF)
    elif address in _6TO4:
        yield IPv4Address(number >> 80 & 0xFFFFFFFF)
