"""What becomes of a run that nothing disturbs: its rows, its events, and what the model was told."""

from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

import pytest

from core.errors import ErrorCode
from core.events import FinishReason, ModelEvent, ModelFinished, RunFinished, RunStarted, TextDelta, TokenUsage
from models.database import transaction
from models.llm_calls import usage_of
from models.run_steps import StepStatus
from models.runs import RunStatus
from models.threads import MessageRole
from providers.catalogue import CatalogueEntry, ProviderName
from providers.port import ChatMessage, ChatRole, ModelRequest
from providers.prices import PriceList, Prices
from providers.scripted import echo
from tests.engine.lab import STOP, Ending, Lab, execute_sql, executing, saying

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


def entry(name: str, context_window: int | None = None, price: Decimal | None = None) -> CatalogueEntry:
    """What is known of a scripted model; ``price``: US dollars per million tokens, in or out."""
    return CatalogueEntry(
        name=name,
        provider=ProviderName.SCRIPTED,
        context_window=context_window,
        max_output_tokens=None,
        supports_tools=False,
        supports_structured_output=False,
        prices=PriceList(Prices(price, price, price)) if price is not None else None,
        available=True,
    )


class Confidant:
    """A model that keeps what it was told, and answers ``said``."""

    def __init__(self, *said: str) -> None:
        self.requests: list[ModelRequest] = []
        self._said = said or ("Aye",)

    async def __call__(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        for word in self._said:
            yield TextDelta(word)
        yield STOP

    def told(self, call: int = -1) -> list[ChatMessage]:
        return list(self.requests[call].messages)


async def test_a_run_streams_and_leaves_all_its_rows(url: str, lab: Lab) -> None:
    script = saying("Hel", "lo, ", "wörld", pause_s=0.01)
    async with executing(url, lab.bus, {"words": script}, [entry("scripted/words", price=Decimal("1.5"))]):
        run = await lab.start(await lab.agent("scripted/words"), "Hi")
        ending = (await lab.ending(run)).check()

    assert ending.types == ["RunStarted", "StepStarted", "TextDelta", "StepFinished", "RunFinished"]
    assert ending.run.status is RunStatus.SUCCEEDED
    assert ending.run.output_text == "Hello, wörld"
    assert ending.run.failure_code is None
    assert ending.run.started_at is not None
    assert [(m.role, m.text, m.partial) for m in ending.messages] == [
        (MessageRole.USER, "Hi", False),
        (MessageRole.ASSISTANT, "Hello, wörld", False),
    ]
    [step] = ending.steps
    assert (step.position, step.name, step.status, step.attempt) == (1, "scripted/words", StepStatus.SUCCEEDED, 1)
    assert step.output["finishReason"] == "stop"
    [call] = ending.calls
    assert (call.provider, call.model, call.status, call.step_id) == (
        "scripted",
        "scripted/words",
        "SUCCEEDED",
        step.id,
    )
    assert (call.input_tokens, call.output_tokens, call.cost_usd) == (7, 3, Decimal("0.000015"))
    assert call.time_to_first_token_ms is not None
    assert call.duration_ms is not None
    assert 10 <= call.time_to_first_token_ms < call.duration_ms
    assert call.provider_closed_at is not None


async def test_a_step_that_was_finished_is_not_repeated(url: str, lab: Lab) -> None:
    agent = await lab.agent("scripted/words")
    async with executing(url, lab.bus, {"words": saying("Hel", "lo")}):
        run = await lab.start(agent)
        before = (await lab.ending(run)).check()
    # As a process leaves it that dies between the end of a step and that of the run.
    await execute_sql(url, "DELETE FROM run_events WHERE run_id = $1 AND type = 'RunFinished'", run.id)
    await execute_sql(
        url, "UPDATE runs SET status = 'QUEUED', finished_at = NULL, output_text = NULL WHERE id = $1", run.id
    )
    confidant = Confidant()
    async with executing(url, lab.bus, {"words": confidant}):
        after = (await lab.ending(run)).check()
    assert confidant.requests == []
    assert (after.run.status, after.run.output_text, after.run.epoch) == (RunStatus.SUCCEEDED, "Hello", 2)
    assert after.types == before.types
    assert [step.finished_at for step in after.steps] == [step.finished_at for step in before.steps]
    assert len(after.calls) == 1
    assert [message.text for message in after.messages] == ["Hello", "Hello"]


async def test_events_tell_the_run_as_it_was_then(url: str, lab: Lab) -> None:
    async with executing(url, lab.bus, {}):
        ending = await lab.ending(await lab.start(await lab.agent("scripted/echo")))
    first, last = ending.events[0].body, ending.events[-1].body
    assert isinstance(first, RunStarted)
    assert first.run["status"] == "QUEUED"
    assert first.run["usage"]["llm_calls"] == 0
    assert isinstance(last, RunFinished)
    assert last.run["usage"] == {
        "input_tokens": 1,
        "output_tokens": 1,
        "cached_tokens": 0,
        "cost_usd": "0.0000000000",
        "llm_calls": 1,
    }


async def test_the_last_event_tells_the_cost_that_the_books_have(url: str, lab: Lab) -> None:
    """Of a call whose row is written with that event, and whose cost has more digits than the books."""
    price = Decimal("0.000345")  # of 7 and 3 tokens: 34.5e-10
    async with executing(url, lab.bus, {"words": saying("a")}, [entry("scripted/words", price=price)]):
        ending = await lab.ending(await lab.start(await lab.agent("scripted/words")))
    last = ending.events[-1].body
    assert isinstance(last, RunFinished)
    async with transaction([lab.workspace_id]) as connection:
        usage = (await usage_of(connection, [ending.run.id]))[ending.run.id]
    assert usage.cost_usd == Decimal("0.0000000035")
    assert last.run["usage"]["cost_usd"] == format(usage.cost_usd, "f")


async def test_the_model_is_told_the_thread_so_far(url: str, lab: Lab) -> None:
    confidant = Confidant("It is ", "Ada.")
    agent = await lab.agent("scripted/confidant", instructions="Be brief.", temperature=0.5, max_output_tokens=99)
    async with executing(url, lab.bus, {"confidant": confidant}):
        first = await lab.start(agent, "Who are you?")
        # Queued behind it, the next question is not yet said.
        second = await lab.start(agent, "Again?", thread_id=first.thread_id)
        await lab.ending(second)
    assert confidant.told(0) == [
        ChatMessage(ChatRole.SYSTEM, "Be brief."),
        ChatMessage(ChatRole.USER, "Who are you?"),
    ]
    assert confidant.told(1) == [
        ChatMessage(ChatRole.SYSTEM, "Be brief."),
        ChatMessage(ChatRole.USER, "Who are you?"),
        ChatMessage(ChatRole.ASSISTANT, "It is Ada."),
        ChatMessage(ChatRole.USER, "Again?"),
    ]
    request = confidant.requests[1]
    assert (request.model, request.temperature, request.max_output_tokens) == ("confidant", 0.5, 99)


async def test_what_does_not_fit_the_context_window_is_left_out(url: str, lab: Lab) -> None:
    confidant = Confidant()
    agent = await lab.agent("scripted/confidant", instructions="Be brief.")
    async with executing(url, lab.bus, {"confidant": confidant}, [entry("scripted/confidant", context_window=200)]):
        run = await lab.start(agent, "old " * 150)
        await lab.ending(run)
        await lab.ending(await lab.start(agent, "new " * 60, thread_id=run.thread_id))
    assert [message.text[:4] for message in confidant.told()] == ["Be b", "Aye", "new "]


async def run_with_schema(url: str, lab: Lab, answer: str, schema: dict[str, Any] = SCHEMA) -> Ending:
    async with executing(url, lab.bus, {"json": saying(answer)}):
        run = await lab.start(await lab.agent("scripted/json", output_schema=schema))
        return (await lab.ending(run)).check()


async def test_an_answer_that_satisfies_the_output_schema_is_parsed(url: str, lab: Lab) -> None:
    ending = await run_with_schema(url, lab, ' {"age": 36} ')
    assert ending.run.status is RunStatus.SUCCEEDED
    assert ending.run.output == {"age": 36}
    assert ending.run.output_text == ' {"age": 36} '


@pytest.mark.parametrize(
    "answer",
    [
        "thirty-six",
        '{"age": "36"}',
        "",
        '{"age": 36, "name": "\\u0000"}',
        '{"age": 36, "name": "\\ud800"}',
        '{"age": 36, "name": ' + "[" * 100 + "]" * 100 + "}",
    ],
)
async def test_an_answer_that_does_not_satisfy_the_output_schema_fails_the_run(url: str, lab: Lab, answer: str) -> None:
    ending = await run_with_schema(url, lab, answer)
    assert ending.run.status is RunStatus.FAILED
    assert ending.run.failure_code == ErrorCode.VALIDATION_FAILED
    assert ending.run.failure_message is not None
    assert "output schema" in ending.run.failure_message
    assert ending.run.failure_retryable is True
    assert ending.run.output is None
    # The call itself went well, and what the model said stands.
    assert ending.steps[0].status is StepStatus.SUCCEEDED


async def test_an_empty_answer_is_no_message(url: str, lab: Lab) -> None:
    async with executing(url, lab.bus, {"mute": [ModelFinished(FinishReason.STOP, TokenUsage(1, 0))]}):
        ending = (await lab.ending(await lab.start(await lab.agent("scripted/mute")))).check()
    assert ending.run.status is RunStatus.SUCCEEDED
    assert ending.run.output_text == ""
    assert [message.role for message in ending.messages] == [MessageRole.USER]


async def test_what_postgresql_cannot_store_costs_no_run_its_answer(url: str, lab: Lab) -> None:
    async with executing(url, lab.bus, {"odd": saying("a\x00b", "\ud800c")}):
        ending = (await lab.ending(await lab.start(await lab.agent("scripted/odd")))).check()
    assert ending.run.output_text == "a\ufffdb\ufffdc"
    assert ending.messages[1].text == "a\ufffdb\ufffdc"


async def test_runs_of_different_threads_go_on_at_once(url: str, lab: Lab) -> None:
    agent = await lab.agent("scripted/echo")
    async with executing(url, lab.bus, {"echo": echo}):
        started = [await lab.start(agent, f"question {number}") for number in range(20)]
        for number, run in enumerate(started):
            assert (await lab.ending(run)).check().run.output_text == f"question {number}"
