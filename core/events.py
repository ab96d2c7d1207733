"""What can happen in a run: one vocabulary, from the provider's wire to the client's socket.

A provider yields ``ModelEvent`` values. The run's log wraps each event in a ``LoggedEvent``, which gives it its
place (``seq``) and the model call that it belongs to (``step_id``), and adds the events of the run itself.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeGuard
from uuid import UUID


class FinishReason(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one model call. ``cached_tokens`` are those of ``input_tokens`` served from the provider's cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A stretch of the answer; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A stretch of the model's reasoning; never empty."""

    text: str


_TEXT_KINDS = frozenset({TextDelta, ReasoningDelta})


def is_text(body: object) -> TypeGuard[TextDelta | ReasoningDelta]:
    """Whether it is a stretch of text, which may be merged with its neighbours."""
    # Asked of every token that comes: looking its type up is quicker than isinstance.
    return type(body) in _TEXT_KINDS


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """A tool call whose arguments are complete: ``arguments`` is any JSON value, as the model gave it."""

    call_id: str
    name: str
    arguments: Any


@dataclass(frozen=True, slots=True)
class ModelFinished:
    """The end of a model call: a provider yields exactly one, as its last event.

    ``usage`` is None when the provider sent none; whoever reads the stream then counts for itself.
    """

    reason: FinishReason
    usage: TokenUsage | None


ModelEvent = TextDelta | ReasoningDelta | ToolCalled | ModelFinished


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Always seq 1. ``run``: the run's changeable columns as they were then (`models.runs.snapshot`)."""

    run: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StepStarted:
    """``step``: the step's columns as they were then (`models.run_steps.snapshot`)."""

    step: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StepFinished:
    step: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunRewound:
    """The step began again: its deltas and tool calls after ``to_seq`` no longer count."""

    to_seq: int
    attempt: int


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Always the last event. ``text_sha256``: lower-case hex over the UTF-8 of all text that stands after rewinds."""

    run: dict[str, Any]
    text_sha256: str


RunEventBody = (
    RunStarted | StepStarted | TextDelta | ReasoningDelta | ToolCalled | StepFinished | RunRewound | RunFinished
)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One entry of a run's log, possibly merged from adjacent deltas: it then covers ``first_seq`` to ``seq``."""

    run_id: UUID
    seq: int
    first_seq: int
    at: datetime
    step_id: UUID | None
    body: RunEventBody
