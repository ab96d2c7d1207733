"""The adapters under test, each with the means to make its provider behave as a test needs it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path

from core.errors import ProviderFailed, ProviderTimedOut
from core.events import FinishReason, ModelEvent, ModelFinished, TextDelta, TokenUsage, ToolCalled
from providers import local, scripted
from providers.litellm import LiteLLMProvider
from providers.local import LocalProvider
from providers.port import ModelProvider, ModelRequest, Take
from providers.scripted import ScriptedProvider, ScriptStep
from tests.upstream.replies import Reply, Signal
from tests.upstream.server import Exchange, Upstream
from tests.upstream.wires import Wire

IDLE_TIMEOUT_S = 1.5


class Fault(Enum):
    """What a provider can do instead of finishing its answer."""

    RATE_LIMIT = auto()  # and it asks to wait for 3 seconds
    OVERLOAD = auto()
    BAD_REQUEST = auto()
    BAD_KEY = auto()
    LOST_CONNECTION = auto()
    SILENCE = auto()


class Subject(ABC):
    """An adapter with a provider behind it that answers."""

    provider: ModelProvider

    @abstractmethod
    def talking(self) -> str:
        """The name of a model that says something, tells its usage and stops."""

    @abstractmethod
    def endless(self) -> str:
        """The name of a model whose answer takes longer than any test."""

    @abstractmethod
    async def hung_up(self, model: str) -> None:
        """Return once the provider has stopped generating ``model``'s answer."""


class ScriptableSubject(Subject):
    """An adapter whose provider does as it is told."""

    @abstractmethod
    def playing(self, *steps: ModelEvent | Fault) -> str:
        """The name of a model that does ``steps``."""

    def as_told(self, events: Sequence[ModelEvent]) -> list[ModelEvent]:
        """``events`` without what this provider has no means to tell."""
        return list(events)

    def can_tell(self, end: ModelFinished) -> bool:
        """Whether the provider has a word for such an end."""
        return True


class ScriptedSubject(ScriptableSubject):
    def __init__(self) -> None:
        self._scripts: dict[str, scripted.Script] = {"endless": self._count_for_ever}
        self.provider = ScriptedProvider(self._scripts)
        self._stopped = asyncio.Event()

    def talking(self) -> str:
        return scripted.ECHO_MODEL

    def endless(self) -> str:
        return "endless"

    async def hung_up(self, model: str) -> None:
        await self._stopped.wait()

    def playing(self, *steps: ModelEvent | Fault) -> str:
        self._scripts["script"] = [_scripted(step) for step in steps]
        return "script"

    async def _count_for_ever(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        try:
            while True:
                yield TextDelta("tick ")
                await asyncio.sleep(0.01)
        finally:
            self._stopped.set()


def _scripted(step: ModelEvent | Fault) -> ScriptStep:
    match step:
        case Fault.RATE_LIMIT:
            return ProviderFailed("Slow down.", retryable=True, retry_after_s=3)
        case Fault.OVERLOAD | Fault.LOST_CONNECTION:
            return ProviderFailed("Overloaded.", retryable=True)
        case Fault.BAD_REQUEST | Fault.BAD_KEY:
            return ProviderFailed("Wrong.", retryable=False)
        case Fault.SILENCE:
            return ProviderTimedOut("Silent.", retryable=True)
        case _:
            return step


class WireSubject(ScriptableSubject):
    """An adapter and the fake upstream, which speaks ``wire``."""

    def __init__(self, wire: Wire, upstream: Upstream, provider: ModelProvider) -> None:
        self.provider = provider
        self.wire = wire
        self._upstream = upstream

    async def asked(self, model: str) -> Exchange:
        """The first request for ``model``, once it came."""
        return await self._upstream.exchange(model)

    def answering(self, reply: Reply) -> str:
        """The name of a model that gives ``reply``."""
        return self._upstream.serve(reply)

    def talking(self) -> str:
        return self.playing(TextDelta("Hello"), ModelFinished(FinishReason.STOP, TokenUsage(3, 1)))

    def endless(self) -> str:
        return self._upstream.serve(self.wire.reply([TextDelta("tick ")] * 3_000).pausing(0.01))

    async def hung_up(self, model: str) -> None:
        await (await self._upstream.exchange(model)).closed.wait()

    def playing(self, *steps: ModelEvent | Fault) -> str:
        match steps[0]:
            case Fault.RATE_LIMIT:
                return self._upstream.serve(self.wire.failure(429, "Slow down.", retry_after="3"))
            case Fault.OVERLOAD:
                return self._upstream.serve(self.wire.failure(503, "Overloaded."))
            case Fault.BAD_REQUEST:
                return self._upstream.serve(self.wire.failure(400, "Wrong."))
            case Fault.BAD_KEY:
                return self._upstream.serve(self.wire.failure(401, "Wrong."))
        events = [step for step in steps if not isinstance(step, Fault)]
        signals = [_SIGNALS[step] for step in steps if isinstance(step, Fault)]
        return self._upstream.serve(self.wire.reply(events).then(*signals))

    def as_told(self, events: Sequence[ModelEvent]) -> list[ModelEvent]:
        """``events`` without what the wire can't tell."""
        return [self._told(event) for event in events]

    def can_tell(self, end: ModelFinished) -> bool:
        return end.reason in self.wire.finish_reasons and (end.usage is not None or self.wire.may_omit_usage)

    def _told(self, event: ModelEvent) -> ModelEvent:
        match event:
            case ToolCalled() if not self.wire.names_calls:
                return replace(event, call_id="")
            case ModelFinished(_, usage) if usage is not None and not self.wire.counts_cached:
                return replace(event, usage=replace(usage, cached_tokens=0))
            case _:
                return event


_SIGNALS = {Fault.SILENCE: Signal.HANG, Fault.LOST_CONNECTION: Signal.CUT}


class ThroughLiteLLM:
    """An adapter to litellm, to which models are known by their family's name before their own."""

    def __init__(self, adapter: LiteLLMProvider, family: str) -> None:
        self._adapter = adapter
        self._family = family

    def stream(self, request: ModelRequest, take: Take | None = None) -> AsyncGenerator[Sequence[ModelEvent], None]:
        return self._adapter.stream(replace(request, model=f"{self._family}/{request.model}"), take)

    async def aclose(self) -> None:
        await self._adapter.aclose()


class LocalSubject(Subject):
    """The real model in its child process: slow, and it says what it likes."""

    def __init__(self) -> None:
        self._local = LocalProvider()
        self.provider = self._local

    def talking(self) -> str:
        return local.MODEL

    def endless(self) -> str:
        return local.MODEL

    async def hung_up(self, model: str) -> None:
        """A child that answers nobody uses no processor."""
        pid = self._local.pid
        assert pid is not None
        used, before = _processor_ticks(pid), -1
        while used != before:
            await asyncio.sleep(0.2)
            used, before = _processor_ticks(pid), used


def _processor_ticks(pid: int) -> int:
    """User and system time of a process in clock ticks: fields 14 and 15 of /proc/PID/stat (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
