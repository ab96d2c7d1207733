"""Checks that any input must pass at the border, before it can trouble the database."""

from typing import Any

from core.errors import ValidationFailed

Path = tuple[str, ...]


def require_text(value: str, path: Path, *, max_chars: int, what: str, allow_empty: bool = False) -> str:
    """``value``, stripped of white space at both ends, if it can be kept: ``what`` names it in the message.

    Raises:
        ValidationFailed: it is blank, longer than ``max_chars``, or holds what PostgreSQL can't store.
    """
    require_storable(value, path, what=what)
    text = value.strip()
    if not text and not allow_empty:
        raise ValidationFailed(f"{what} must not be empty.", path)
    if len(text) > max_chars:
        raise ValidationFailed(f"{what} must be at most {max_chars:,} characters long; this one has {len(text):,}.", path)
    return text


def require_storable(value: Any, path: Path, *, what: str) -> None:
    """Raises ValidationFailed for NUL characters and lone surrogates anywhere in a text or a JSON value."""
    if isinstance(value, str):
        if "\x00" in value:
            raise ValidationFailed(f"{what} must not contain NUL characters.", path)
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise ValidationFailed(f"{what} must be valid Unicode: it holds half of a surrogate pair.", path)
    elif isinstance(value, dict):
        for key, item in value.items():
            require_storable(key, path, what=what)
            require_storable(item, (*path, str(key)), what=what)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            require_storable(item, (*path, str(index)), what=what)
