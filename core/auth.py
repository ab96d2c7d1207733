"""Who calls, and the tokens that prove it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
from cachetools import LRUCache
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.errors import NotFound, Unauthenticated
from core.keys import derive_key, parse_secrets
from core.permissions import Permission, Role

ISSUER = AUDIENCE = "synapse"
# A few hundred bytes each.
MOST_VERIFIED = 10_000


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in caller. ``roles`` maps the id of each workspace that the caller is in to the role there."""

    user_id: UUID
    session_id: UUID
    expires_at: datetime
    roles: Mapping[UUID, Role]

    @property
    def workspace_ids(self) -> tuple[UUID, ...]:
        return tuple(self.roles)

    def may(self, workspace_id: UUID, permission: Permission) -> bool:
        """Whether the caller may do this there; not where they are no member."""
        role = self.roles.get(workspace_id)
        return role is not None and role.may(permission)

    def require(self, workspace_id: UUID, permission: Permission, path: tuple[str, ...] = ()) -> None:
        """Raises NotFound for a workspace that the caller is not in, Forbidden for one where they may not do this."""
        role = self.roles.get(workspace_id)
        if role is None:
            raise NotFound("There is no workspace with this id.", path)
        role.require(permission, path)


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a valid access token says. Whether its session still lives stands in the database."""

    user_id: UUID
    session_id: UUID
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
        now = datetime.now(UTC).replace(microsecond=0)
        expires_at = now + lifetime
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(session_id),
            "iat": now,
            "exp": expires_at,
        }
        key = self._signing_keys[self._newest]
        return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": self._newest}), expires_at

    def verify_access_token(self, token: str) -> AccessClaims:
        """What ``token`` says, if one of our keys signed it and it has not expired.

        Raises:
            Unauthenticated: anything else.
        """
        # By their hashes: nothing that could be sent is kept.
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        claims = self._verified.get(digest)
        if claims is None:
            claims = self._verified[digest] = self._verify(token)
        elif claims.expires_at <= datetime.now(UTC):
            raise Unauthenticated("The access token has expired.")
        return claims

    def _verify(self, token: str) -> AccessClaims:
        try:
            key = self._public_keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                issuer=ISSUER,
                # The clock of the machine that issued it may be ahead of ours, so `iat` must only be there.
                options={"require": ["iss", "aud", "sub", "sid", "iat", "exp"], "verify_iat": False},
            )
            return AccessClaims(UUID(claims["sub"]), UUID(claims["sid"]), datetime.fromtimestamp(claims["exp"], UTC))
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The access token has expired.") from None
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise Unauthenticated("The access token is not valid.") from None
