"""Anthropic's messages as a stream: https://docs.anthropic.com/en/docs/build-with-claude/streaming"""

import json
from collections.abc import Sequence
from typing import Any

from core.events import FinishReason, ModelEvent, ModelFinished, ReasoningDelta, TextDelta, TokenUsage, ToolCalled
from tests.upstream.replies import Reply, Step

_STOP_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "refusal",
}


def writes(events: Sequence[ModelEvent]) -> list[Step]:
    """What the provider writes for an answer of ``events``, which may lack its end."""
    usage = next((event.usage for event in events if isinstance(event, ModelFinished)), None) or TokenUsage()
    # Anthropic counts what comes from the cache apart.
    counts = {
        "input_tokens": usage.input_tokens - usage.cached_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "output_tokens": 1,
    }
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": counts}
    steps = [_event("message_start", message=message), _event("ping")]
    block = _Blocks(steps)
    for event in events:
        match event:
            case TextDelta(text):
                block.open("text", text="")
                block.delta("text_delta", text=text)
            case ReasoningDelta(text):
                block.open("thinking", thinking="", signature="")
                block.delta("thinking_delta", thinking=text)
            case ToolCalled(call_id, name, arguments):
                block.close()
                block.open("tool_use", id=call_id, name=name, input={})
                written = json.dumps(arguments, ensure_ascii=False)
                for at in range(0, len(written), 5):
                    block.delta("input_json_delta", partial_json=written[at : at + 5])
                block.close()
            case ModelFinished(reason, _):
                block.close()
                delta = {"stop_reason": _STOP_REASONS[reason], "stop_sequence": None}
                steps += [
                    _event("message_delta", delta=delta, usage={"output_tokens": usage.output_tokens}),
                    _event("message_stop"),
                ]
    return list(steps)


def failure(status: int, message: str, *, retry_after: str | None = None) -> Reply:
    """A refusal as Anthropic words it."""
    body = {"type": "error", "error": {"type": "api_error", "message": message}}
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Reply([json.dumps(body).encode()], status, headers, "application/json")


class _Blocks:
    """Numbers the content blocks; deltas of one kind share a block."""

    def __init__(self, steps: list[bytes]) -> None:
        self._steps = steps
        self._index = -1
        self._open: str | None = None

    def open(self, kind: str, **content: Any) -> None:
        if self._open == kind:
            return
        self.close()
        self._index += 1
        self._open = kind
        block = {"type": kind, **content}
        self._steps.append(_event("content_block_start", index=self._index, content_block=block))

    def delta(self, kind: str, **content: str) -> None:
        self._steps.append(_event("content_block_delta", index=self._index, delta={"type": kind, **content}))

    def close(self) -> None:
        if self._open is not None:
            self._steps.append(_event("content_block_stop", index=self._index))
            self._open = None


def _event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def error(message: str) -> bytes:
    """An error in the midst of an answer."""
    return _event("error", error={"type": "overloaded_error", "message": message})
