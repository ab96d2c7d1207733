"""Which addresses are public, however they are written."""

from ipaddress import ip_address

import pytest

from core.addresses import is_public, may_be_public, parse_address

PRIVATE = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254"),
    *("168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1"),
    *("192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255"),
    *("240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1", "fe80::1", "fe80::1%eth0"),
    *("fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "100::1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1"),
    *("64:ff9b:1::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:5db8:d822::1", "3fff::1", "4000::1"),
]
PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1"),
    *("168.63.129.15", "192.0.1.1", "198.17.255.255", "198.20.0.1", "223.255.255.255"),
    *("2606:4700::1111", "2a00:1450:4001:81b::200e", "::ffff:8.8.8.8", "64:ff9b::808:808", "2001:4860:4860::8888"),
]
LEGACY = ["127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.0.0.01"]


@pytest.mark.parametrize("text", PRIVATE)
def test_what_is_not_everybodys_is_private(text: str) -> None:
    assert not is_public(ip_address(text))
    assert not may_be_public(text)


@pytest.mark.parametrize("text", PUBLIC)
def test_the_rest_is_public(text: str) -> None:
    assert is_public(ip_address(text))
    assert may_be_public(text)


@pytest.mark.parametrize("text", LEGACY)
def test_old_ways_of_writing_an_address_are_read_as_systems_read_them(text: str) -> None:
    assert parse_address(text) == ip_address("127.0.0.1")
    assert not may_be_public(text)
    assert not may_be_public(f"{text}.")


@pytest.mark.parametrize("text", ["", "example.com", "1.2.3.4.5", "256.256.256.256", "0x7f.example", "1 2", "é"])
def test_names_are_no_addresses(text: str) -> None:
    assert parse_address(text) is None


@pytest.mark.parametrize("name", ["localhost", "LocalHost", "localhost.", "a.localhost", "a.b.LOCALHOST."])
def test_names_of_the_machine_itself_are_private(name: str) -> None:
    assert not may_be_public(name)


def test_other_names_may_be_public() -> None:
    assert may_be_public("api.openai.com")
    assert may_be_public("localhost.example.com")
