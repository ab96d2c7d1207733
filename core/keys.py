"""The server's secrets, and the keys that are derived from them."""

import re
from base64 import b64decode

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.errors import StartupRefused

SECRET_BYTES = 32
_KID = re.compile(r"[A-Za-z0-9_-]{1,32}")


def parse_secrets(text: str) -> dict[str, bytes]:
    """The secrets of a ``SECRET_KEYS`` setting by their names, newest first: ``kid:base64,kid:base64 ...``.

    Raises:
        StartupRefused: it is malformed; the message says which entry is and repeats no secret.
    """
    secrets: dict[str, bytes] = {}
    for position, entry in enumerate(text.split(","), start=1):
        kid, _, encoded = entry.strip().partition(":")
        if not _KID.fullmatch(kid) or kid in secrets:
            raise StartupRefused(f"SECRET_KEYS: entry {position} needs a name of its own before its colon.")
        try:
            secrets[kid] = b64decode(encoded, validate=True)
        except ValueError:
            raise StartupRefused(f"SECRET_KEYS: the secret of {kid} is not base64.") from None
        if len(secrets[kid]) != SECRET_BYTES:
            raise StartupRefused(
                f"SECRET_KEYS: the secret of {kid} has {len(secrets[kid])} bytes instead of {SECRET_BYTES}."
                " Make one with: openssl rand -base64 32"
            )
    return secrets


def derive_key(secret: bytes, purpose: str) -> bytes:
    """32 bytes for one purpose (HKDF, RFC 5869), so that no two purposes ever share a key."""
    return HKDF(SHA256(), length=32, salt=None, info=f"synapse {purpose}".encode()).derive(secret)
