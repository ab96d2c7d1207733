"""Checks that any input must pass at the border, before it can trouble the database."""

from enum import Enum
from math import isfinite
from typing import Any, Final

import orjson

from core.errors import ValidationFailed

Path = tuple[str, ...]
MAX_JSON_DEPTH = 64


class Unset(Enum):
    """Stands for a value that was left out, where None is a value that can be given."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


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
        raise ValidationFailed(f"{what} must be at most {max_chars:,} characters long; it has {len(text):,}.", path)
    return text


def require_storable(value: Any, path: Path, *, what: str) -> None:
    """Raises ValidationFailed for NUL characters, lone surrogates and infinite numbers in a text or a JSON value."""
    if isinstance(value, str):
        if "\x00" in value:
            raise ValidationFailed(f"{what} must not contain NUL characters.", path)
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise ValidationFailed(f"{what} must be valid Unicode: it holds half of a surrogate pair.", path)
    elif isinstance(value, float):
        # Written out in a document, 1e999 is one.
        if not isfinite(value):
            raise ValidationFailed(f"{what} holds a number beyond those of JSON.", path)
    elif isinstance(value, dict):
        for key, item in value.items():
            require_storable(key, path, what=what)
            require_storable(item, (*path, str(key)), what=what)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            require_storable(item, (*path, str(index)), what=what)


def require_json(value: Any, path: Path, *, max_bytes: int, what: str) -> None:
    """Raises ValidationFailed for a JSON value that is too large, too deep or can't be stored."""
    require_depth(value, path, what=what)
    require_storable(value, path, what=what)
    try:
        size = len(orjson.dumps(value))
    except TypeError as error:
        raise ValidationFailed(f"{what} holds a number beyond 64 bits.", path) from error
    if size > max_bytes:
        raise ValidationFailed(f"{what} must be at most {max_bytes:,} bytes as JSON; it has {size:,}.", path)


def require_depth(value: Any, path: Path, *, what: str) -> None:
    """Raises ValidationFailed for JSON that is `too_deep`."""
    if too_deep(value):
        raise ValidationFailed(f"{what} must be nested at most {MAX_JSON_DEPTH} levels deep.", path)


def too_deep(value: Any) -> bool:
    """Whether JSON is nested deeper than ``MAX_JSON_DEPTH``."""
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [item for node in level if isinstance(node, dict | list) for item in _children(node)]
        if not level:
            return False
    return True


def _children(node: dict[str, Any] | list[Any]) -> list[Any]:
    return list(node.values()) if isinstance(node, dict) else node
