"""Cancelling runs that are being executed, by a real executor."""

import asyncio
import random
import time
from contextlib import AsyncExitStack

import pytest

from core.errors import Conflict
from models.run_steps import StepStatus
from models.runs import Run, RunStatus
from services import cancellations
from services.runs import BusyPolicy
from streaming.bus import Bus
from tests.engine.cancel_latency import measure_cancel, percentile
from tests.engine.lab import Lab, execute_sql, executing, make_lab, saying
from tests.engine.worker import working
from tests.servers.redis import RedisServer
from tests.upstream.replies import Signal, numbered_tokens, text
from tests.upstream.server import Upstream

ENDLESS = saying(*(["word "] * 1000), pause_s=0.02)


async def test_cancelling_closes_the_connection_to_the_provider(url: str, lab: Lab, upstream: Upstream) -> None:
    model = upstream.serve(text(*numbered_tokens(500)).pausing(0.02))
    async with executing(url, lab.bus, {}, openai_compatible_base_url=upstream.base_url):
        run = await lab.start(await lab.agent(f"openai_compatible/{model}"))
        await lab.until_it_speaks(run)
        asked_at = time.monotonic()
        cancelled = await cancellations.cancel(lab.principal, lab.bus, run.id)
        took_s = time.monotonic() - asked_at
        exchange = await upstream.exchange(model)
        async with asyncio.timeout(1):
            await exchange.closed.wait()
        ending = (await lab.ending(run)).check()
    assert took_s < 1
    assert cancelled.status is RunStatus.CANCELLED
    assert exchange.writes < 500
    assert ending.types == ["RunStarted", "StepStarted", "TextDelta", "StepFinished", "RunFinished"]
    assert ending.run.failure_code is None
    assert ending.steps[0].status is StepStatus.CANCELLED
    [call] = ending.calls
    assert call.status == "CANCELLED"
    assert call.provider_closed_at is not None
    assert call.input_tokens > 0
    assert call.output_tokens == len(ending.messages[1].text.split())
    assert ending.messages[1].partial
    assert ending.messages[1].text.startswith("t0 ")


async def test_a_provider_that_has_not_said_a_word_is_left_too(url: str, lab: Lab, upstream: Upstream) -> None:
    model = upstream.serve(text("late").then(Signal.HANG, after=0))
    async with executing(url, lab.bus, {}, openai_compatible_base_url=upstream.base_url):
        run = await lab.start(await lab.agent(f"openai_compatible/{model}"))
        exchange = await upstream.exchange(model)
        cancelled = await cancellations.cancel(lab.principal, lab.bus, run.id)
        async with asyncio.timeout(1):
            await exchange.closed.wait()
        ending = (await lab.ending(run)).check()
    assert cancelled.status is RunStatus.CANCELLED
    assert len(ending.messages) == 1
    assert ending.calls[0].provider_closed_at is not None


async def test_cancelling_again_gives_the_same_answer(url: str, lab: Lab) -> None:
    async with executing(url, lab.bus, {"endless": ENDLESS}):
        run = await lab.start(await lab.agent("scripted/endless"))
        await lab.until_it_speaks(run)
        answers = await asyncio.gather(
            *(cancellations.cancel(lab.principal, lab.bus, run.id) for _ in range(5)),
        )
        again = await cancellations.cancel(lab.principal, lab.bus, run.id)
        (await lab.ending(run)).check()
    assert {answer.finished_at for answer in answers} == {again.finished_at}


async def test_a_run_that_ended_otherwise_cannot_be_cancelled(url: str, lab: Lab) -> None:
    async with executing(url, lab.bus, {}):
        run = await lab.start(await lab.agent("scripted/echo"))
        await lab.ending(run)
    with pytest.raises(Conflict, match="SUCCEEDED"):
        await cancellations.cancel(lab.principal, lab.bus, run.id)


async def test_a_queued_run_is_never_executed(url: str, lab: Lab) -> None:
    agent = await lab.agent("scripted/endless")
    async with executing(url, lab.bus, {"endless": ENDLESS}):
        first = await lab.start(agent)
        second = await lab.start(agent, thread_id=first.thread_id)
        await lab.until_it_speaks(first)
        assert (await cancellations.cancel(lab.principal, lab.bus, second.id)).status is RunStatus.CANCELLED
        await cancellations.cancel(lab.principal, lab.bus, first.id)
        ending = (await lab.ending(second)).check()
    assert ending.types == ["RunStarted", "RunFinished"]
    assert ending.run.started_at is None


