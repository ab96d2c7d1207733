"""What becomes of a run whose model does not do as it should, and of the fallback models."""

import json
from typing import Any

import pytest

from core.errors import ErrorCode, ProviderFailed, ProviderTimedOut
from core.events import FinishReason, ModelFinished, ReasoningDelta, TextDelta, TokenUsage, ToolCalled
from models.run_steps import StepStatus
from models.runs import RunStatus
from providers.scripted import ScriptStep
from tests.engine.lab import STOP, Ending, Lab, executing, saying
from tests.upstream.replies import Signal, Usage, failure, text
from tests.upstream.server import Upstream

OVERLOADED = ProviderFailed("Overloaded.", retryable=True)


async def ending_of(url: str, lab: Lab, *scripts: list[ScriptStep]) -> Ending:
    """Of a run on the first of these scripts, with the others as fallbacks, each tried once."""
    named = {f"m{number}": script for number, script in enumerate(scripts)}
    model, *fallbacks = [f"scripted/{name}" for name in named]
    async with executing(url, lab.bus, named, provider_retries=0):
        run = await lab.start(await lab.agent(model, fallback_models=fallbacks))
        return (await lab.ending(run)).check()


async def test_fallbacks_are_tried_until_one_answers(url: str, lab: Lab) -> None:
    refused = ProviderFailed("No.", retryable=False)
    ending = await ending_of(url, lab, [OVERLOADED], [refused], saying("Here."), saying("Not me."))
    assert ending.run.status is RunStatus.SUCCEEDED
    assert ending.run.output_text == "Here."
    assert ending.steps[0].name == "scripted/m2"
    assert [(call.model, call.status) for call in ending.calls] == [
        ("scripted/m0", "FAILED"),
        ("scripted/m1", "FAILED"),
        ("scripted/m2", "SUCCEEDED"),
    ]
    assert [(call.input_tokens, call.output_tokens) for call in ending.calls] == [(0, 0), (0, 0), (7, 3)]
    assert ending.calls[0].failure_message == "Overloaded."
    assert ending.types == ["RunStarted", "StepStarted", "TextDelta", "StepFinished", "RunFinished"]


@pytest.mark.parametrize("said", [TextDelta("So"), ReasoningDelta("Hm")])
async def test_a_model_that_has_begun_to_answer_is_not_replaced(
    url: str, lab: Lab, said: TextDelta | ReasoningDelta
) -> None:
    ending = await ending_of(url, lab, [said, OVERLOADED], saying("Not me."))
    assert ending.run.status is RunStatus.FAILED
    assert ending.run.output_text is None
    assert len(ending.calls) == 1
    # Nobody told the usage, so it is counted: the message's two tokens, and one delta.
    assert (ending.calls[0].input_tokens, ending.calls[0].output_tokens) == (2, 1)
    partial = [(message.text, message.partial) for message in ending.messages[1:]]
    assert partial == ([("So", True)] if isinstance(said, TextDelta) else [])


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (OVERLOADED, ErrorCode.PROVIDER_FAILED, True),
        (ProviderFailed("No such key.", retryable=False), ErrorCode.PROVIDER_FAILED, False),
        (ProviderTimedOut("Silence.", retryable=True), ErrorCode.TIMED_OUT, True),
    ],
)
async def test_the_last_models_failure_is_the_runs(
    url: str, lab: Lab, error: ProviderFailed, code: ErrorCode, retryable: bool
) -> None:
    ending = await ending_of(url, lab, [ProviderFailed("First.", retryable=False)], [error])
    for failed in (ending.run, ending.steps[0]):
        assert failed.status == "FAILED"
        assert (failed.failure_code, failed.failure_message) == (code, error.message)
        assert failed.failure_retryable is retryable
    assert ending.types == ["RunStarted", "StepStarted", "StepFinished", "RunFinished"]


async def test_a_model_that_is_gone_fails_the_run_without_a_call(url: str, lab: Lab) -> None:
    async with executing(url, lab.bus, {}):
        ending = (await lab.ending(await lab.start(await lab.agent("scripted/gone")))).check()
    assert (ending.run.failure_code, ending.run.failure_retryable) == (ErrorCode.PROVIDER_FAILED, False)
    assert ending.calls == []


