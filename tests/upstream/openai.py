"""OpenAI's chat completions, as OpenAI, xAI, Mistral and many others stream them."""

import json
from collections.abc import Sequence

from core.events import ModelEvent, ModelFinished, ReasoningDelta, TextDelta, ToolCalled
from tests.upstream import replies
from tests.upstream.replies import DONE, Reply, Step, Usage, chunk, event, usage_chunk

_KINDS = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error"}


def writes(events: Sequence[ModelEvent]) -> list[Step]:
    """What the provider writes for an answer of ``events``, which may lack its end."""
    steps: list[Step] = []
    calls = 0
    for each in events:
        match each:
            case TextDelta(text):
                steps.append(chunk({"content": text}))
            case ReasoningDelta(text):
                steps.append(chunk({"reasoning_content": text}))
            case ToolCalled():
                steps += _call(each, calls)
                calls += 1
            case ModelFinished(reason, usage):
                steps.append(chunk({}, reason.value))
                if usage is not None:
                    steps.append(usage_chunk(Usage(usage.input_tokens, usage.output_tokens, usage.cached_tokens)))
                steps.append(DONE)
    return steps


def _call(call: ToolCalled, index: int) -> list[Step]:
    written = json.dumps(call.arguments, ensure_ascii=False)
    begun = {"index": index, "id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": ""}}
    pieces = [{"index": index, "function": {"arguments": written[at : at + 5]}} for at in range(0, len(written), 5)]
    return [chunk({"tool_calls": [piece]}) for piece in [begun, *pieces]]


def failure(status: int, message: str, *, retry_after: str | None = None) -> Reply:
    """A refusal as OpenAI words it."""
    return replies.failure(status, message, retry_after=retry_after, kind=_KINDS.get(status, "server_error"))


def error(message: str) -> bytes:
    """An error in the midst of an answer."""
    return event({"error": {"message": message, "type": "server_error", "code": None, "param": None}})
