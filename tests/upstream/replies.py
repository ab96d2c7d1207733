"""Answers for the fake upstream to give, byte for byte."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import groupby
from random import Random
from typing import Any


class Signal(Enum):
    """Things to do to a connection. ``CUT``: drop it. ``HANG``: keep it open and say nothing more."""

    CUT = auto()
    HANG = auto()


# One socket write, a pause in seconds, or something done to the connection.
Step = bytes | float | Signal


@dataclass(frozen=True)
class Reply:
    """One answer. The status and headers go out with the first write; what comes before that delays them too.

    ``close_unannounced``: drop the connection after the whole answer, having said that it will be kept.
    """

    steps: Sequence[Step] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "text/event-stream"
    close_unannounced: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(step for step in self.steps if isinstance(step, bytes))

    def pausing(self, seconds: float) -> "Reply":
        """The same, with a pause after each write."""
        return replace(self, steps=[part for step in self.steps for part in (step, seconds)])

    def then(self, *steps: Step, after: int | None = None) -> "Reply":
        """The first ``after`` steps of this answer (all, without it), and then ``steps``."""
        return replace(self, steps=[*self.steps[:after], *steps])

    def in_writes_of(self, size: int) -> "Reply":
        """The same bytes in writes of ``size``, so that events, lines and characters are cut anywhere."""
        body = self.body
        return replace(self, steps=[body[at : at + size] for at in range(0, len(body), size)])

    def cut_anywhere(self, random: Random) -> "Reply":
        """The same in writes of any size, some of them some time after the one before."""
        steps: list[Step] = []
        for are_written, alike in groupby(self.steps, lambda step: isinstance(step, bytes)):
            if not are_written:
                steps += alike
                continue
            at, body = 0, Reply([*alike]).body
            while at < len(body):
                size = random.choice([1, 3, 50, 400, 3000])
                steps += [body[at : at + size], random.choice([0.0, 0.0, 0.001, 0.004, 0.03])]
                at += size
        return replace(self, steps=steps)

    def replacing(self, old: bytes, new: bytes) -> "Reply":
        """The same with other bytes, e.g. ``replacing(b"\\n", b"\\r\\n")``."""
        return replace(self, steps=[s.replace(old, new) if isinstance(s, bytes) else s for s in self.steps])


@dataclass(frozen=True)
class Usage:
    """Tokens to report, as the wire names them."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


DONE = b"data: [DONE]\n\n"


def event(data: Any) -> bytes:
    """One server-sent event with ``data`` as JSON, in UTF-8."""
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def chunk(delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
    """One event of a streamed completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]})


def completion(
    deltas: Sequence[Mapping[str, Any]], *, finish_reason: str = "stop", usage: Usage | None = None
) -> Reply:
    """A whole streamed completion, one write per delta, then the finish reason, the usage if any, and [DONE]."""
    steps: list[Step] = [chunk(delta) for delta in deltas]
    steps.append(chunk({}, finish_reason))
    if usage is not None:
        steps.append(usage_chunk(usage))
    return Reply([*steps, DONE])


def usage_chunk(usage: Usage) -> bytes:
    """The event that tells the usage: the last one before [DONE], without choices."""
    return event(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "choices": [],
            "usage": {
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
                "total_tokens": usage.prompt_tokens + usage.completion_tokens,
                "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
            },
        }
    )


def text(*tokens: str, finish_reason: str = "stop", usage: Usage | None = None) -> Reply:
    """An answer of ``tokens``, each a write of its own."""
    return completion([{"content": token} for token in tokens], finish_reason=finish_reason, usage=usage)


def numbered_tokens(count: int) -> tuple[str, ...]:
    """``count`` different tokens, ``t0 `` and up, so that a lost, doubled or swapped one shows."""
    return tuple(f"t{number} " for number in range(count))


@dataclass(frozen=True)
class Call:
    """A tool call to stream. ``arguments``: the text that the model writes, JSON or not."""

    call_id: str
    name: str
    arguments: str


def tool_calls(*calls: Call, fragment: int = 5, finish_reason: str = "tool_calls", usage: Usage | None = None) -> Reply:
    """An answer that calls tools: each call's id and name first, then its arguments in pieces of ``fragment``."""
    deltas: list[dict[str, Any]] = []
    for index, call in enumerate(calls):
        function = {"name": call.name, "arguments": ""}
        deltas.append({"tool_calls": [{"index": index, "id": call.call_id, "type": "function", "function": function}]})
        for at in range(0, len(call.arguments), fragment):
            piece = {"arguments": call.arguments[at : at + fragment]}
            deltas.append({"tool_calls": [{"index": index, "function": piece}]})
    return completion(deltas, finish_reason=finish_reason, usage=usage)


def failure(
    status: int, message: str, *, retry_after: str | None = None, kind: str = "server_error", code: str | None = None
) -> Reply:
    """A refusal as OpenAI words it. Under status 200, it is an error where a stream was expected."""
    error = {"message": message, "type": kind, "code": code, "param": None}
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Reply([json.dumps({"error": error}).encode()], status, headers, "application/json")
