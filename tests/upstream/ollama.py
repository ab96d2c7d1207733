"""Ollama's own chat, a JSON document per line: https://github.com/ollama/ollama/blob/main/docs/api.md"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from core.events import FinishReason, ModelEvent, ModelFinished, ReasoningDelta, TextDelta, ToolCalled
from tests.upstream.replies import Reply, Step

CONTENT_TYPE = "application/x-ndjson"

_DONE_REASONS = {FinishReason.STOP: "stop", FinishReason.LENGTH: "length", FinishReason.TOOL_CALLS: "stop"}


def writes(events: Sequence[ModelEvent]) -> list[Step]:
    """What the server writes for an answer of ``events``, which may lack its end."""
    return [_line(each) for each in events]


def _line(each: ModelEvent) -> bytes:
    match each:
        case TextDelta(text):
            return _message({"content": text})
        case ReasoningDelta(text):
            return _message({"content": "", "thinking": text})
        case ToolCalled(_, name, arguments):
            return _message({"content": "", "tool_calls": [{"function": {"name": name, "arguments": arguments}}]})
        case ModelFinished(reason, usage):
            end: dict[str, Any] = {"done_reason": _DONE_REASONS[reason], "total_duration": 1, "eval_duration": 1}
            if usage is not None:
                end |= {"prompt_eval_count": usage.input_tokens, "eval_count": usage.output_tokens}
            return _message({"content": ""}, done=True, **end)


def _message(message: Mapping[str, Any], *, done: bool = False, **end: Any) -> bytes:
    line = {
        "model": "m",
        "created_at": "2026-11-22T12:00:00.000000Z",
        "message": {"role": "assistant", **message},
        "done": done,
    }
    return json.dumps({**line, **end}, ensure_ascii=False).encode() + b"\n"


def failure(status: int, message: str, *, retry_after: str | None = None) -> Reply:
    """A refusal as Ollama words it."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Reply([json.dumps({"error": message}).encode()], status, headers, "application/json")


def error(message: str) -> bytes:
    """An error in the midst of an answer."""
    return json.dumps({"error": message}).encode() + b"\n"
