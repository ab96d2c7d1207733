"""The tokens that prove who calls."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from cachetools import LRUCache
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.errors import Unauthenticated
from core.keys import derive_key, parse_secrets

ISSUER = AUDIENCE = "synapse"
END_USER_AUDIENCE = "synapse end user"
# A few hundred bytes each.
MOST_VERIFIED = 10_000


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a valid access token says. Whether its session still lives stands in the database."""

    user_id: UUID
    session_id: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class EndUserClaims:
    """What a valid token of an end user says."""

    end_user_id: UUID
    workspace_id: UUID
    expires_at: datetime


class KeyRing:
    """The server's secrets, newest first, and what is derived from each.

    The newest key signs, all of them verify: put a new key in front to rotate, and drop the old one once the tokens
    that it signed have expired. Access tokens are JWTs (RFC 7519) signed with Ed25519 (RFC 8037).
    """

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._signing_keys = {
            kid: Ed25519PrivateKey.from_private_bytes(derive_key(secret, "access token signing"))
            for kid, secret in secrets.items()
        }
        self._public_keys = {kid: key.public_key() for kid, key in self._signing_keys.items()}
        self._newest = next(iter(secrets))
        # What tokens say whose signatures were found right: to find that out again takes as long as a small query.
        self._verified: LRUCache[bytes, AccessClaims] = LRUCache(MOST_VERIFIED)

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """The ring of a ``SECRET_KEYS`` setting: ``kid:base64,kid:base64 ...``, each secret 32 bytes long.

        Raises:
            StartupRefused: it is malformed; the message says which entry is and repeats no secret.
        """
        return cls(parse_secrets(text))

    def issue_access_token(self, user_id: UUID, session_id: UUID, lifetime: timedelta) -> tuple[str, datetime]:
        """A signed token and when it expires, to the second."""
        return self._issue(AUDIENCE, {"sub": str(user_id), "sid": str(session_id)}, lifetime)

    def verify_access_token(self, token: str) -> AccessClaims:
        """What ``token`` says, if one of our keys signed it and it has not expired.

        Raises:
            Unauthenticated: anything else.
        """
        # By their hashes: nothing that could be sent is kept.
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        known = self._verified.get(digest)
        if known is None:
            known = self._verified[digest] = self._verify_access_token(token)
        elif known.expires_at <= datetime.now(UTC):
            raise Unauthenticated("The access token has expired.")
        return known

    def _verify_access_token(self, token: str) -> AccessClaims:
        with _refusing("The access token"):
            claims = self._verify(token, AUDIENCE, "sid")
            return AccessClaims(UUID(claims["sub"]), UUID(claims["sid"]), datetime.fromtimestamp(claims["exp"], UTC))

    def issue_end_user_token(self, end_user_id: UUID, workspace_id: UUID, lifetime: timedelta) -> tuple[str, datetime]:
        """As `issue_access_token`, for a page's end user."""
        return self._issue(END_USER_AUDIENCE, {"sub": str(end_user_id), "ws": str(workspace_id)}, lifetime)

    def verify_end_user_token(self, token: str) -> EndUserClaims:
        """As `verify_access_token`. Neither is good for the other."""
        with _refusing("The end user's token"):
            claims = self._verify(token, END_USER_AUDIENCE, "ws")
            return EndUserClaims(UUID(claims["sub"]), UUID(claims["ws"]), datetime.fromtimestamp(claims["exp"], UTC))

    def _issue(self, audience: str, claims: dict[str, str], lifetime: timedelta) -> tuple[str, datetime]:
        now = datetime.now(UTC).replace(microsecond=0)
        expires_at = now + lifetime
        payload = {"iss": ISSUER, "aud": audience, **claims, "iat": now, "exp": expires_at}
        key = self._signing_keys[self._newest]
        return jwt.encode(payload, key, algorithm="EdDSA", headers={"kid": self._newest}), expires_at

    def _verify(self, token: str, audience: str, claim: str) -> dict[str, Any]:
        key = self._public_keys[jwt.get_unverified_header(token)["kid"]]
        return jwt.decode(
            token,
            key,
            algorithms=["EdDSA"],
            audience=audience,
            issuer=ISSUER,
            # The clock of the machine that issued it may be ahead of ours, so `iat` must only be there.
            options={"require": ["iss", "aud", "sub", claim, "iat", "exp"], "verify_iat": False},
        )


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Raises Unauthenticated for whatever may be wrong with a token."""
    try:
        yield
    except jwt.ExpiredSignatureError:
        raise Unauthenticated(f"{what} has expired.") from None
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise Unauthenticated(f"{what} is not valid.") from None
