"""What one model call has yielded so far, counted as it arrives."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.events import ModelEvent, ModelFinished, ReasoningDelta, TextDelta, TokenUsage, ToolCalled
from providers.port import ChatMessage

# A common rule of thumb for English text and today's tokenizers, for when the provider does not tell.
BYTES_PER_TOKEN = 4


def estimate_tokens(messages: Sequence[ChatMessage]) -> int:
    """About how many tokens these messages take."""
    return sum(len(message.text.encode()) for message in messages) // BYTES_PER_TOKEN


@dataclass(slots=True)
class Tally:
    """Counts one attempt at one provider. Times in milliseconds."""

    messages: Sequence[ChatMessage]
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    text: list[str] = field(default_factory=list)
    tools_called: list[ToolCalled] = field(default_factory=list)
    finished: ModelFinished | None = None
    time_to_first_token_ms: float | None = None
    _deltas: int = 0
    _begun: float = field(default_factory=time.perf_counter)

    def count(self, event: ModelEvent) -> None:
        match event:
            case TextDelta(text):
                self.text.append(text)
                self._deltas += 1
            case ReasoningDelta():
                self._deltas += 1
            case ToolCalled():
                self.tools_called.append(event)
            case ModelFinished():
                self.finished = event
        if self.time_to_first_token_ms is None and not isinstance(event, ModelFinished):
            self.time_to_first_token_ms = self.elapsed_ms

    @property
    def elapsed_ms(self) -> float:
        return (time.perf_counter() - self._begun) * 1000

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
        return TokenUsage(input_tokens=estimate_tokens(self.messages), output_tokens=self._deltas)
