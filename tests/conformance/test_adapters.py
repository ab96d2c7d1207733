"""What every adapter of the port does alike, whatever provider is behind it."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from core.errors import ProviderFailed, ProviderTimedOut
from core.events import FinishReason, ModelEvent, ModelFinished, ReasoningDelta, TextDelta, TokenUsage, ToolCalled
from providers.port import ChatMessage, ChatRole, ModelRequest, ToolSpec
from tests.answers import said_by
from tests.conformance.subjects import Fault, ScriptableSubject, Subject, WireSubject
from tests.conformance.troubles import (
    ANSWER,
    END,
    FATAL,
    HARMLESS,
    LASTING,
    PASSING,
    WORDS,
    WRONG_USAGE,
    Trouble,
    in_an_hour,
    said,
    with_usage,
)
from tests.upstream.connections import established
from tests.upstream.replies import Reply, Signal
from tests.upstream.wires import GOOGLE, OLLAMA

# Generous: the machine may be busy. What a test waits for comes at once or never.
PATIENCE_S = 5

STOPPED = ModelFinished(FinishReason.STOP, TokenUsage(3, 2, 1))


def request(model: str, **options: Any) -> ModelRequest:
    return ModelRequest(model, [ChatMessage(ChatRole.USER, "Tell me a long story.")], **options)


async def ask(subject: Subject, model: str, **options: Any) -> list[ModelEvent]:
    async with aclosing(said_by(subject.provider, request(model, **options))) as events:
        return [event async for event in events]


async def failure_of(subject: Subject, model: str) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as caught:
        await ask(subject, model)
    return caught.value


async def tells(subject: ScriptableSubject, end: ModelFinished) -> None:
    """The adapter tells of an answer's ``end`` as the provider did, if that can."""
    if not subject.can_tell(end):
        pytest.skip("this provider has no word for it")
    script: list[ModelEvent] = [TextDelta("a"), end]
    assert await ask(subject, subject.playing(*script)) == script


class TestAnswers:
    async def test_text_comes_first_and_the_end_with_usage_once_and_last(self, subject: Subject) -> None:
        *deltas, last = await ask(subject, subject.talking(), max_output_tokens=12)
        assert deltas
        assert all(isinstance(delta, TextDelta) and delta.text for delta in deltas)
        assert isinstance(last, ModelFinished)
        assert last.usage is not None
        assert last.usage.input_tokens > 0
        assert 0 < last.usage.output_tokens <= 12

    async def test_several_calls_run_at_once(self, subject: Subject) -> None:
        model = subject.talking()
        answers = await asyncio.gather(*(ask(subject, model, max_output_tokens=5) for _ in range(6)))
        assert all(isinstance(answer[-1], ModelFinished) for answer in answers)

    async def test_every_kind_of_event_in_its_place(self, scriptable: ScriptableSubject) -> None:
        script: list[ModelEvent] = [
            ReasoningDelta("Hm, "),
            ReasoningDelta("ja."),
            TextDelta("Grüße "),
            TextDelta("🌍"),
            ToolCalled("c1", "weather", {"city": "Köln", "days": [1, 2.5, None]}),
            ToolCalled("c2", "time", {}),
            ModelFinished(FinishReason.TOOL_CALLS, TokenUsage(10, 20, 5)),
        ]
        tool = ToolSpec("weather", "Tells the weather.", {"type": "object"})
        answer = await ask(scriptable, scriptable.playing(*script), tools=[tool])
        assert scriptable.as_told(answer) == scriptable.as_told(script)
        ids = [event.call_id for event in answer if isinstance(event, ToolCalled)]
        assert all(ids)
        assert len(set(ids)) == 2

    @pytest.mark.parametrize(
        "reason", [FinishReason.STOP, FinishReason.LENGTH, FinishReason.CONTENT_FILTER], ids=lambda reason: reason.value
    )
    async def test_finish_reasons(self, scriptable: ScriptableSubject, reason: FinishReason) -> None:
        await tells(scriptable, ModelFinished(reason, TokenUsage(1, 1)))

    async def test_usage_that_was_not_sent_is_none(self, scriptable: ScriptableSubject) -> None:
        await tells(scriptable, ModelFinished(FinishReason.STOP, None))

    async def test_an_empty_answer_is_an_answer(self, scriptable: ScriptableSubject) -> None:
        assert await ask(scriptable, scriptable.playing(STOPPED)) == scriptable.as_told([STOPPED])


class TestFailures:
    @pytest.mark.parametrize("fault", [Fault.OVERLOAD, Fault.LOST_CONNECTION, Fault.SILENCE, Fault.RATE_LIMIT])
    async def test_passing_troubles_may_be_retried(self, scriptable: ScriptableSubject, fault: Fault) -> None:
        assert (await failure_of(scriptable, scriptable.playing(fault))).retryable

    @pytest.mark.parametrize("fault", [Fault.BAD_REQUEST, Fault.BAD_KEY])
    async def test_faults_of_the_request_may_not(self, scriptable: ScriptableSubject, fault: Fault) -> None:
        assert not (await failure_of(scriptable, scriptable.playing(fault))).retryable

    async def test_how_long_to_wait_is_passed_on(self, scriptable: ScriptableSubject) -> None:
        assert (await failure_of(scriptable, scriptable.playing(Fault.RATE_LIMIT))).retry_after_s == 3

    async def test_silence_is_a_time_out(self, scriptable: ScriptableSubject) -> None:
        assert isinstance(await failure_of(scriptable, scriptable.playing(Fault.SILENCE)), ProviderTimedOut)

    @pytest.mark.parametrize("fault", [Fault.LOST_CONNECTION, Fault.SILENCE])
    async def test_what_came_before_the_failure_is_not_lost(self, scriptable: ScriptableSubject, fault: Fault) -> None:
        events = said_by(scriptable.provider, request(scriptable.playing(TextDelta("a"), TextDelta("b"), fault)))
        assert [await anext(events), await anext(events)] == [TextDelta("a"), TextDelta("b")]
        with pytest.raises(ProviderFailed) as caught:
            await anext(events)
        assert caught.value.retryable

    async def test_an_unknown_model_is_a_fault_of_the_request(self, scriptable: ScriptableSubject) -> None:
        assert not (await failure_of(scriptable, "no-such-model")).retryable


