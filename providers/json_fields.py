"""Reading what a provider sent as JSON, which is seldom checked before it is sent."""

import json
from typing import Any

import orjson

from core.errors import ProviderFailed


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object that ``data`` is.

    Raises:
        ProviderFailed: it is none.
    """
    try:
        return object_of(orjson.loads(data))
    except orjson.JSONDecodeError:
        pass
    try:
        # Models that emit bytes can break a UTF-8 sequence or a surrogate pair: a "?" there beats losing the answer.
        lenient = json.dumps(json.loads(data.decode("utf-8", "replace")), ensure_ascii=False)
        return object_of(orjson.loads(lenient.encode("utf-8", "replace")))
    except (ValueError, RecursionError):
        raise _malformed() from None


def object_of(value: Any) -> dict[str, Any]:
    """``value``, or an empty object for null. Raises ProviderFailed for all else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _malformed()
    return value


def objects_of(value: Any) -> list[dict[str, Any]]:
    """``value``, a list of objects, or none for null. Raises ProviderFailed for all else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise _malformed()
    return [object_of(item) for item in value]


def text_of(value: Any) -> str:
    """``value`` without NUL characters, which JSON can carry and PostgreSQL can't store; null is no text.

    Raises ProviderFailed for what is no text.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _malformed()
    return value.replace("\0", "") if "\0" in value else value


def count_of(value: Any) -> int:
    """``value``, or 0 for what can't be a count."""
    return value if isinstance(value, int) and value > 0 else 0


def _malformed() -> ProviderFailed:
    return ProviderFailed("The provider sent something that makes no sense.", retryable=True)
