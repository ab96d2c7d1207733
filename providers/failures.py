"""How a provider's refusal becomes our error: whether to try again, how long to wait first, in which words."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from core.errors import ProviderFailed

MAX_MESSAGE_CHARACTERS = 500
MAX_DOCUMENT_BYTES = 64 * 1024
"""As much of a body that is no stream is read for its words."""

_RETRYABLE_STATUSES = frozenset({408, 409, 425, 429})
# Parts of the `type` or `code` of errors that lie in the request or the account, so that repeating it is no use.
_LASTING_FAULTS = ("invalid", "auth", "permission", "not_found", "quota", "billing", "exceed", "unsupported", "policy")


def failure_of_status(status: int, body: bytes, retry_after: str | None) -> ProviderFailed:
    """The error for an answer with an HTTP status other than 200. ``retry_after``: its Retry-After header."""
    message = message_of(_json(body))
    retryable = is_retryable(status)
    return ProviderFailed(
        f"The provider answered with HTTP {status}: {message}" if message else f"The provider answered HTTP {status}.",
        retryable=retryable,
        retry_after_s=parse_retry_after(retry_after) if retryable else None,
    )


def failure_of_error(error: Any) -> ProviderFailed:
    """The error for an error object that came under status 200, as the whole body or in the midst of the stream.

    Its ``code`` may be an HTTP status (OpenRouter, llama.cpp) or, like its ``type``, a name (OpenAI). What is unknown
    counts as the provider's own failure, which a retry may cure.
    """
    fields = error if isinstance(error, dict) else {}
    code = str(fields.get("code"))
    if code.isdecimal():
        retryable = is_retryable(int(code))
    else:
        kind = f"{code} {fields.get('type')}".lower()
        retryable = not any(fault in kind for fault in _LASTING_FAULTS) or "rate_limit" in kind
    return ProviderFailed(
        f"The provider reported an error: {message_of(error) or 'no reason given'}", retryable=retryable
    )


def failure_of_document(body: bytes) -> ProviderFailed:
    """The error for a body under status 200 that is one document where a stream of events was asked for."""
    document = _json(body)
    if isinstance(document, dict) and document.get("error"):
        return failure_of_error(document["error"])
    return ProviderFailed(
        "The provider did not answer with a stream of events: check its base URL, and that it can stream.",
        retryable=False,
    )


def parse_retry_after(value: str | None) -> float | None:
    """Seconds to wait, never below 0, by a Retry-After header in seconds or as a date (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)  # "-0000" parses as naive
        seconds = (at - datetime.now(UTC)).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def presentable(message: str, secret: str) -> str:
    """``message`` on one line, of at most ``MAX_MESSAGE_CHARACTERS``, without ``secret`` (some providers echo keys)."""
    if secret:
        message = message.replace(secret, "***")
    line = "".join(character for character in " ".join(message.split()) if character.isprintable())
    return line if len(line) <= MAX_MESSAGE_CHARACTERS else f"{line[: MAX_MESSAGE_CHARACTERS - 1]}…"


def is_retryable(status: int) -> bool:
    """Whether the same request may succeed later, after an answer with this HTTP status."""
    return status in _RETRYABLE_STATUSES or status >= 500


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def message_of(document: Any) -> str:
    """The words of an error body: ``{"error": {"message"}}`` as OpenAI has it, or one of the shapes seen elsewhere."""
    for _ in range(3):
        if not isinstance(document, dict):
            break
        document = document.get("error") or document.get("message") or document.get("detail")
    return document if isinstance(document, str) else ""
