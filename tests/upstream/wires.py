"""The wire formats that the fake upstream can be made to speak, all told by the same events."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.events import FinishReason, ModelEvent
from tests.upstream import anthropic, google, ollama, openai
from tests.upstream.replies import Reply, Step


class Failure(Protocol):
    """Makes a refusal."""

    def __call__(self, status: int, message: str, *, retry_after: str | None = None) -> Reply: ...


@dataclass(frozen=True)
class Wire:
    """A format. ``path``: where its base URL lies; ``family``: what litellm calls its provider.

    ``failure``: how it refuses; ``error``: how it breaks off an answer. ``names_calls``: tool calls have ids;
    ``counts_cached``: usage tells what came from a cache. ``may_omit_usage``: an answer can come without any.
    """

    family: str
    path: str
    writes: Callable[[Sequence[ModelEvent]], list[Step]]
    failure: Failure
    error: Callable[[str], bytes]
    content_type: str = "text/event-stream"
    names_calls: bool = True
    counts_cached: bool = True
    may_omit_usage: bool = True
    finish_reasons: frozenset[FinishReason] = frozenset(FinishReason)

    def reply(self, events: Sequence[ModelEvent]) -> Reply:
        """An answer of ``events``, which may lack its end."""
        return Reply(self.writes(events), content_type=self.content_type)


OPENAI = Wire("openai", "/v1", openai.writes, openai.failure, openai.error)
XAI = Wire("xai", "/v1", openai.writes, openai.failure, openai.error)
MISTRAL = Wire("mistral", "/v1", openai.writes, openai.failure, openai.error)
ANTHROPIC = Wire("anthropic", "", anthropic.writes, anthropic.failure, anthropic.error, may_omit_usage=False)
GOOGLE = Wire("gemini", "/v1beta", google.writes, google.failure, google.error, names_calls=False)
# Where Google speaks OpenAI's format, "openai" follows the path of its own.
GOOGLE_COMPATIBLE = Wire("openai", "/v1beta", openai.writes, openai.failure, openai.error)
OLLAMA = Wire(
    "ollama_chat",
    "",
    ollama.writes,
    ollama.failure,
    ollama.error,
    content_type=ollama.CONTENT_TYPE,
    names_calls=False,
    counts_cached=False,
    finish_reasons=frozenset({FinishReason.STOP, FinishReason.LENGTH}),
)
WIRES = {wire.family: wire for wire in (OPENAI, XAI, MISTRAL, ANTHROPIC, GOOGLE, OLLAMA)}
