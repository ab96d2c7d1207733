"""What one model call has yielded so far, counted as it arrives."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from json import dumps

from core.events import ModelEvent, ModelFinished, RunEventBody, TokenUsage, ToolCalled
from models.llm_calls import BYTES_PER_TOKEN, estimate_tokens
from providers.port import ChatMessage

MOST_BYTES_OF_TOKENS = 8
"""Deltas that are shorter on average are single tokens, of which texts in most languages have 3 to 6 bytes."""

MOST_TOKENS = 1_000_000_000
"""No call has more; nor could the books hold what it costs."""


@dataclass(slots=True)
class Tally:
    """Counts one attempt at one provider, from when it is made. Times in milliseconds."""

    messages: Sequence[ChatMessage]
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None
    tools_called: list[ToolCalled] = field(default_factory=list)
    finished: ModelFinished | None = None
    time_to_first_token_ms: float | None = None
    duration_ms: float | None = None
    _deltas: int = 0
    _delta_bytes: int = 0
    _began: float = field(default_factory=time.perf_counter)

    def begin(self) -> None:
        """The provider is about to be asked."""
        self.started_at, self._began = datetime.now(UTC), time.perf_counter()

    def count(self, events: Sequence[ModelEvent]) -> list[RunEventBody]:
        """Count what came next; what of it the model has said is returned."""
        said: list[RunEventBody] = []
        for event in events:
            if isinstance(event, ModelFinished):
                self.finished = event
                continue
            said.append(event)
            if isinstance(event, ToolCalled):
                self.tools_called.append(event)
            else:
                text = event.text
                self._deltas += 1
                self._delta_bytes += len(text) if text.isascii() else len(text.encode(errors="replace"))
        if said and self.time_to_first_token_ms is None:
            self.time_to_first_token_ms = self._elapsed_ms()
        return said

    def end(self) -> None:
        """The connection to the provider is closed."""
        self.ended_at, self.duration_ms = datetime.now(UTC), self._elapsed_ms()

    @property
    def begun_to_answer(self) -> bool:
        return self.time_to_first_token_ms is not None

    def counted(self, *, asked: bool = False) -> TokenUsage:
        """The provider's own count, as far as it makes sense, else ours.

        ``asked``: the provider took the question in, even if it did not say a word.
        """
        told = self.finished.usage if self.finished is not None else None
        if not (self.begun_to_answer or asked):
            return told if told is not None and _is_sound(told) else TokenUsage()
        counted = TokenUsage(self.estimated_input_tokens(), self._estimated_output_tokens())
        if told is None or not _is_sound(told):
            return counted
        # There is no answer without a question, and none without a token.
        return replace(
            told,
            input_tokens=told.input_tokens or counted.input_tokens,
            output_tokens=told.output_tokens or counted.output_tokens,
        )

    def estimated_input_tokens(self) -> int:
        return sum(estimate_tokens(message.text) for message in self.messages)

    def _estimated_output_tokens(self) -> int:
        """Most providers send a token with each delta. Others send some words at once, which shows in their length."""
        if self._delta_bytes <= MOST_BYTES_OF_TOKENS * self._deltas:
            said = self._deltas
        else:
            said = -(-self._delta_bytes // BYTES_PER_TOKEN)
        return said + sum(estimate_tokens(f"{call.name}{dumps(call.arguments)}") for call in self.tools_called)

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._began) * 1000


def _is_sound(usage: TokenUsage) -> bool:
    return all(0 <= tokens <= MOST_TOKENS for tokens in (usage.input_tokens, usage.output_tokens, usage.cached_tokens))
