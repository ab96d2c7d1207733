"""The adapter to OpenAI-compatible endpoints on a real socket, beyond the conformance suite."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from core.errors import ProviderFailed, ProviderTimedOut
from core.events import FinishReason, ModelEvent, ModelFinished, TextDelta, TokenUsage
from providers import connections, intake
from providers.openai_compatible import OpenAICompatibleProvider
from providers.port import ChatMessage, ChatRole, ModelRequest
from tests.answers import said_by
from tests.upstream.connections import established
from tests.upstream.replies import Reply, Signal, Usage, chunk, event, failure, numbered_tokens, text
from tests.upstream.server import Upstream

KEY = "sk-very-secret"


@asynccontextmanager
async def provider_at(base_url: str, idle_timeout_s: float = 5.0) -> AsyncIterator[OpenAICompatibleProvider]:
    provider = OpenAICompatibleProvider(base_url, KEY, idle_timeout_s=idle_timeout_s)
    yield provider
    await provider.aclose()


@pytest.fixture
async def provider(upstream: Upstream) -> AsyncIterator[OpenAICompatibleProvider]:
    async with provider_at(upstream.base_url) as opened:
        yield opened


def request(model: str, words: str = "Hi") -> ModelRequest:
    return ModelRequest(model, [ChatMessage(ChatRole.USER, words)])


async def ask(provider: OpenAICompatibleProvider, model: str) -> list[ModelEvent]:
    return [event async for event in said_by(provider, request(model))]


async def failure_of(provider: OpenAICompatibleProvider, model: str) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as caught:
        await ask(provider, model)
    return caught.value


def finished(events: Sequence[ModelEvent]) -> ModelFinished:
    assert isinstance(events[-1], ModelFinished)
    return events[-1]


async def test_the_request_on_the_wire(upstream: Upstream, provider: OpenAICompatibleProvider) -> None:
    model = upstream.serve(text("Hello"))
    await ask(provider, model)
    (exchange,) = upstream.exchanges(model)
    assert exchange.headers["Authorization"] == f"Bearer {KEY}"
    assert exchange.headers["Content-Type"] == "application/json"
    assert exchange.headers["Accept-Encoding"] == "identity"
    assert exchange.body == {
        "model": model,
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_without_a_key_there_is_no_authorization_header(upstream: Upstream) -> None:
    provider = OpenAICompatibleProvider(upstream.base_url + "/", idle_timeout_s=5)
    model = upstream.serve(text("Hello"))
    await ask(provider, model)
    await provider.aclose()
    assert "Authorization" not in upstream.exchanges(model)[0].headers


async def test_deltas_come_as_they_are_sent(upstream: Upstream, provider: OpenAICompatibleProvider) -> None:
    model = upstream.serve(text("a", "b").then(Signal.HANG, after=2))
    async with aclosing(said_by(provider, request(model))) as events:
        assert await anext(events) == TextDelta("a")
        assert await anext(events) == TextDelta("b")


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize(("idle_s", "count"), [(60.0, 1), (0.05, 2)])
async def test_a_connection_is_kept_for_the_next_call_but_not_for_ever(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, idle_s: float, count: int
) -> None:
    monkeypatch.setattr(connections, "IDLE_S", idle_s)
    provider = OpenAICompatibleProvider(upstream.base_url, idle_timeout_s=5)
    model = upstream.serve(text("a"))
    await ask(provider, model)
    await asyncio.sleep(0.2)
    await ask(provider, model)
    await provider.aclose()
    assert len({exchange.ports for exchange in upstream.exchanges(model)}) == count


async def test_what_came_with_a_failure_is_told_before_it(
    upstream: Upstream, provider: OpenAICompatibleProvider
) -> None:
    said, *_ = text("a").steps
    assert isinstance(said, bytes)
    model = upstream.serve(Reply([said + event({"error": {"message": "Out of luck."}})]))
    async with aclosing(said_by(provider, request(model))) as events:
        assert await anext(events) == TextDelta("a")
        with pytest.raises(ProviderFailed, match="Out of luck"):
            await anext(events)


def set_pauses(monkeypatch: pytest.MonkeyPatch, few: int, pause_s: float) -> None:
    """Those after each look at an answer, whether it is one of few or one of many."""
    monkeypatch.setattr(intake, "FEW_STREAMS", few)
    monkeypatch.setattr(intake, "REST_PER_ANSWER_S", pause_s)
    monkeypatch.setattr(intake, "SHORTEST_REST_S", pause_s)
    monkeypatch.setattr(intake, "LONGEST_REST_S", pause_s)


@pytest.mark.parametrize("few", [0, 1])
async def test_the_first_delta_comes_at_once_and_those_of_a_pause_together(
    upstream: Upstream, provider: OpenAICompatibleProvider, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    set_pauses(monkeypatch, few, 1.1)
    tokens = numbered_tokens(6)
    model = upstream.serve(text(*tokens).pausing(0.02))
    now = asyncio.get_running_loop().time
    events, times = [], []
    began = now()
    async for said in said_by(provider, request(model)):
        events.append(said)
        times.append(now() - began)
    assert events[:-1] == [TextDelta(token) for token in tokens]
    assert times[0] < 1.0 <= times[1]
    assert times[-1] - times[1] < 1.0


@pytest.mark.parametrize("few", [0, 1])
async def test_cancelling_in_a_pause_hangs_up_at_once(
    upstream: Upstream, provider: OpenAICompatibleProvider, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    set_pauses(monkeypatch, few, 60.0)
    events = said_by(provider, request(upstream.serve(text("a", "b").then(Signal.HANG, after=1))))
    assert await anext(events) == TextDelta("a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), aclosing(events):
            await anext(events)
    assert provider._endpoint._connections.busy == 0


@pytest.mark.parametrize("size", [1, 7])
async def test_characters_cut_apart_on_the_wire_come_whole(
    upstream: Upstream, provider: OpenAICompatibleProvider, size: int
) -> None:
    model = upstream.serve(text("Grüße ", "🌍🏽", usage=Usage(1, 2)).in_writes_of(size))
    assert await ask(provider, model) == [
        TextDelta("Grüße "),
        TextDelta("🌍🏽"),
        ModelFinished(FinishReason.STOP, TokenUsage(1, 2)),
    ]


async def test_a_thousand_tokens_come_in_order_and_complete(
    upstream: Upstream, provider: OpenAICompatibleProvider
) -> None:
    tokens = numbered_tokens(1000)
    assert (await ask(provider, upstream.serve(text(*tokens))))[:-1] == [TextDelta(token) for token in tokens]


@pytest.mark.usefixtures("unhurried")
async def test_calls_one_after_another_share_a_connection(
    upstream: Upstream, provider: OpenAICompatibleProvider
) -> None:
    model = upstream.serve(text("a").then(0.02))  # the body's end comes a little after [DONE]
    for _ in range(3):
        await ask(provider, model)
    assert len({exchange.ports for exchange in upstream.exchanges(model)}) == 1


async def test_a_kept_connection_that_the_server_drops_costs_no_call(
    upstream: Upstream, provider: OpenAICompatibleProvider
) -> None:
    reply = text("a")
    model = upstream.serve(Reply(reply.steps, close_unannounced=True))
    for _ in range(30):
        assert (await ask(provider, model))[0] == TextDelta("a")


async def test_a_large_conversation_is_sent(upstream: Upstream, provider: OpenAICompatibleProvider) -> None:
    model = upstream.serve(text("a"))
    words = "x" * 3_000_000  # aiohttp warns of bodies over 1 MB that are sent in one, and warnings fail
    _ = [event async for event in said_by(provider, request(model, words))]
    assert upstream.exchanges(model)[0].body["messages"][0]["content"] == words


class TestBrokenConnections:
    async def test_nobody_listens(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            async with provider_at(f"http://127.0.0.1:{unused.getsockname()[1]}/v1") as provider:
                assert (await failure_of(provider, "m")).retryable

    async def test_nobody_has_that_name(self) -> None:
        async with provider_at("http://nobody.invalid/v1") as provider:
            assert (await failure_of(provider, "m")).retryable

    async def test_no_answer_at_all(self, upstream: Upstream, provider: OpenAICompatibleProvider) -> None:
        assert (await failure_of(provider, upstream.serve(Reply([Signal.CUT])))).retryable

    async def test_cut_in_the_midst(self, upstream: Upstream, provider: OpenAICompatibleProvider) -> None:
        model = upstream.serve(text("a", "b").then(Signal.CUT, after=1))
        events = said_by(provider, request(model))
        assert await anext(events) == TextDelta("a")
        with pytest.raises(ProviderFailed) as caught:
            await anext(events)
        assert caught.value.retryable

    async def test_cut_after_the_finish_reason_costs_only_the_usage(
        self, upstream: Upstream, provider: OpenAICompatibleProvider
    ) -> None:
        model = upstream.serve(text("a", usage=Usage(1, 1)).then(Signal.CUT, after=2))
        assert await ask(provider, model) == [TextDelta("a"), ModelFinished(FinishReason.STOP, None)]

    async def test_not_http(self) -> None:
        async def talk_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
            writer.close()

        async with (
            await asyncio.start_server(talk_nonsense, "127.0.0.1", 0) as server,
            provider_at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1") as provider,
        ):
            error = await failure_of(provider, "m")
        assert error.retryable
        assert error.__cause__ is None  # it would hold the request's headers


class TestSilence:
    @pytest.mark.parametrize(
        "steps", [[Signal.HANG], [b"", Signal.HANG], [chunk({"content": "a"}), Signal.HANG]], ids=str
    )
    async def test_is_timed_out(self, upstream: Upstream, steps: Any) -> None:
        model = upstream.serve(Reply(steps))
        async with provider_at(upstream.base_url, idle_timeout_s=0.2) as provider:
            error = await failure_of(provider, model)
            assert isinstance(error, ProviderTimedOut)
            assert error.retryable
            await asyncio.wait_for((await upstream.exchange(model)).closed.wait(), 5)

    async def test_is_not_a_slow_answer(self, upstream: Upstream) -> None:
        model = upstream.serve(text(*"abcdef").pausing(0.1))
        async with provider_at(upstream.base_url, idle_timeout_s=0.4) as provider:
            assert finished(await ask(provider, model)).reason is FinishReason.STOP

    async def test_is_nothing_that_nobody_listens_to(self, upstream: Upstream) -> None:
        model = upstream.serve(text("a", "b").pausing(0.5))
        async with provider_at(upstream.base_url, idle_timeout_s=0.4) as provider:
            events = said_by(provider, request(model))
            assert await anext(events) == TextDelta("a")
            await asyncio.sleep(0.6)
            assert await anext(events) == TextDelta("b")
            await events.aclose()

    async def test_is_not_broken_by_bytes_that_never_make_a_line(self, upstream: Upstream) -> None:
        trickle = text("a" * 1000).in_writes_of(1).pausing(0.05)
        model = upstream.serve(text("Hello").then(*trickle.steps, after=1))
        async with provider_at(upstream.base_url, idle_timeout_s=0.4) as provider:
            events = said_by(provider, request(model))
            assert await anext(events) == TextDelta("Hello")
            with pytest.raises(ProviderTimedOut):
                await anext(events)
            await asyncio.wait_for((await upstream.exchange(model)).closed.wait(), 5)

    async def test_is_broken_by_comments(self, upstream: Upstream) -> None:
        waiting = Reply([b": wait\n\n"] * 6).pausing(0.1)
        model = upstream.serve(waiting.then(*text("a").steps))
        async with provider_at(upstream.base_url, idle_timeout_s=0.4) as provider:
            assert finished(await ask(provider, model)).reason is FinishReason.STOP


class TestRefusals:
    async def test_retry_after_is_passed_on(self, upstream: Upstream, provider: OpenAICompatibleProvider) -> None:
        model = upstream.serve(failure(429, "Slow down.", retry_after="3"), text("a"))
        error = await failure_of(provider, model)
        assert error.retryable
        assert error.retry_after_s == 3
        assert finished(await ask(provider, model)).reason is FinishReason.STOP

    async def test_a_key_that_the_provider_repeats_is_not_shown(
        self, upstream: Upstream, provider: OpenAICompatibleProvider
    ) -> None:
        error = await failure_of(provider, upstream.serve(failure(401, f"Incorrect API key: {KEY}", kind="auth")))
        assert error.message == "The provider answered with HTTP 401: Incorrect API key: ***"
        assert error.__cause__ is None

    async def test_an_error_under_status_200_is_one(
        self, upstream: Upstream, provider: OpenAICompatibleProvider
    ) -> None:
        error = await failure_of(provider, upstream.serve(failure(200, "No credit.", kind="insufficient_quota")))
        assert "No credit." in error.message
        assert not error.retryable

    async def test_redirects_are_not_followed(self, upstream: Upstream, provider: OpenAICompatibleProvider) -> None:
        model = upstream.serve(Reply(status=307, headers={"Location": "/v1/chat/completions"}), text("a"))
        assert not (await failure_of(provider, model)).retryable
        assert len(upstream.exchanges(model)) == 1

    async def test_a_refusal_whose_body_never_ends_is_still_a_refusal(self, upstream: Upstream) -> None:
        model = upstream.serve(failure(503, "Busy.").then(Signal.HANG))
        async with provider_at(upstream.base_url, idle_timeout_s=0.2) as provider:
            error = await failure_of(provider, model)
        assert error.message == "The provider answered with HTTP 503: Busy."

    async def test_a_wrong_base_url_says_so(self, upstream: Upstream) -> None:
        async with provider_at(upstream.base_url.removesuffix("/v1")) as provider:
            error = await failure_of(provider, "m")
        assert "404" in error.message
        assert not error.retryable


class TestHangingUp:
    async def test_while_the_headers_are_awaited(self, upstream: Upstream, provider: OpenAICompatibleProvider) -> None:
        model = upstream.serve(Reply([Signal.HANG]))
        reading = asyncio.create_task(ask(provider, model))
        exchange = await upstream.exchange(model)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asyncio.wait_for(exchange.closed.wait(), 5)

    async def test_is_done_when_aclose_returns(self, upstream: Upstream, provider: OpenAICompatibleProvider) -> None:
        model = upstream.serve(text(*numbered_tokens(1000)).pausing(0.01))
        events = said_by(provider, request(model))
        await anext(events)
        exchange = await upstream.exchange(model)
        assert exchange.ports in established()
        await events.aclose()
        assert exchange.ports not in established()
        await asyncio.wait_for(exchange.closed.wait(), 5)

    async def test_leaves_the_other_calls_alone(self, upstream: Upstream, provider: OpenAICompatibleProvider) -> None:
        model = upstream.serve(text(*numbered_tokens(20)).pausing(0.01))
        other = asyncio.create_task(ask(provider, model))
        events = said_by(provider, request(model))
        await anext(events)
        await events.aclose()
        assert finished(await other).reason is FinishReason.STOP
