"""Putting together the tool calls of an answer, which arrive in pieces."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from core.events import FinishReason, ToolCalled
from core.inputs import too_deep


@dataclass(slots=True)
class _PartialCall:
    """A tool call whose arguments are still arriving."""

    call_id: str
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class ToolCallAssembler:
    """Collects the deltas of one answer's tool calls, in the shape that OpenAI gave them.

    ``call_prefix``, given with each delta, begins the ids of calls that the provider gave none.
    """

    def __init__(self) -> None:
        self._calls: list[_PartialCall] = []
        self._call_at: dict[int, _PartialCall] = {}

    def take(self, index: int, call_id: str, name: str, arguments: str, *, call_prefix: str) -> None:
        """Add to the call at the delta's ``index``, or begin one.

        Some providers number all calls 0, or none: there a new id is a new call too, and so is a name without an id
        after a call that has its name already.
        """
        call = self._call_at.get(index)
        if call is None or _begins_another(call, call_id, name):
            call = _PartialCall(call_id or f"call_{call_prefix}_{len(self._calls)}")
            self._calls.append(call)
            self._call_at[index] = call
        call.name = name or call.name
        call.arguments.append(arguments)

    def finish(self, reason: FinishReason) -> tuple[list[ToolCalled], FinishReason]:
        """The calls of an answer that ended for ``reason``, and the reason in its light."""
        calls = [_tool_called(call) for call in self._calls if call.name]
        if reason is FinishReason.LENGTH or reason is FinishReason.CONTENT_FILTER:
            # What is no JSON was cut off in the middle.
            return [call for call in calls if not isinstance(call.arguments, str)], reason
        # Some servers say "stop" all the same.
        return calls, FinishReason.TOOL_CALLS if calls else reason


def _begins_another(call: _PartialCall, call_id: str, name: str) -> bool:
    if call_id:
        return call_id != call.call_id
    return bool(name and call.name)


def _tool_called(call: _PartialCall) -> ToolCalled:
    """The finished call. No arguments are ``{}``; what is not JSON, or too deep, stays the string that the model wrote.

    No tool's schema takes that string, so the model is told of its mistake like of any other wrong argument and can
    mend it, which costs less than failing the whole answer.
    """
    written = "".join(call.arguments)
    try:
        arguments = orjson.loads(written) if written.strip() else {}
    except orjson.JSONDecodeError:
        arguments = written
    if too_deep(arguments):
        arguments = written
    elif "\\u0000" in written:
        arguments = _without_nul(arguments)
    return ToolCalled(call.call_id, call.name, arguments)


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value
