"""Envelopes: who can open them, and where."""

from dataclasses import replace
from typing import Any

import pytest

from core.envelopes import Envelope, Envelopes
from core.errors import SecretUnreadable

PLACE = ("provider credential", "w1", "OPENAI", "default")
OLD, NEW = {"old": b"o" * 32}, {"new": b"n" * 32}


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_what_was_sealed_opens_at_its_place() -> None:
    envelopes = Envelopes(NEW)
    assert envelopes.open(envelopes.seal("sk-geheim-ü", PLACE), PLACE) == "sk-geheim-ü"


@pytest.mark.parametrize("part", range(4))
def test_at_another_place_it_does_not_open(part: int) -> None:
    envelopes = Envelopes(NEW)
    elsewhere = (*PLACE[:part], "other", *PLACE[part + 1 :])
    with pytest.raises(SecretUnreadable):
        envelopes.open(envelopes.seal("sk", PLACE), elsewhere)


def test_parts_of_a_place_can_not_be_shifted() -> None:
    envelopes = Envelopes(NEW)
    with pytest.raises(SecretUnreadable):
        envelopes.open(envelopes.seal("sk", ("ab", "c")), ("a", "bc"))


@pytest.mark.parametrize("at", [0, 11, 12, -1])
@pytest.mark.parametrize("column", ["wrapped_key", "ciphertext"])
def test_a_changed_bit_is_noticed(column: str, at: int) -> None:
    envelopes = Envelopes(NEW)
    envelope = envelopes.seal("sk-secret", PLACE)
    data: bytes = getattr(envelope, column)
    changes: dict[str, Any] = {column: flipped(data, at % len(data))}
    broken = replace(envelope, **changes)
    with pytest.raises(SecretUnreadable):
        envelopes.open(broken, PLACE)


def test_a_truncated_envelope_is_unreadable() -> None:
    with pytest.raises(SecretUnreadable):
        Envelopes(NEW).open(Envelope("new", b"short", b""), PLACE)


def test_the_same_secret_never_looks_the_same_twice() -> None:
    envelopes = Envelopes(NEW)
    first, second = envelopes.seal("sk", PLACE), envelopes.seal("sk", PLACE)
    assert first.wrapped_key != second.wrapped_key
    assert first.ciphertext != second.ciphertext


def test_rewrapping_leaves_the_secret_and_lets_the_old_key_go() -> None:
    sealed = Envelopes(OLD).seal("sk-secret", PLACE)
    rewrapped = Envelopes({**NEW, **OLD}).rewrap(sealed, PLACE)
    assert (rewrapped.kid, rewrapped.ciphertext) == ("new", sealed.ciphertext)
    assert Envelopes(NEW).open(rewrapped, PLACE) == "sk-secret"
    with pytest.raises(SecretUnreadable, match="new"):
        Envelopes(OLD).open(rewrapped, PLACE)


def test_a_key_of_the_same_name_with_another_secret_opens_nothing() -> None:
    with pytest.raises(SecretUnreadable):
        Envelopes({"old": b"x" * 32}).open(Envelopes(OLD).seal("sk", PLACE), PLACE)


def test_nothing_shows_in_a_repr() -> None:
    envelope = Envelopes(NEW).seal("sk-secret", PLACE)
    assert repr(envelope) == "Envelope(kid='new')"