class TestTroubles:
    @pytest.mark.parametrize("trouble", PASSING.values(), ids=PASSING)
    async def test_passing_ones(self, on_wire: WireSubject, trouble: Trouble) -> None:
        if on_wire.wire is OLLAMA and trouble in (PASSING["error-in-the-midst"], PASSING["error-at-once"]):
            pytest.skip("litellm takes it for a fault of the request; our models of Ollama's go another way")
        assert (await failure_of(on_wire, on_wire.answering(trouble(on_wire.wire)))).retryable

    @pytest.mark.parametrize("trouble", LASTING.values(), ids=LASTING)
    async def test_lasting_ones(self, on_wire: WireSubject, trouble: Trouble) -> None:
        assert not (await failure_of(on_wire, on_wire.answering(trouble(on_wire.wire)))).retryable

    @pytest.mark.parametrize("trouble", FATAL.values(), ids=FATAL)
    async def test_nonsense(self, on_wire: WireSubject, trouble: Trouble) -> None:
        await failure_of(on_wire, on_wire.answering(trouble(on_wire.wire)))

    @pytest.mark.parametrize("trouble", HARMLESS.values(), ids=HARMLESS)
    async def test_harmless_ones(self, on_wire: WireSubject, trouble: Trouble) -> None:
        if on_wire.wire is GOOGLE and trouble is HARMLESS["cut-after-the-end"]:
            pytest.skip("litellm gives up the end that it holds back: a failure, which is tried again")
        answer = await ask(on_wire, on_wire.answering(trouble(on_wire.wire)))
        assert said(answer) == said(ANSWER)
        assert answer[-1] == END

    @pytest.mark.parametrize("count", WRONG_USAGE.values(), ids=WRONG_USAGE)
    async def test_a_usage_that_cannot_be_costs_no_answer(self, on_wire: WireSubject, count: bytes) -> None:
        if on_wire.wire is GOOGLE and not count.removeprefix(b"-").isdigit():
            pytest.skip("litellm counts with it before it looks: a failure, and Google has never sent such a thing")
        answer = await ask(on_wire, on_wire.answering(with_usage(on_wire.wire, count)))
        assert said(answer) == said(ANSWER)
        assert isinstance(answer[-1], ModelFinished)

    async def test_a_date_to_wait_for_is_passed_on(self, on_wire: WireSubject) -> None:
        reply = on_wire.wire.failure(429, "Not now.", retry_after=in_an_hour())
        failure = await failure_of(on_wire, on_wire.answering(reply))
        assert failure.retry_after_s == pytest.approx(3600, abs=60)


class TestHangingUp:
    async def test_closing_the_stream_stops_the_provider(self, subject: Subject) -> None:
        model = subject.endless()
        events = said_by(subject.provider, request(model))
        await anext(events)
        await events.aclose()
        await asyncio.wait_for(subject.hung_up(model), PATIENCE_S)

    async def test_cancelling_the_reader_stops_the_provider(self, subject: Subject) -> None:
        model, begun = subject.endless(), asyncio.Event()

        async def read() -> None:
            async for _ in said_by(subject.provider, request(model)):
                begun.set()

        reader = asyncio.create_task(read())
        await asyncio.wait_for(begun.wait(), 60)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await asyncio.wait_for(subject.hung_up(model), PATIENCE_S)

    @pytest.mark.parametrize("begun", ["nothing", "headers", "words"])
    async def test_over_tls_the_provider_is_not_waited_for(self, secure: WireSubject, begun: str) -> None:
        """Its connection is closed when the reader has stopped, although it had no time to say good-bye."""
        steps = {"nothing": [], "headers": [b""], "words": secure.wire.reply(WORDS).steps}[begun]
        model = secure.answering(Reply([*steps, Signal.HANG], content_type=secure.wire.content_type))
        reader = asyncio.create_task(ask(secure, model))
        exchange = await secure.asked(model)
        await asyncio.sleep(0.05)
        reader.cancel()
        await asyncio.wait([reader])
        assert reader.cancelled()
        assert exchange.ports not in established()
        await asyncio.wait_for(exchange.closed.wait(), PATIENCE_S)

    async def test_the_next_call_is_answered(self, subject: Subject) -> None:
        events = said_by(subject.provider, request(subject.endless()))
        await anext(events)
        await events.aclose()
        answer = await ask(subject, subject.talking(), max_output_tokens=3)
        assert isinstance(answer[-1], ModelFinished)

    async def test_closing_a_stream_twice_or_unread_is_no_fault(self, subject: Subject) -> None:
        events = said_by(subject.provider, request(subject.talking()))
        await events.aclose()
        await events.aclose()


class TestClosing:
    async def test_an_adapter_that_was_never_used_closes_and_closes_again(self, scriptable: ScriptableSubject) -> None:
        await scriptable.provider.aclose()
        await scriptable.provider.aclose()

    async def test_an_adapter_that_was_used_closes_and_closes_again(self, scriptable: ScriptableSubject) -> None:
        await ask(scriptable, scriptable.talking())
        await scriptable.provider.aclose()
        await scriptable.provider.aclose()
