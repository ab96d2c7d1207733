"""Gemini's streamGenerateContent: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from core.events import FinishReason, ModelEvent, ModelFinished, ReasoningDelta, TextDelta, TokenUsage, ToolCalled
from tests.upstream.replies import Reply, Step, event

_FINISH_REASONS = {
    FinishReason.STOP: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.TOOL_CALLS: "STOP",
    FinishReason.CONTENT_FILTER: "SAFETY",
}


def writes(events: Sequence[ModelEvent]) -> list[Step]:
    """What the provider writes for an answer of ``events``, which may lack its end."""
    return [_chunk(each) for each in events]


def _chunk(each: ModelEvent) -> bytes:
    match each:
        case TextDelta(text):
            return _candidate({"text": text})
        case ReasoningDelta(text):
            return _candidate({"text": text, "thought": True})
        case ToolCalled(_, name, arguments):
            return _candidate({"functionCall": {"name": name, "args": arguments}})
        case ModelFinished(reason, usage):
            return _candidate({"text": ""}, finish_reason=_FINISH_REASONS[reason], usage=usage)


def _candidate(part: Mapping[str, Any], *, finish_reason: str | None = None, usage: TokenUsage | None = None) -> bytes:
    candidate: dict[str, Any] = {"content": {"parts": [part], "role": "model"}, "index": 0}
    if finish_reason is not None:
        candidate["finishReason"] = finish_reason
    chunk: dict[str, Any] = {"candidates": [candidate], "modelVersion": "m", "responseId": "r1"}
    if usage is not None:
        # Of the output, Gemini counts what the model thought apart.
        chunk["usageMetadata"] = {
            "promptTokenCount": usage.input_tokens,
            "cachedContentTokenCount": usage.cached_tokens,
            "candidatesTokenCount": usage.output_tokens - 1,
            "thoughtsTokenCount": 1,
            "totalTokenCount": usage.input_tokens + usage.output_tokens,
        }
    return event(chunk)


def failure(status: int, message: str, *, retry_after: str | None = None) -> Reply:
    """A refusal as Google words it."""
    body = {"error": {"code": status, "message": message, "status": "FAILED"}}
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Reply([json.dumps(body).encode()], status, headers, "application/json")


def error(message: str) -> bytes:
    """An error in the midst of an answer."""
    return event({"error": {"code": 503, "message": message, "status": "UNAVAILABLE"}})