async def test_a_notification_that_got_lost_is_made_up_for_by_the_sweep(url: str, lab: Lab) -> None:
    async with executing(url, lab.bus, {"endless": ENDLESS}):
        run = await lab.start(await lab.agent("scripted/endless"))
        await lab.until_it_speaks(run)
        await execute_sql(url, "UPDATE runs SET cancel_requested_at = now() WHERE id = $1", run.id)
        ending = (await lab.ending(run)).check()
    assert ending.run.status is RunStatus.CANCELLED
    assert ending.calls[0].provider_closed_at is not None


async def test_cancel_first_lets_the_new_run_take_its_turn(url: str, lab: Lab) -> None:
    agent, echoing = await lab.agent("scripted/endless"), await lab.agent("scripted/echo")
    async with executing(url, lab.bus, {"endless": ENDLESS}):
        first = await lab.start(agent)
        waiting = await lab.start(agent, thread_id=first.thread_id)
        await lab.until_it_speaks(first)
        new = await lab.start(echoing, "Now", thread_id=first.thread_id, if_busy=BusyPolicy.CANCEL)
        async with asyncio.timeout(2):
            endings = [(await lab.ending(run)).check() for run in (first, waiting, new)]
    assert [ending.run.status for ending in endings] == ["CANCELLED", "CANCELLED", "SUCCEEDED"]
    assert endings[1].types == ["RunStarted", "RunFinished"]


async def test_runs_that_cancel_one_another_all_end(url: str, lab: Lab) -> None:
    """They lock the thread, then its runs; an executor locks a run, then adds to the thread."""
    agent = await lab.agent("scripted/short")
    luck = random.Random(11)
    async with executing(url, lab.bus, {"short": saying("a", "b", "c", pause_s=0.01)}):
        first = await lab.start(agent)

        async def push_in() -> Run:
            await asyncio.sleep(luck.uniform(0, 0.5))
            return await lab.start(agent, thread_id=first.thread_id, if_busy=BusyPolicy.CANCEL)

        started = [first, *await asyncio.gather(*(push_in() for _ in range(20)))]
        statuses = [(await lab.ending(run)).check().run.status for run in started]
    assert set(statuses) <= {"CANCELLED", "SUCCEEDED"}
    assert "SUCCEEDED" in statuses, "nobody cancelled the last one"


async def test_cancelling_at_any_moment_leaves_one_ending(url: str, lab: Lab) -> None:
    """Before, while and after it is claimed, speaks and ends: each run has one final state, told by its last event."""
    agent = await lab.agent("scripted/short")
    luck = random.Random(7)

    async def start_and_cancel(number: int) -> str:
        run = await lab.start(agent)
        if number % 2:
            await lab.until_it_speaks(run)
        await asyncio.sleep(luck.uniform(0, 0.1))
        try:
            answer = (await cancellations.cancel(lab.principal, lab.bus, run.id)).status
        except Conflict:
            answer = RunStatus.SUCCEEDED
        ending = (await lab.ending(run)).check()
        assert ending.run.status is answer
        assert {call.status for call in ending.calls} <= {"CANCELLED", "SUCCEEDED"}
        return answer

    async with executing(url, lab.bus, {"short": saying("a", "b", "c", pause_s=0.02)}):
        answers = []
        for batch in range(0, 48, 8):
            answers += await asyncio.gather(*(start_and_cancel(number) for number in range(batch, batch + 8)))
    assert set(answers) == {"CANCELLED", "SUCCEEDED"}


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in this process", "in a worker"])
async def test_the_providers_connection_closes_at_once(
    url: str, redis_server: RedisServer, upstream: Upstream, elsewhere: bool
) -> None:
    """In most cases within 100 ms, which is measured elsewhere: here the machine may be busy with other things."""
    base_url = upstream.base_url
    bus = Bus.from_url(redis_server.url)
    async with bus, AsyncExitStack() as stack:
        lab = await make_lab(bus)
        if elsewhere:
            await stack.enter_async_context(working(url, redis_server.url, OPENAI_COMPATIBLE_BASE_URL=base_url))
        else:
            await stack.enter_async_context(executing(url, bus, {}, openai_compatible_base_url=base_url))

        async def start(model: str) -> Run:
            return await lab.start(await lab.agent(f"openai_compatible/{model}"))

        async def cancel(run: Run) -> None:
            assert (await cancellations.cancel(lab.principal, bus, run.id)).epoch == 1, "its executor confirmed it"

        took = await measure_cancel(5, upstream, start, cancel)
    assert percentile(took, 0.5) < 1
