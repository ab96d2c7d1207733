"""Secrets that are handed out once."""

import re
from zlib import crc32

import pytest

from core.tokens import is_key_secret, new_key_secret, shown_of

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_a_keys_secret_is_found_by_scanners_and_told_from_what_looks_like_one() -> None:
    secrets = {new_key_secret() for _ in range(1000)}
    assert len(secrets) == 1000
    for secret in secrets:
        assert re.fullmatch(r"sk_syn_[0-9A-Za-z]{49}", secret)
        checksum = 0
        for digit in secret[-6:]:
            checksum = checksum * 62 + BASE62.index(digit)
        assert checksum == crc32(secret[:-6].encode())
        assert is_key_secret(secret)


@pytest.mark.parametrize("place", [7, 30, 49, 55])
def test_a_slip_of_the_pen_is_noticed(place: int) -> None:
    secret = new_key_secret()
    other = "a" if secret[place] != "a" else "b"
    assert not is_key_secret(secret[:place] + other + secret[place + 1 :])


@pytest.mark.parametrize("text", ["", "sk_syn_", "é" * 56, "sk_syn_" + "0" * 49, "\ud800" * 56, "x" * 100_000])
def test_what_is_none_is_none(text: str) -> None:
    assert not is_key_secret(text)
    assert not is_key_secret(new_key_secret() + text[:1] if text else "")


def test_its_beginning_tells_keys_apart_and_gives_little_away() -> None:
    secret = new_key_secret()
    assert shown_of(secret) == secret[:13]
