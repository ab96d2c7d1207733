"""The adapters under test, each with the means to make its provider behave as a test needs it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from enum import Enum, auto
from pathlib import Path

import orjson

from core.errors import ProviderFailed, ProviderTimedOut
from core.events import ModelEvent, ModelFinished, ReasoningDelta, TextDelta, ToolCalled
from providers import local, scripted
from providers.local import LocalProvider
from providers.openai_compatible import OpenAICompatibleProvider
from providers.port import ModelProvider, ModelRequest
from providers.scripted import ScriptedProvider, ScriptStep
from tests.upstream.replies import DONE, Call, Reply, Signal, Step, Usage, chunk, failure, tool_calls, usage_chunk
from tests.upstream.server import Upstream

IDLE_TIMEOUT_S = 0.5


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


class OpenAICompatibleSubject(ScriptableSubject):
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self.provider = OpenAICompatibleProvider(upstream.base_url, "sk-test", idle_timeout_s=IDLE_TIMEOUT_S)

    def talking(self) -> str:
        return self._upstream.serve(
            Reply([chunk({"content": "Hello"}), chunk({}, "stop"), usage_chunk(Usage(3, 1)), DONE])
        )

    def endless(self) -> str:
        return self._upstream.serve(Reply([chunk({"content": "tick "})] * 10_000).pausing(0.01))

    async def hung_up(self, model: str) -> None:
        await (await self._upstream.exchange(model)).closed.wait()

    def playing(self, *steps: ModelEvent | Fault) -> str:
        match steps[0]:
            case Fault.RATE_LIMIT:
                return self._upstream.serve(failure(429, "Slow down.", retry_after="3"))
            case Fault.OVERLOAD:
                return self._upstream.serve(failure(503, "Overloaded."))
            case Fault.BAD_REQUEST:
                return self._upstream.serve(failure(400, "Wrong.", kind="invalid_request_error"))
            case Fault.BAD_KEY:
                return self._upstream.serve(failure(401, "Wrong.", kind="authentication_error"))
        return self._upstream.serve(Reply([write for step in steps for write in _writes(step)]))


def _writes(step: ModelEvent | Fault) -> Sequence[Step]:
    """What the provider writes for ``step`` of an answer that has begun well."""
    match step:
        case TextDelta(text):
            return [chunk({"content": text})]
        case ReasoningDelta(text):
            return [chunk({"reasoning_content": text})]
        case ToolCalled(call_id, name, arguments):
            reply = tool_calls(Call(call_id, name, orjson.dumps(arguments).decode()))
            return reply.steps[:-2]  # without the end of the answer
        case ModelFinished(reason, usage):
            end = [chunk({}, reason.value)]
            if usage is not None:
                end.append(usage_chunk(Usage(usage.input_tokens, usage.output_tokens, usage.cached_tokens)))
            return [*end, DONE]
        case Fault.SILENCE:
            return [Signal.HANG]
        case _:
            return [Signal.CUT]


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
