"""Secrets that are handed out once, and of which only hashes are kept: refresh tokens, invitations."""

import secrets
from hashlib import sha256

_BYTES = 32


def new_token() -> str:
    """256 random bits, safe in URLs."""
    return secrets.token_urlsafe(_BYTES)


def hash_token(token: str) -> str:
    """SHA-256 in hex, under which a token is stored and looked up; of any text that a client may send."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
