"""Holding an answer's bytes for a moment: nothing is lost, nobody waits for longer than they should."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from random import Random

import pytest

from core.errors import ProviderFailed
from core.events import ModelEvent, TextDelta
from providers import intake
from providers.openai_compatible import OpenAICompatibleProvider
from providers.port import ChatMessage, ChatRole, ModelRequest
from tests.answers import said_by
from tests.upstream.replies import Reply, Signal, numbered_tokens, text
from tests.upstream.server import Upstream

PATIENCE_S = 20.0
FOR_EVER_S = 600.0


@pytest.fixture
async def provider(upstream: Upstream) -> AsyncIterator[OpenAICompatibleProvider]:
    opened = OpenAICompatibleProvider(upstream.base_url, "sk-key", idle_timeout_s=60)
    yield opened
    await opened.aclose()


@pytest.fixture(params=["one of few", "one of many"])
def resting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rests as they are, or rather a little longer than for one answer alone."""
    monkeypatch.setattr(intake, "FEW_STREAMS", 1000 if request.param == "one of few" else 0)
    monkeypatch.setattr(intake, "REST_PER_ANSWER_S", 0.001)


def rest_for(monkeypatch: pytest.MonkeyPatch, shortest_s: float, longest_s: float) -> None:
    """So long, as where answers are many."""
    monkeypatch.setattr(intake, "FEW_STREAMS", 0)
    monkeypatch.setattr(intake, "SHORTEST_REST_S", shortest_s)
    monkeypatch.setattr(intake, "LONGEST_REST_S", longest_s)


def request(model: str) -> ModelRequest:
    return ModelRequest(model, [ChatMessage(ChatRole.USER, "Hi")])


async def answer(provider: OpenAICompatibleProvider, model: str, count: int) -> list[ModelEvent]:
    """The first events of an answer; then it is hung up on."""
    events: list[ModelEvent] = []
    async with asyncio.timeout(PATIENCE_S), aclosing(said_by(provider, request(model))) as stream:
        async for event in stream:
            events.append(event)
            if len(events) == count:
                break
    return events


@pytest.mark.usefixtures("resting")
async def test_what_is_let_through_is_what_came(upstream: Upstream, provider: OpenAICompatibleProvider) -> None:
    tokens = numbered_tokens(60)
    models = [upstream.serve(text(*tokens).cut_anywhere(Random(seed))) for seed in range(12)]
    answers = await asyncio.gather(*(answer(provider, model, 60) for model in models))
    assert answers == [[TextDelta(token) for token in tokens]] * 12


@pytest.mark.usefixtures("resting", "unhurried")
async def test_a_connection_serves_one_answer_after_another(
    upstream: Upstream, provider: OpenAICompatibleProvider
) -> None:
    model = upstream.serve(text("a", "b", "c").pausing(0.01))
    for _ in range(5):
        events = [event async for event in said_by(provider, request(model))]
        assert events[:-1] == [TextDelta("a"), TextDelta("b"), TextDelta("c")]
    assert len({exchange.ports for exchange in upstream.exchanges(model)}) == 1


async def test_what_comes_early_waits_for_what_comes_next(
    upstream: Upstream, provider: OpenAICompatibleProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest_for(monkeypatch, 0.3, FOR_EVER_S)
    a, b, c, *_ = text("a", "b", "c").steps
    model = upstream.serve(Reply([a, 0.05, b, 0.6, c, Signal.HANG]))
    assert await answer(provider, model, 3) == [TextDelta("a"), TextDelta("b"), TextDelta("c")]


async def test_what_nothing_follows_waits_for_so_long_and_no_longer(
    upstream: Upstream, provider: OpenAICompatibleProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest_for(monkeypatch, FOR_EVER_S, 0.2)
    a, b, *_ = text("a", "b").steps
    model = upstream.serve(Reply([a, 0.05, b, Signal.HANG]))
    assert await answer(provider, model, 2) == [TextDelta("a"), TextDelta("b")]


async def test_much_at_once_does_not_wait(
    upstream: Upstream, provider: OpenAICompatibleProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest_for(monkeypatch, FOR_EVER_S, FOR_EVER_S)
    tokens = numbered_tokens(2 * intake.MOST_HELD_BYTES // 100)
    model = upstream.serve(text(*tokens).then(Signal.HANG))
    assert await answer(provider, model, len(tokens) // 4) == [TextDelta(token) for token in tokens[: len(tokens) // 4]]


async def test_what_came_before_the_connection_broke_is_told_first(
    upstream: Upstream, provider: OpenAICompatibleProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest_for(monkeypatch, FOR_EVER_S, FOR_EVER_S)
    a, b, *_ = text("a", "b").steps
    model = upstream.serve(Reply([a, 0.05, b, 0.05, Signal.CUT]))
    async with asyncio.timeout(PATIENCE_S), aclosing(said_by(provider, request(model))) as stream:
        assert await anext(stream) == TextDelta("a")
        assert await anext(stream) == TextDelta("b")
        with pytest.raises(ProviderFailed):
            await anext(stream)


async def test_a_provider_waits_for_a_slow_reader_who_misses_nothing(
    upstream: Upstream, provider: OpenAICompatibleProvider
) -> None:
    tokens = numbered_tokens(15_000)  # several times what is kept for a reader
    model, said, looks = upstream.serve(text(*tokens)), list[ModelEvent](), 0
    async with asyncio.timeout(PATIENCE_S), aclosing(provider.stream(request(model))) as answer:
        async for events in answer:
            said += events
            looks += 1
            await asyncio.sleep(0.05)
    assert said[:-1] == [TextDelta(token) for token in tokens]
    assert looks >= 4
