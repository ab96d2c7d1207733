"""Passwords: argon2id (RFC 9106), off the event loop, a few at a time since each takes 64 MiB and all of a core."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from core.errors import ValidationFailed
from core.inputs import Path, require_storable

MIN_CHARS = 10
MAX_CHARS = 1_000

_hasher = PasswordHasher()
_threads = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="argon2")
# The hash of a password that nobody has, so that an unknown e-mail address takes as long as a wrong password.
_DUMMY_HASH = "$argon2id$v=19$m=65536,t=3,p=4$JT2UUMVcNIwwSyo/yf9v0w$nLUcvQnXFmlBWFJpjTiV7sWd5BZnUS7omE7UvCb8JoQ"


def require_strong(password: str, path: Path) -> str:
    """``password``, unless it is too short, too long or no text."""
    require_storable(password, path, what="The password")
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        raise ValidationFailed(f"The password must have {MIN_CHARS} to {MAX_CHARS:,} characters.", path)
    return password


async def hash_password(password: str) -> str:
    """In PHC string format."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


async def verify_password(password: str, stored: str | None) -> bool:
    """Whether ``password`` is the one of the hash ``stored``; never for None, which takes as long."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _verify, password[: MAX_CHARS + 1], stored)


def needs_rehash(stored: str) -> bool:
    """Whether ``stored`` was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(stored)


def _verify(password: str, stored: str | None) -> bool:
    try:
        return _hasher.verify(stored or _DUMMY_HASH, password) and stored is not None
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