async def test_a_model_that_is_gone_is_replaced(url: str, lab: Lab) -> None:
    async with executing(url, lab.bus, {}):
        agent = await lab.agent("nobody/gone", fallback_models=["scripted/echo"])
        ending = (await lab.ending(await lab.start(agent, "Hello"))).check()
    assert ending.run.output_text == "Hello"
    assert len(ending.calls) == 1


async def test_a_tool_that_the_agent_does_not_have_fails_the_run(url: str, lab: Lab) -> None:
    ending = await ending_of(
        url,
        lab,
        [
            TextDelta("Let me see."),
            ToolCalled("call_1", "weather", {"city": "Rome"}),
            ModelFinished(FinishReason.TOOL_CALLS, TokenUsage(5, 9)),
        ],
    )
    assert ending.run.failure_code == ErrorCode.TOOL_FAILED
    assert "'weather'" in (ending.run.failure_message or "")
    assert ending.types[3] == "ToolCalled"
    assert (ending.messages[1].text, ending.messages[1].partial) == ("Let me see.", True)
    assert ending.calls[0].output_tokens == 9


async def test_a_filtered_answer_fails_the_run_and_is_kept_as_partial(url: str, lab: Lab) -> None:
    last = ModelFinished(FinishReason.CONTENT_FILTER, TokenUsage(5, 2))
    ending = await ending_of(url, lab, saying("How ", "to", last=last))
    assert (ending.run.failure_code, ending.run.failure_retryable) == (ErrorCode.PROVIDER_FAILED, False)
    assert (ending.messages[1].text, ending.messages[1].partial) == ("How to", True)


async def test_an_answer_cut_at_its_limit_succeeds_and_says_so(url: str, lab: Lab) -> None:
    ending = await ending_of(url, lab, saying("And so", last=ModelFinished(FinishReason.LENGTH, TokenUsage(5, 2))))
    assert ending.run.status is RunStatus.SUCCEEDED
    assert ending.steps[0].output["finishReason"] == "length"


async def test_tokens_are_counted_when_the_provider_tells_none(url: str, lab: Lab) -> None:
    last = ModelFinished(FinishReason.STOP, None)
    ending = await ending_of(url, lab, saying(*(["word "] * 12), last=last))
    assert (ending.calls[0].input_tokens, ending.calls[0].output_tokens) == (2, 12)


async def test_what_no_log_can_hold_fails_the_run_and_is_not_asked_for_again(url: str, lab: Lab) -> None:
    deep = json.loads("[" * 253 + "]" * 253)
    ending = await ending_of(url, lab, [TextDelta("Now "), 0.1, TextDelta("this:"), ToolCalled("1", "search", deep)])
    assert (ending.run.failure_code, ending.run.failure_retryable) == (ErrorCode.INTERNAL, True)
    assert ending.run.epoch == 2, "one is the attempt, one its end"
    assert len(ending.calls) == 1
    assert ending.messages[1].text.startswith("Now ")


async def test_an_adapters_own_fault_is_masked_and_keeps_what_was_said(url: str, lab: Lab) -> None:
    ending = await ending_of(url, lab, [TextDelta("So far "), 0.05, TextDelta("so good"), KeyError("secret")])
    for failed in (ending.run, ending.steps[0]):
        assert (failed.failure_code, failed.failure_retryable) == (ErrorCode.INTERNAL, True)
        assert "secret" not in (failed.failure_message or "")
    assert ending.steps[0].status is StepStatus.FAILED
    assert ending.types == ["RunStarted", "StepStarted", "TextDelta", "StepFinished", "RunFinished"]
    assert (ending.messages[1].text, ending.messages[1].partial) == ("So far so good", True)
    assert ending.calls[0].status == "FAILED"
    assert (ending.calls[0].input_tokens, ending.calls[0].output_tokens) == (2, 4)


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (TokenUsage(-7, 3), (2, 2)),
        (TokenUsage(7, 10**22), (2, 2)),
        (TokenUsage(7, 3, -1), (2, 2)),
        (TokenUsage(0, 3), (2, 3)),
        (TokenUsage(7, 0), (7, 2)),
    ],
)
async def test_a_usage_that_cannot_be_is_counted_instead(
    url: str, lab: Lab, usage: TokenUsage, counted: tuple[int, int]
) -> None:
    ending = await ending_of(url, lab, saying("a ", "b", last=ModelFinished(FinishReason.STOP, usage)))
    assert ending.run.status is RunStatus.SUCCEEDED
    assert (ending.calls[0].input_tokens, ending.calls[0].output_tokens) == counted


