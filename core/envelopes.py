"""Secrets that the server keeps for its users, encrypted so that the database alone gives none of them away.

Envelope encryption: each secret is encrypted with a data key of its own, and the data key with a key-encryption key
that is derived from one of the server's secrets. Rotating the latter means wrapping the data keys anew, and touches no
secret. Both layers are AES-256-GCM (NIST SP 800-38D) under random nonces, and both are bound to the place where the
envelope is kept: moved to another row, it can't be opened.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import SecretUnreadable
from core.keys import derive_key, parse_secrets

NONCE_BYTES = 12
_KEY_BITS = 256

# What says where an envelope belongs: the ids and names of its row.
Place = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Envelope:
    """An encrypted secret. ``kid`` names the key that wraps its data key; each bytes value begins with its nonce."""

    kid: str
    wrapped_key: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)


class Envelopes:
    """Makes envelopes with the newest of the server's secrets, and opens those of all that are left in the ring."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._wrapping_keys = {kid: AESGCM(derive_key(secret, "key encryption")) for kid, secret in secrets.items()}
        self.newest = next(iter(secrets))

    @classmethod
    def parse(cls, text: str) -> "Envelopes":
        """From a ``SECRET_KEYS`` setting. Raises StartupRefused when it is malformed."""
        return cls(parse_secrets(text))

    def seal(self, secret: str, place: Place) -> Envelope:
        """``secret`` in an envelope that opens at ``place`` only."""
        data_key = AESGCM.generate_key(_KEY_BITS)
        wrapped_key = _encrypt(self._wrapping_keys[self.newest], data_key, place)
        return Envelope(self.newest, wrapped_key, _encrypt(AESGCM(data_key), secret.encode(), place))

    def open(self, envelope: Envelope, place: Place) -> str:
        """The secret.

        Raises:
            SecretUnreadable: it was sealed for another place, was changed, or its key is no longer in the ring.
        """
        return _decrypt(AESGCM(self._data_key(envelope, place)), envelope.ciphertext, place).decode()

    def rewrap(self, envelope: Envelope, place: Place) -> Envelope:
        """The same secret under the newest key; the secret itself stays encrypted. Raises as `open` does."""
        data_key = self._data_key(envelope, place)
        return Envelope(self.newest, _encrypt(self._wrapping_keys[self.newest], data_key, place), envelope.ciphertext)

    def _data_key(self, envelope: Envelope, place: Place) -> bytes:
        wrapping_key = self._wrapping_keys.get(envelope.kid)
        if wrapping_key is None:
            raise SecretUnreadable(f"It is encrypted with the key {envelope.kid}, which SECRET_KEYS does not have.")
        return _decrypt(wrapping_key, envelope.wrapped_key, place)


def _encrypt(key: AESGCM, data: bytes, place: Place) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.encrypt(nonce, data, orjson.dumps(place))


def _decrypt(key: AESGCM, data: bytes, place: Place) -> bytes:
    try:
        return key.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], orjson.dumps(place))
    except (InvalidTag, ValueError):
        raise SecretUnreadable("It does not decrypt: it was changed, or belongs elsewhere.") from None
