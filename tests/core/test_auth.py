"""Key rings and access tokens."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core.auth import KeyRing
from core.errors import StartupRefused, Unauthenticated
from core.ids import new_id

MINUTES = timedelta(minutes=15)


def entry(kid: str, byte: bytes = b"k", size: int = 32) -> str:
    return f"{kid}:{b64encode(byte * size).decode()}"


def ring(*entries: str) -> KeyRing:
    return KeyRing.parse(",".join(entries))


def forge(keys: KeyRing, changes: dict[str, Any], algorithm: str = "EdDSA", key: Any = None) -> str:
    """A token in the name of the ring's newest key, with claims changed, or left out where None."""
    now = datetime.now(UTC)
    claims = {
        "iss": "synapse",
        "aud": "synapse",
        "sub": str(new_id()),
        "sid": str(new_id()),
        "iat": now,
        "exp": now + MINUTES,
    } | changes
    signing_key = keys._signing_keys[keys._newest] if algorithm == "EdDSA" else key
    present = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(present, signing_key, algorithm=algorithm, headers={"kid": keys._newest})


def test_a_token_says_who_and_until_when() -> None:
    keys, user_id, session_id = ring(entry("a")), new_id(), new_id()
    token, expires_at = keys.issue_access_token(user_id, session_id, MINUTES)
    claims = keys.verify_access_token(token)
    assert (claims.user_id, claims.session_id, claims.expires_at) == (user_id, session_id, expires_at)
    assert abs(expires_at - datetime.now(UTC) - MINUTES) < timedelta(seconds=2)
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "typ": "JWT", "kid": "a"}


def test_rotating_keys_signs_nobody_out() -> None:
    old, new = entry("2026-10", b"o"), entry("2026-11", b"n")
    token, _ = ring(old).issue_access_token(new_id(), new_id(), MINUTES)
    rotated = ring(new, old)
    rotated.verify_access_token(token)
    assert jwt.get_unverified_header(rotated.issue_access_token(new_id(), new_id(), MINUTES)[0])["kid"] == "2026-11"
    with pytest.raises(Unauthenticated):
        ring(new).verify_access_token(token)


def test_a_key_that_only_shares_the_name_verifies_nothing() -> None:
    token, _ = ring(entry("a", b"x")).issue_access_token(new_id(), new_id(), MINUTES)
    with pytest.raises(Unauthenticated):
        ring(entry("a", b"y")).verify_access_token(token)


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "sid", "iat", "exp"])
def test_every_claim_is_required(claim: str) -> None:
    keys = ring(entry("a"))
    keys.verify_access_token(forge(keys, {}))
    with pytest.raises(Unauthenticated):
        keys.verify_access_token(forge(keys, {claim: None}))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "other"},
        {"aud": "other"},
        {"sub": "ada"},
        {"sid": "1"},
        {"exp": datetime(2026, 1, 1, tzinfo=UTC)},
        {"exp": "never"},
    ],
    ids=str,
)
def test_a_wrong_claim_is_refused(changes: dict[str, Any]) -> None:
    keys = ring(entry("a"))
    with pytest.raises(Unauthenticated):
        keys.verify_access_token(forge(keys, changes))


def test_an_expired_token_is_told_apart() -> None:
    keys = ring(entry("a"))
    with pytest.raises(Unauthenticated, match="expired"):
        keys.verify_access_token(keys.issue_access_token(new_id(), new_id(), timedelta(minutes=-1))[0])


def test_no_other_algorithm_is_accepted() -> None:
    keys = ring(entry("a"))
    public = keys._public_keys["a"].public_bytes(Encoding.Raw, PublicFormat.Raw)
    with pytest.raises(Unauthenticated):
        keys.verify_access_token(forge(keys, {}, "HS256", public))
    with pytest.raises(Unauthenticated):
        keys.verify_access_token(forge(keys, {}, "none"))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "\x00", "e30.e30.e30", "." * 10_000])
def test_garbage_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        ring(entry("a")).verify_access_token(token)


def test_a_clock_that_runs_ahead_elsewhere_does_no_harm() -> None:
    keys = ring(entry("a"))
    keys.verify_access_token(forge(keys, {"iat": datetime.now(UTC) + timedelta(seconds=30)}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        ":" + entry("a")[2:],
        entry("a", size=31),
        entry("a", size=33),
        "a:not base64!",
        f"{entry('a')},{entry('a', b'x')}",
        f"{entry('a')},",
        entry("a b"),
    ],
)
def test_a_malformed_ring_is_refused_without_repeating_a_secret(text: str) -> None:
    with pytest.raises(StartupRefused, match="SECRET_KEYS") as refused:
        KeyRing.parse(text)
    assert "a2tr" not in str(refused.value)  # how each of these secrets begins
    assert "not base64!" not in str(refused.value)


def test_entries_may_be_set_apart_by_spaces() -> None:
    assert (
        UUID(int=0)
        == ring(entry("a") + " ", " " + entry("b"))
        .verify_access_token(ring(entry("b")).issue_access_token(UUID(int=0), new_id(), MINUTES)[0])
        .user_id
    )


def test_a_token_that_was_found_right_is_looked_at_again_when_it_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Tomorrow":
            return cls.fromtimestamp(datetime.now(tz).timestamp() + 86_400, tz)

    keys = ring(entry("a"))
    token, _ = keys.issue_access_token(new_id(), new_id(), MINUTES)
    assert keys.verify_access_token(token) == keys.verify_access_token(token) == keys._verify_access_token(token)
    with pytest.raises(Unauthenticated, match="not valid"):
        keys.verify_access_token(token[:-2])
    monkeypatch.setattr("core.auth.datetime", Tomorrow)
    with pytest.raises(Unauthenticated, match="expired"):
        keys.verify_access_token(token)


def test_neither_tokens_nor_what_is_no_token_are_kept() -> None:
    keys = ring(entry("a"))
    token, _ = keys.issue_access_token(new_id(), new_id(), MINUTES)
    keys.verify_access_token(token)
    with pytest.raises(Unauthenticated):
        keys.verify_access_token("\ud800")
    [kept] = keys._verified
    assert len(kept) == 32
    assert token not in str(vars(keys))
