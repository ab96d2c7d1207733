"""The local model in its real child process, beyond the conformance suite."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import orjson
import pytest

from core.errors import ProviderFailed
from core.events import FinishReason, ModelEvent, ModelFinished, TextDelta
from providers import local, local_server
from providers.local import LocalProvider
from providers.port import ChatMessage, ChatRole, ModelRequest
from tests.answers import said_by

pytestmark = pytest.mark.skipif(not local.is_installed(), reason="the extra `local` is not installed")

# Loading the model takes a second on a quiet machine.
PATIENCE_S = 60


@pytest.fixture
async def provider() -> AsyncIterator[LocalProvider]:
    provider = LocalProvider()
    yield provider
    await provider.aclose()


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[LocalProvider]:
    """A provider whose child process is shared by the tests that leave it as it is."""
    provider = LocalProvider()
    yield provider
    await provider.aclose()


def request(words: str = "Say hello.", **options: object) -> ModelRequest:
    options = {"max_output_tokens": 3, **options}
    return ModelRequest(local.MODEL, [ChatMessage(ChatRole.USER, words)], **options)  # type: ignore[arg-type]


async def ask(provider: LocalProvider, call: ModelRequest) -> list[ModelEvent]:
    return [event async for event in said_by(provider, call)]


def is_running(pid: int | None) -> bool:
    return Path(f"/proc/{pid}").exists()


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - /proc tells nobody of its changes
            await asyncio.sleep(0.02)


class TestAnswers:
    async def test_are_cut_at_the_most_that_one_answer_may_say(
        self, running: LocalProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(local, "MAX_OUTPUT_TOKENS", 4)
        for limit in (None, 1000):
            last = (await ask(running, request("Tell me a long story.", max_output_tokens=limit)))[-1]
            assert isinstance(last, ModelFinished)
            assert last.reason is FinishReason.LENGTH
            assert last.usage is not None
            assert last.usage.output_tokens == 4

    async def test_keep_to_a_schema(self, running: LocalProvider) -> None:
        schema = {"type": "string", "enum": ["red", "green"]}
        events = await ask(running, request("Name a colour.", max_output_tokens=20, output_schema=schema))
        text = "".join(event.text for event in events if isinstance(event, TextDelta))
        assert orjson.loads(text) in ("red", "green")

    async def test_a_conversation_longer_than_the_context_is_a_fault_of_the_request(
        self, running: LocalProvider
    ) -> None:
        with pytest.raises(ProviderFailed, match="context size") as caught:
            await ask(running, request("word " * (local.CONTEXT_TOKENS + 100)))
        assert not caught.value.retryable


class TestChildProcess:
    async def test_starts_on_first_use_once_for_all_who_call(self, provider: LocalProvider) -> None:
        assert provider.pid is None
        before = children()
        await asyncio.gather(*(ask(provider, request()) for _ in range(3)))
        pid = provider.pid
        assert children() - before == {pid}
        await ask(provider, request())
        assert provider.pid == pid

    async def test_stops_when_the_provider_is_closed(self, provider: LocalProvider) -> None:
        await ask(provider, request())
        pid = provider.pid
        assert is_running(pid)
        await provider.aclose()
        assert not is_running(pid)

    async def test_is_started_again_when_it_died(self, provider: LocalProvider) -> None:
        await ask(provider, request())
        pid = provider.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            while provider.pid == pid:
                # Until the loop has noticed the death, a call may find the connection closed.
                answer = await asyncio.gather(ask(provider, request()), return_exceptions=True)
        assert isinstance(answer[0], list)

    async def test_a_death_in_the_midst_of_an_answer_may_be_retried(self, provider: LocalProvider) -> None:
        events = said_by(provider, request("Tell me a long story.", max_output_tokens=1000))
        await anext(events)
        assert provider.pid is not None
        os.kill(provider.pid, signal.SIGKILL)
        with pytest.raises(ProviderFailed) as caught:
            _ = [event async for event in events]
        assert caught.value.retryable

    async def test_its_start_outlives_the_caller_who_began_it(self, provider: LocalProvider) -> None:
        first = asyncio.create_task(ask(provider, request()))
        second = asyncio.create_task(ask(provider, request()))
        await asyncio.sleep(0.05)
        first.cancel()
        assert isinstance((await second)[-1], ModelFinished)
        assert first.cancelled()

    @pytest.mark.parametrize("begun", [False, True])
    async def test_closing_in_the_midst_of_the_start_fails_its_callers_and_leaves_no_process(
        self, provider: LocalProvider, begun: bool
    ) -> None:
        before = children()
        caller = asyncio.create_task(ask(provider, request()))
        await asyncio.sleep(0)  # the start is a task, which has not run yet
        if begun:
            await eventually(lambda: children() != before)
        await provider.aclose()
        assert children() == before
        with pytest.raises(ProviderFailed) as caught:  # not a CancelledError: nobody cancelled the caller
            await caller
        assert caught.value.retryable

    async def test_that_cannot_start_says_why_and_the_next_call_tries_again(
        self, provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(local, "_WEIGHTS_FILE", "missing.gguf")
            with pytest.raises(ProviderFailed, match=r"did not start: exit code 1\. .+") as caught:
                await ask(provider, request())
        assert caught.value.retryable
        assert isinstance((await ask(provider, request()))[-1], ModelFinished)

    async def test_dies_with_a_parent_that_is_killed(self) -> None:
        parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=PIPE, cwd=ROOT)
        assert parent.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            child = int(await parent.stdout.readline())
        assert is_running(child)
        parent.kill()
        await parent.wait()
        await eventually(lambda: not is_running(child))

    async def test_serves_nobody_without_its_key(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, local_server.__file__, local._weights_path(), "1", "256"), stdin=PIPE, stdout=PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"sk-secret\n")
        address = (await process.stdout.readline()).decode().strip()
        assert address.startswith("http://127.0.0.1:")
        async with aiohttp.ClientSession() as session:
            statuses = []
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer sk-secret"}):
                async with session.get(f"{address}/v1/models", headers=headers) as response:
                    statuses.append(response.status)
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
        assert statuses == [401, 401, 200]


ROOT = Path(local.__file__).parent.parent

PARENT = """
import asyncio
from providers.local import MODEL, LocalProvider
from providers.port import ChatMessage, ChatRole, ModelRequest

async def main() -> None:
    provider = LocalProvider()
    events = provider.stream(ModelRequest(MODEL, [ChatMessage(ChatRole.USER, "Tell me a long story.")]))
    await anext(events)
    print(provider.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def children() -> set[int]:
    """The ids of this process's living children: field 4 of /proc/PID/stat is the parent's id (proc(5))."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended just now
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found
