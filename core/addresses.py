"""Which network addresses are public: anybody's, and not those of a private network, a machine itself or its cloud.

After the registries of special-purpose addresses: https://www.iana.org/assignments/iana-ipv4-special-registry and
https://www.iana.org/assignments/iana-ipv6-special-registry.
"""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_NOT_PUBLIC_V4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host, which answers its own virtual machines alone
        "169.254.0.0/16",  # link-local: clouds' metadata among others
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo, ORCHID and other protocols
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, where the address that it carries would be called
        "3fff::/20",
    )
]
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether anybody on the internet may have this address; IPv6 that stands for IPv4 is judged by that."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(IPv4Address(address.packed[-4:]))
        return address in _GLOBAL_UNICAST_V6 and not any(address in network for network in _NOT_PUBLIC_V6)
    return not any(address in network for network in _NOT_PUBLIC_V4)


def parse_address(host: str) -> Address | None:
    """The address that a URL's host is, also in the old forms of IPv4 that systems understand: 127.1, 0x7f000001,
    2130706433, 0177.0.0.1. None for a name.
    """
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        # It ignores what follows a space, and a URL's host has none.
        return IPv4Address(socket.inet_aton(host)) if " " not in host else None
    except (OSError, ValueError):
        return None


def may_be_public(host: str) -> bool:
    """Whether a URL's host can be public as it stands. What a name leads to shows only when it is called."""
    name = host.rstrip(".").lower()
    address = parse_address(name)
    if address is not None:
        return is_public(address)
    return name != "localhost" and not name.endswith(".localhost")
