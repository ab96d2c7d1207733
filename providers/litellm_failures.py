"""How litellm's exceptions become our error."""

import json
import re
from ast import literal_eval
from contextlib import suppress
from http import HTTPStatus

from core.errors import ProviderFailed, ProviderTimedOut
from providers.failures import is_retryable, message_of, parse_retry_after, presentable
from providers.guard import refusal_in

# How litellm's messages begin: litellm.BadRequestError: AnthropicException -
_PREFIXES = re.compile(r"^(?:(?:litellm\.)?\w+(?:Error|Exception)(?:: | - ))+")
# A body as Python writes bytes.
_BYTES = re.compile(r"""b(['"])\{.*\}\s*\1""")
_JSON = json.JSONDecoder()


def failure_of_exception(error: Exception, api_key: str) -> ProviderFailed:
    """Our error for one of litellm's, without ``api_key`` in its words."""
    if isinstance(error, ProviderFailed):
        return error
    if (refusal := refusal_in(error)) is not None:
        return refusal
    # An error in the midst of a stream comes wrapped.
    cause = getattr(error, "original_exception", None) or error
    status = getattr(cause, "status_code", None)
    if isinstance(cause, TimeoutError) or status == HTTPStatus.REQUEST_TIMEOUT:
        return ProviderTimedOut("The provider was silent for too long.", retryable=True)
    retryable = is_retryable(status) if isinstance(status, int) else False
    headers = getattr(cause, "litellm_response_headers", None) or {}
    return ProviderFailed(
        presentable(f"The provider failed: {_words(str(cause))}", api_key),
        retryable=retryable,
        retry_after_s=parse_retry_after(headers.get("retry-after")) if retryable else None,
    )


def _words(text: str) -> str:
    """What the provider said, from text like ``litellm.BadRequestError: XException - {"error": {"message": ...}}``."""
    text = text.partition("\nTraceback (most recent call last)")[0]
    if written := _BYTES.search(text):
        text = literal_eval(written[0]).decode(errors="replace")
    with suppress(ValueError):
        body, _ = _JSON.raw_decode(text, text.index("{"))
        if message := message_of(body):
            return message
    return _PREFIXES.sub("", text)