async def test_some_words_at_once_count_for_more_than_a_token(url: str, lab: Lab) -> None:
    words = "Some providers send a whole line in one go, and some send two of them."
    ending = await ending_of(url, lab, saying(words, words, last=ModelFinished(FinishReason.STOP, None)))
    assert ending.calls[0].output_tokens == 2 * len(words) / 4


async def test_a_fault_of_one_run_leaves_the_others_alone(url: str, lab: Lab) -> None:
    async with executing(url, lab.bus, {"bad": [KeyError("x")], "good": saying("a", "b", pause_s=0.05)}):
        good, bad = await lab.agent("scripted/good"), await lab.agent("scripted/bad")
        started = [await lab.start(agent) for agent in (good, bad, good, bad)]
        statuses = [(await lab.ending(run)).check().run.status for run in started]
    assert statuses == ["SUCCEEDED", "FAILED", "SUCCEEDED", "FAILED"]


async def on_the_wire(url: str, lab: Lab, upstream: Upstream, *models: str) -> Ending:
    names = [f"openai_compatible/{model}" for model in models]
    settings: dict[str, Any] = {
        "openai_compatible_base_url": upstream.base_url,
        "provider_idle_timeout_s": 0.3,
        "provider_retries": 0,
    }
    async with executing(url, lab.bus, {}, **settings):
        agent = await lab.agent(names[0], fallback_models=names[1:], instructions="Be brief.")
        return (await lab.ending(await lab.start(agent))).check()


async def test_a_run_over_the_wire(url: str, lab: Lab, upstream: Upstream) -> None:
    model = upstream.serve(text("Hel", "lo", usage=Usage(12, 2, 4)).pausing(0.02))
    ending = await on_the_wire(url, lab, upstream, model)
    assert ending.run.output_text == "Hello"
    [call] = ending.calls
    assert (call.provider, call.input_tokens, call.output_tokens, call.cached_tokens) == ("openai_compatible", 12, 2, 4)
    body = (await upstream.exchange(model)).body
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]


async def test_a_refusal_over_the_wire_brings_the_fallback(url: str, lab: Lab, upstream: Upstream) -> None:
    refusing = upstream.serve(failure(503, "Overloaded"))
    ending = await on_the_wire(url, lab, upstream, refusing, upstream.serve(text("Here.")))
    assert ending.run.output_text == "Here."
    assert "HTTP 503" in (ending.calls[0].failure_message or "")


async def test_a_connection_that_breaks_in_the_midst_fails_the_run_retryably(
    url: str, lab: Lab, upstream: Upstream
) -> None:
    model = upstream.serve(text("Hel", "lo").pausing(0.02).then(Signal.CUT, after=3))
    ending = await on_the_wire(url, lab, upstream, model)
    assert (ending.run.failure_code, ending.run.failure_retryable) == (ErrorCode.PROVIDER_FAILED, True)
    assert ending.messages[1].partial


async def test_a_silent_provider_times_out(url: str, lab: Lab, upstream: Upstream) -> None:
    ending = await on_the_wire(url, lab, upstream, upstream.serve(text("Hel", "lo").then(Signal.HANG, after=1)))
    assert ending.run.failure_code == ErrorCode.TIMED_OUT
    assert ending.messages[1].text == "Hel"


async def test_usage_of_a_run_is_that_of_all_its_calls(url: str, lab: Lab) -> None:
    ending = await ending_of(url, lab, [OVERLOADED], [TextDelta("a"), STOP])
    last = ending.events[-1].body
    assert last.run["usage"]["llm_calls"] == 2  # type: ignore[union-attr]
    assert last.run["usage"]["input_tokens"] == 7  # type: ignore[union-attr]
