"""OpenAI's chat-completions wire format, which most providers and model servers speak, both ways.

Protocol: https://platform.openai.com/docs/api-reference/chat-streaming, with the dialects of vLLM, llama.cpp, Ollama,
OpenRouter, DeepSeek, Mistral and Gemini where they differ. Pure: bytes in, events out; the sockets are the adapter's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from core.errors import ProviderFailed
from core.events import FinishReason, ModelEvent, ReasoningDelta, TextDelta, TokenUsage
from providers.answer_decoder import AnswerDecoder
from providers.failures import failure_of_error
from providers.json_fields import count_of, object_of, objects_of, parse_object, text_of
from providers.port import ChatMessage, ChatRole, ModelRequest

FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "model_length": FinishReason.LENGTH,  # Mistral: the context was full
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What servers disagree on. ``token_limit_field``: OpenAI's newer models refuse ``max_tokens``, most other servers
    know nothing else. ``asks_for_usage``: Mistral tells it unasked, and refuses to be asked.
    """

    token_limit_field: str = "max_tokens"
    asks_for_usage: bool = True


USUAL_DIALECT: Final = Dialect()
OWN_DIALECTS: Final = {
    "https://api.openai.com/": Dialect(token_limit_field="max_completion_tokens"),
    "https://api.mistral.ai/": Dialect(asks_for_usage=False),
}
"""By the beginning of the base URL."""


def encode_request(request: ModelRequest, dialect: Dialect = USUAL_DIALECT) -> bytes:
    """The JSON body of ``POST /chat/completions`` for ``request``; see `request_body`."""
    return orjson.dumps(request_body(request, dialect))


def request_body(request: ModelRequest, dialect: Dialect = USUAL_DIALECT) -> dict[str, Any]:
    """What to ask for: a stream with usage."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [_encode_message(message) for message in request.messages],
        "stream": True,
    }
    if dialect.asks_for_usage:
        body["stream_options"] = {"include_usage": True}
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
        body[dialect.token_limit_field] = request.max_output_tokens
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


class ChatCompletionsDecoder(AnswerDecoder):
    """Of chunks of a chat completion, up to ``[DONE]``."""

    def _take(self, data: bytes, events: list[ModelEvent]) -> None:
        if data == b"[DONE]":
            self._finish(events)
            return
        chunk = parse_object(data)
        if text := _plain_text(chunk):
            events.append(TextDelta(text))
            return
        if chunk.get("error"):
            raise failure_of_error(chunk["error"])
        if usage := object_of(chunk.get("usage")):
            self._usage = _token_usage(usage)
        for choice in objects_of(chunk.get("choices"))[:1]:
            delta = object_of(choice.get("delta"))
            if reasoning := text_of(delta.get("reasoning_content") or delta.get("reasoning")):
                events.append(ReasoningDelta(reasoning))
            events.extend(_content(delta.get("content") or delta.get("refusal")))
            for call in objects_of(delta.get("tool_calls")):
                self._take_call(call, completion_id=text_of(chunk.get("id")))
            if reason := text_of(choice.get("finish_reason")):
                self._take_reason(reason)

    def _take_call(self, delta: dict[str, Any], completion_id: str) -> None:
        function = object_of(delta.get("function"))
        self._calls.take(
            count_of(delta.get("index")),
            text_of(delta.get("id")),
            text_of(function.get("name")),
            text_of(function.get("arguments")),
            call_prefix=completion_id,
        )

    def _take_reason(self, reason: str) -> None:
        if reason == "error":  # OpenRouter: the model's host failed
            raise ProviderFailed("The provider broke off its answer with an error.", retryable=True)
        self._reason = FINISH_REASONS.get(reason, FinishReason.STOP)


def _plain_text(chunk: dict[str, Any]) -> str | None:
    """The text of a chunk that brings nothing else, as nearly all do, found in the quickest way; None for any other."""
    choices = chunk.get("choices")
    if type(choices) is not list or len(choices) != 1 or chunk.get("usage") is not None or chunk.get("error"):
        return None
    choice = choices[0]
    if type(choice) is not dict or choice.get("finish_reason") is not None:
        return None
    delta = choice.get("delta")
    if type(delta) is not dict or len(delta) != 1:
        return None
    text = delta.get("content")
    return text if type(text) is str and "\0" not in text else None


def _content(content: Any) -> Iterator[ModelEvent]:
    """A piece of the answer. Mistral's models that think send parts, in which their thoughts are parts again."""
    if not isinstance(content, list):
        if text := text_of(content):
            yield TextDelta(text)
        return
    for part in objects_of(content):
        if thoughts := "".join(text_of(thought.get("text")) for thought in objects_of(part.get("thinking"))):
            yield ReasoningDelta(thoughts)
        if text := text_of(part.get("text")):
            yield TextDelta(text)


def _token_usage(usage: dict[str, Any]) -> TokenUsage:
    """xAI and Gemini leave what the model thought out of the completion's tokens, but not out of the total."""
    input_tokens = count_of(usage.get("prompt_tokens"))
    return TokenUsage(
        input_tokens=input_tokens,
        output_tokens=max(count_of(usage.get("completion_tokens")), count_of(usage.get("total_tokens")) - input_tokens),
        cached_tokens=count_of(object_of(usage.get("prompt_tokens_details")).get("cached_tokens")),
    )
