"""Anthropic's messages wire format, both ways.

Protocol: https://docs.anthropic.com/en/api/messages and https://docs.anthropic.com/en/docs/build-with-claude/streaming.
Pure: bytes in, events out; the sockets are the adapter's.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

import orjson

from core.events import FinishReason, ModelEvent, ReasoningDelta, TextDelta, TokenUsage
from providers.answer_decoder import AnswerDecoder
from providers.failures import failure_of_error
from providers.json_fields import count_of, object_of, parse_object, text_of
from providers.port import ChatMessage, ChatRole, ModelRequest

# The name of the tool whose arguments are the answer, where that has to follow a schema.
OUTPUT_TOOL: Final = "write_output"

_FINISH_REASONS: Final = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}


def encode_request(request: ModelRequest, *, most_output_tokens: int) -> bytes:
    """The JSON body of ``POST /v1/messages`` for ``request``.

    ``most_output_tokens``: of the model, as Anthropic wants a limit where the request has none.
    """
    system = "\n\n".join(message.text for message in request.messages if message.role is ChatRole.SYSTEM)
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_output_tokens or most_output_tokens,
        "messages": _turns(message for message in request.messages if message.role is not ChatRole.SYSTEM),
        "stream": True,
    }
    if system:
        body["system"] = system
    if request.temperature is not None:
        body["temperature"] = min(request.temperature, 1.0)  # the most that Anthropic takes
    tools = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.parameters} for tool in request.tools
    ]
    if request.output_schema is not None:
        # Its own structured output refuses every schema outside a narrow subset; a tool takes them all.
        tools.append({"name": OUTPUT_TOOL, "description": "Write the answer.", "input_schema": request.output_schema})
        body["tool_choice"] = {"type": "any"} if request.tools else {"type": "tool", "name": OUTPUT_TOOL}
    if tools:
        body["tools"] = tools
    return orjson.dumps(body)


def _turns(messages: Iterable[ChatMessage]) -> list[dict[str, Any]]:
    """Turn by turn: what tools answer is the user's, and all answers to one turn's calls stand in one."""
    return [
        {"role": role, "content": [block for message in turn for block in _blocks(message)]}
        for role, turn in groupby(messages, key=_role)
    ]


def _role(message: ChatMessage) -> str:
    return "assistant" if message.role is ChatRole.ASSISTANT else "user"


def _blocks(message: ChatMessage) -> Iterator[dict[str, Any]]:
    if message.role is ChatRole.TOOL:
        yield {"type": "tool_result", "tool_use_id": message.call_id, "content": message.text}
    elif message.text.strip():  # a blank text is refused
        yield {"type": "text", "text": message.text}
    for call in message.tool_calls:
        arguments = call.arguments if isinstance(call.arguments, dict) else {"arguments": call.arguments}
        yield {"type": "tool_use", "id": call.call_id, "name": call.name, "input": arguments}


class MessagesDecoder(AnswerDecoder):
    """Of the events of a message, up to ``message_stop``."""

    def __init__(self) -> None:
        super().__init__()
        self._message_id = ""
        self._output_index: int | None = None
        # The latest of each, as they are told again and grow.
        self._counts: dict[str, int] = {}

    def _take(self, data: bytes, events: list[ModelEvent]) -> None:
        event = parse_object(data)
        match event.get("type"):
            case "message_start":
                message = object_of(event.get("message"))
                self._message_id = text_of(message.get("id"))
                self._count(message.get("usage"))
            case "content_block_start":
                events.extend(self._start_block(count_of(event.get("index")), object_of(event.get("content_block"))))
            case "content_block_delta":
                events.extend(self._take_delta(count_of(event.get("index")), object_of(event.get("delta"))))
            case "message_delta":
                self._count(event.get("usage"))
                if reason := text_of(object_of(event.get("delta")).get("stop_reason")):
                    self._reason = self._finish_reason(reason)
            case "message_stop":
                self._finish(events)
            case "error":
                raise failure_of_error(event.get("error"))

    def _start_block(self, index: int, block: dict[str, Any]) -> Iterator[ModelEvent]:
        match block.get("type"):
            case "text" if text := text_of(block.get("text")):
                yield TextDelta(text)
            case "thinking" if thought := text_of(block.get("thinking")):
                yield ReasoningDelta(thought)
            case "tool_use" if block.get("name") == OUTPUT_TOOL:
                self._output_index = index
            case "tool_use":
                # Whole arguments come here from servers that do not stream them.
                whole = object_of(block.get("input"))
                self._calls.take(
                    index,
                    text_of(block.get("id")),
                    text_of(block.get("name")),
                    orjson.dumps(whole).decode() if whole else "",
                    call_prefix=self._message_id,
                )

    def _take_delta(self, index: int, delta: dict[str, Any]) -> Iterator[ModelEvent]:
        match delta.get("type"):
            case "text_delta" if text := text_of(delta.get("text")):
                yield TextDelta(text)
            case "thinking_delta" if thought := text_of(delta.get("thinking")):
                yield ReasoningDelta(thought)
            case "input_json_delta" if written := text_of(delta.get("partial_json")):
                if index == self._output_index:
                    yield TextDelta(written)
                else:
                    self._calls.take(index, "", "", written, call_prefix=self._message_id)

    def _finish_reason(self, reason: str) -> FinishReason:
        if reason == "tool_use" and self._output_index is not None:
            return FinishReason.STOP
        return _FINISH_REASONS.get(reason, FinishReason.STOP)

    def _count(self, usage: Any) -> None:
        """What comes from the cache, and what goes into it, is counted apart from the rest of the input."""
        self._counts |= {name: count_of(count) for name, count in object_of(usage).items() if count is not None}
        cached = self._counts.get("cache_read_input_tokens", 0)
        fresh = self._counts.get("input_tokens", 0) + self._counts.get("cache_creation_input_tokens", 0)
        self._usage = TokenUsage(fresh + cached, self._counts.get("output_tokens", 0), cached)
