"""What one model call has yielded so far, counted as it arrives."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.events import ModelEvent, ModelFinished, ReasoningDelta, TextDelta, TokenUsage, ToolCalled
from models.llm_calls import estimate_tokens
from providers.port import ChatMessage


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
    _began: float = field(default_factory=time.perf_counter)

    def begin(self) -> None:
        """The provider is about to be asked."""
        self.started_at, self._began = datetime.now(UTC), time.perf_counter()

    def count(self, event: ModelEvent) -> None:
        match event:
            case TextDelta() | ReasoningDelta():
                self._deltas += 1
            case ToolCalled():
                self.tools_called.append(event)
            case ModelFinished():
                self.finished = event
        if self.time_to_first_token_ms is None and not isinstance(event, ModelFinished):
            self.time_to_first_token_ms = self._elapsed_ms()

    def end(self) -> None:
        """The connection to the provider is closed."""
        self.ended_at, self.duration_ms = datetime.now(UTC), self._elapsed_ms()

    @property
    def begun_to_answer(self) -> bool:
        return self.time_to_first_token_ms is not None

    @property
    def usage(self) -> TokenUsage:
        """The provider's own count, else ours: providers send a token or so with each delta."""
        if self.finished is not None and self.finished.usage is not None:
            return self.finished.usage
        if not self.begun_to_answer:
            return TokenUsage()
        return TokenUsage(input_tokens=self.estimated_input_tokens(), output_tokens=self._deltas)

    def estimated_input_tokens(self) -> int:
        return sum(estimate_tokens(message.text) for message in self.messages)

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._began) * 1000
