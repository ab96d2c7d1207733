"""Reading an answer: what is taken at once and what is yielded are together what came, whatever comes and how."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from random import Random
from typing import Any

import pytest

from core.errors import ProviderFailed
from core.events import ModelEvent, ModelFinished, TextDelta
from providers.openai_compatible import OpenAICompatibleProvider
from providers.port import ChatMessage, ChatRole, ModelRequest
from tests.answers import said_by
from tests.upstream.replies import Reply, Signal, completion, event, failure, numbered_tokens, text
from tests.upstream.server import Upstream

PATIENCE_S = 20.0
TOKENS = numbered_tokens(40)
CALL = {"index": 0, "id": "call_1", "function": {"name": "search", "arguments": '{"q": 1}'}}
REPLIES = {
    "text": text(*TOKENS),
    "reasoning, then text": completion([*({"reasoning": token} for token in TOKENS), {"content": "So it is."}]),
    "a tool call": completion([{"content": "Let me see."}, {"tool_calls": [CALL]}], finish_reason="tool_calls"),
    "nothing": completion([]),
    "an error behind text": text(*TOKENS).then(event({"error": {"message": "Out of luck."}}), after=20),
    "no JSON behind text": text(*TOKENS).then(b"data: {oops\n\n", after=20),
    "an error alone": failure(200, "No credit.", kind="insufficient_quota"),
    "a lost connection": text(*TOKENS).then(0.5, Signal.CUT, after=20),
    "an end without an end": text(*TOKENS).then(after=20),
}


@pytest.fixture
async def provider(upstream: Upstream) -> AsyncIterator[OpenAICompatibleProvider]:
    opened = OpenAICompatibleProvider(upstream.base_url, "sk-key", idle_timeout_s=60)
    yield opened
    await opened.aclose()


def request(model: str) -> ModelRequest:
    return ModelRequest(model, [ChatMessage(ChatRole.USER, "Hi")])


async def answer(provider: OpenAICompatibleProvider, model: str) -> tuple[list[ModelEvent], Any]:
    """What an answer holds, and how it fails, if it does."""
    events: list[ModelEvent] = []
    try:
        async with asyncio.timeout(PATIENCE_S), aclosing(said_by(provider, request(model))) as said:
            async for one in said:
                events.append(one)
    except ProviderFailed as error:
        return events, (type(error), error.message, error.retryable)
    return events, None


async def taken_answer(provider: OpenAICompatibleProvider, model: str, random: Random) -> tuple[list[ModelEvent], Any]:
    """The same, of which some is taken at once."""
    events: list[ModelEvent] = []

    def take(some: Sequence[ModelEvent]) -> bool:
        assert some
        assert not any(isinstance(one, ModelFinished) for one in some)
        is_taken = random.random() < 0.7
        if is_taken:
            events.extend(some)
        return is_taken

    try:
        async with asyncio.timeout(PATIENCE_S), aclosing(provider.stream(request(model), take)) as said:
            async for some in said:
                events += some
                await asyncio.sleep(random.choice([0, 0, 0.002]))
    except ProviderFailed as error:
        return events, (type(error), error.message, error.retryable)
    return events, None


@pytest.mark.parametrize("kind", REPLIES)
async def test_an_answer_is_the_same_whether_it_is_taken_or_yielded(
    upstream: Upstream, provider: OpenAICompatibleProvider, kind: str
) -> None:
    plain = await answer(provider, upstream.serve(REPLIES[kind]))
    models = [upstream.serve(REPLIES[kind].cut_anywhere(Random(seed))) for seed in range(8)]
    taken = await asyncio.gather(*(taken_answer(provider, model, Random(model)) for model in models))
    assert taken == [plain] * 8


async def test_who_takes_all_is_woken_for_the_end_alone(upstream: Upstream, provider: OpenAICompatibleProvider) -> None:
    model = upstream.serve(text(*TOKENS).pausing(0.005))
    taken: list[ModelEvent] = []

    def take(some: Sequence[ModelEvent]) -> bool:
        taken.extend(some)
        return True

    async with asyncio.timeout(PATIENCE_S), aclosing(provider.stream(request(model), take)) as said:
        yielded = [one async for some in said for one in some]
    assert [one for one in [*taken, *yielded] if one in taken] == taken
    assert len(taken) > len(TOKENS) // 2
    assert sorted(one.text for one in [*taken, *yielded] if isinstance(one, TextDelta)) == sorted(TOKENS)
    assert isinstance(yielded[-1], ModelFinished)


async def test_a_provider_that_falls_silent_while_all_is_taken_is_given_up(upstream: Upstream) -> None:
    provider = OpenAICompatibleProvider(upstream.base_url, "sk-key", idle_timeout_s=1.0)
    a, b, *_ = text("a", "b").pausing(0.3).steps[::2]
    # Longer in all, and each pause far shorter, than what is silence.
    model = upstream.serve(Reply([a, *[0.3, b] * 5, Signal.HANG]))
    taken: list[ModelEvent] = []

    def take(some: Sequence[ModelEvent]) -> bool:
        taken.extend(some)
        return True

    async with asyncio.timeout(PATIENCE_S), aclosing(provider.stream(request(model), take)) as said:
        taken += await anext(said)
        with pytest.raises(ProviderFailed, match="silent"):
            await anext(said)
    assert taken == [TextDelta("a"), *[TextDelta("b")] * 5]
    await provider.aclose()
