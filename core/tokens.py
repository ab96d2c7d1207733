"""Secrets that are handed out once, and of which only hashes are kept: refresh tokens, invitations, API keys.

All hold 256 random bits. Nobody finds such a secret by trying, however fast the hash is, so SHA-256 serves: what makes
password hashes slow guards secrets that people choose. And it can be computed with each request.
"""

import secrets
from hashlib import sha256
from zlib import crc32

SECRET_KEY_PREFIX = "sk_syn_"
BROWSER_KEY_PREFIX = "pk_syn_"

_BYTES = 32
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# As many digits as 256 bits, and the 32 of the checksum, take at most.
_RANDOM_CHARS = 43
_CHECKSUM_CHARS = 6
_SHOWN_CHARS = 6


def new_token() -> str:
    """256 random bits, safe in URLs."""
    return secrets.token_urlsafe(_BYTES)


def new_key_secret(prefix: str = SECRET_KEY_PREFIX) -> str:
    """The secret of an API key: a prefix, 256 random bits and a CRC-32 of all that, the latter two in base62.

    As with GitHub's tokens, scanners find it by the prefix, and know by the checksum that they are not mistaken:
    https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/
    """
    text = prefix + _base62(secrets.randbits(8 * _BYTES), _RANDOM_CHARS)
    return text + _checksum(text)


def is_key_secret(text: str) -> bool:
    """Whether this was made by `new_key_secret`, as far as it shows."""
    body, checksum = text[:-_CHECKSUM_CHARS], text[-_CHECKSUM_CHARS:]
    has_form = text.startswith((SECRET_KEY_PREFIX, BROWSER_KEY_PREFIX)) and text.isascii()
    return has_form and len(body) == len(SECRET_KEY_PREFIX) + _RANDOM_CHARS and checksum == _checksum(body)


def shown_of(key_secret: str) -> str:
    """The beginning of a key's secret, by which people know it again: 35 of its 256 bits."""
    return key_secret[: len(SECRET_KEY_PREFIX) + _SHOWN_CHARS]


def hash_token(token: str) -> str:
    """SHA-256 in hex, under which a token is stored and looked up; of any text that a client may send."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _checksum(text: str) -> str:
    return _base62(crc32(text.encode()), _CHECKSUM_CHARS)


def _base62(number: int, length: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, len(_BASE62))
        digits = _BASE62[digit] + digits
    return digits.rjust(length, _BASE62[0])
