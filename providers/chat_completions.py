"""OpenAI's chat-completions wire format, which most providers and model servers speak, both ways.

Protocol: https://platform.openai.com/docs/api-reference/chat-streaming, with the dialects of vLLM, llama.cpp, Ollama,
OpenRouter, DeepSeek and Gemini where they differ. Pure: bytes in, events out; the sockets are the adapter's.
"""

import json
from collections.abc import Iterator
from typing import Any

import orjson

from core.errors import ProviderFailed
from core.events import FinishReason, ModelEvent, ModelFinished, ReasoningDelta, TextDelta, TokenUsage
from providers.failures import failure_of_document, failure_of_error
from providers.port import ChatMessage, ChatRole, ModelRequest
from providers.sse import EventStreamDecoder
from providers.tool_calls import ToolCallAssembler

MAX_DOCUMENT_BYTES = 64 * 1024

FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}
# A body that begins so is no event stream: an error in JSON, or a web page.
_DOCUMENT_STARTS = (b"{", b"[", b"<", b'"')


def encode_request(request: ModelRequest, *, token_limit_field: str = "max_tokens") -> bytes:
    """The JSON body of ``POST /chat/completions`` for ``request``; see `request_body`."""
    return orjson.dumps(request_body(request, token_limit_field=token_limit_field))


def request_body(request: ModelRequest, *, token_limit_field: str = "max_tokens") -> dict[str, Any]:
    """What to ask for: a stream with usage.

    ``token_limit_field``: OpenAI's own newer models refuse ``max_tokens``, most other servers know nothing else.
    """
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [_encode_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in request.tools
        ]
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_output_tokens is not None:
        body[token_limit_field] = request.max_output_tokens
    if request.output_schema is not None:
        # Not "strict": OpenAI then refuses every schema outside its own narrow subset.
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "output", "schema": request.output_schema},
        }
    return body


def _encode_message(message: ChatMessage) -> dict[str, Any]:
    encoded: dict[str, Any] = {"role": message.role.value, "content": message.text}
    if message.role is ChatRole.TOOL:
        encoded["tool_call_id"] = message.call_id
    if message.tool_calls:
        encoded["content"] = message.text or None
        encoded["tool_calls"] = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": orjson.dumps(call.arguments).decode()},
            }
            for call in message.tool_calls
        ]
    return encoded


class ChatCompletionsDecoder:
    """Turns the body of one streamed answer, cut anywhere, into its events.

    Feed it the bytes as they come, stop when it is ``done``, and ``close`` it when the body ends. ``complete`` says
    that the model has finished, so that a connection that breaks from then on has cost at most the usage.
    """

    def __init__(self) -> None:
        self._sse = EventStreamDecoder()
        self._document: bytearray | None = None
        self._begun = False
        self._calls = ToolCallAssembler()
        self._reason: FinishReason | None = None
        self._usage: TokenUsage | None = None
        self.done = False

    @property
    def complete(self) -> bool:
        return self._reason is not None

    def feed(self, chunk: bytes) -> Iterator[ModelEvent]:
        """Yield the events that ``chunk`` completes.

        Raises:
            ProviderFailed: an error object came, or something that is not this protocol.
        """
        if not self._begun and (start := chunk.lstrip()):
            self._begun = True
            self._document = bytearray() if start.startswith(_DOCUMENT_STARTS) else None
        if self._document is not None:
            self._document += chunk[: MAX_DOCUMENT_BYTES - len(self._document)]
            return
        for data in self._sse.feed(chunk):
            yield from self._event(data)

    def close(self) -> Iterator[ModelEvent]:
        """The body is over: yield what is left, ``ModelFinished`` at the latest.

        Raises:
            ProviderFailed: it ended before the model did, or was no event stream at all.
        """
        if self._document is not None:
            raise failure_of_document(bytes(self._document))
        for data in self._sse.close():
            yield from self._event(data)
        if not self.complete and not self.done:
            raise ProviderFailed("The provider's answer broke off.", retryable=True)
        yield from self._finish()

    def _event(self, data: bytes) -> Iterator[ModelEvent]:
        if self.done:
            return
        if data == b"[DONE]":
            yield from self._finish()
            return
        chunk = _parse(data)
        if chunk.get("error"):
            raise failure_of_error(chunk["error"])
        if usage := _object(chunk.get("usage")):
            self._usage = _token_usage(usage)
        for choice in _objects(chunk.get("choices"))[:1]:
            delta = _object(choice.get("delta"))
            if reasoning := _text(delta.get("reasoning_content") or delta.get("reasoning")):
                yield ReasoningDelta(reasoning)
            if text := _text(delta.get("content") or delta.get("refusal")):
                yield TextDelta(text)
            for call in _objects(delta.get("tool_calls")):
                self._take_call(call, completion_id=_text(chunk.get("id")))
            if reason := _text(choice.get("finish_reason")):
                self._take_reason(reason)

    def _take_call(self, delta: dict[str, Any], completion_id: str) -> None:
        function = _object(delta.get("function"))
        self._calls.take(
            _count(delta.get("index")),
            _text(delta.get("id")),
            _text(function.get("name")),
            _text(function.get("arguments")),
            call_prefix=completion_id,
        )

    def _take_reason(self, reason: str) -> None:
        if reason == "error":  # OpenRouter: the model's host failed
            raise ProviderFailed("The provider broke off its answer with an error.", retryable=True)
        self._reason = FINISH_REASONS.get(reason, FinishReason.STOP)

    def _finish(self) -> Iterator[ModelEvent]:
        """End the answer, once. [DONE] without a reason is the provider's word that all is well."""
        if self.done:
            return
        self.done = True
        calls, reason = self._calls.finish(self._reason or FinishReason.STOP)
        yield from calls
        yield ModelFinished(reason, self._usage)


def _token_usage(usage: dict[str, Any]) -> TokenUsage:
    """xAI and Gemini leave what the model thought out of the completion's tokens, but not out of the total."""
    input_tokens = _count(usage.get("prompt_tokens"))
    return TokenUsage(
        input_tokens=input_tokens,
        output_tokens=max(_count(usage.get("completion_tokens")), _count(usage.get("total_tokens")) - input_tokens),
        cached_tokens=_count(_object(usage.get("prompt_tokens_details")).get("cached_tokens")),
    )


def _parse(data: bytes) -> dict[str, Any]:
    try:
        return _object(orjson.loads(data))
    except orjson.JSONDecodeError:
        pass
    try:
        # Models that emit bytes can break a UTF-8 sequence or a surrogate pair: a "?" there beats losing the answer.
        lenient = json.dumps(json.loads(data.decode("utf-8", "replace")), ensure_ascii=False)
        return _object(orjson.loads(lenient.encode("utf-8", "replace")))
    except (ValueError, RecursionError):
        raise _malformed() from None


def _malformed() -> ProviderFailed:
    return ProviderFailed("The provider sent something that is not a chat completion.", retryable=True)


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _malformed()
    return value


def _objects(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _malformed()
    return [_object(item) for item in value]


def _text(value: Any) -> str:
    """``value`` without NUL characters: JSON can carry them, PostgreSQL can store none."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _malformed()
    return value.replace("\0", "") if "\0" in value else value


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
