"""The one port through which Synapse speaks to every model."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from core.events import ModelEvent, ToolCalled


class ChatRole(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message. ``tool_calls``: what an assistant asked for; ``call_id``: the call that a tool's message answers."""

    role: ChatRole
    text: str
    tool_calls: tuple[ToolCalled, ...] = ()
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool offered to the model. ``parameters``: the JSON Schema of its arguments."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One model call. ``model`` is the name that the provider itself knows, without our prefix."""

    model: str
    messages: Sequence[ChatMessage]
    tools: Sequence[ToolSpec] = ()
    temperature: float | None = None
    max_output_tokens: int | None = None
    output_schema: dict[str, Any] | None = None


Take = Callable[[Sequence[ModelEvent]], bool]
"""Takes events at once, or returns false. It must not raise."""


class ModelProvider(Protocol):
    """An adapter to one provider."""

    def stream(self, request: ModelRequest, take: Take | None = None) -> AsyncGenerator[Sequence[ModelEvent], None]:
        """Make the call and yield its events as they arrive, one or more at a time; the last one is ``ModelFinished``.

        ``take`` may be offered events that come while the reader waits for them, and they are yielded unless it takes
        them; never the last one.

        Closing the generator (``aclose``) or cancelling its reader closes the connection to the provider before it
        returns, so that the provider stops generating, and billing.

        Raises:
            ProviderFailed: with ``retryable`` set; ``ProviderTimedOut`` when nothing came for too long.
        """
        ...

    async def aclose(self) -> None:
        """Release connections and child processes."""
        ...
