"""Cancelling runs that no executor works on, or that one works on which gives no sign."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from core.errors import Conflict, Forbidden, NotFound, RunLost
from core.events import RunFinished, RunRewound, StepFinished, StepStarted, TextDelta, TokenUsage
from core.ids import new_id
from core.permissions import Role
from core.principals import Principal
from models import snapshots
from models.database import transaction
from models.llm_calls import LlmCall, LlmCallStatus
from models.run_steps import RunStep, StepKind, StepStatus
from models.runs import Run, RunStatus
from models.threads import Message
from providers.model_facts import model_facts
from services import cancellations
from streaming.bus import Bus
from streaming.event_log import EventLog
from streaming.writer import RunWriter
from tests.services.tenants import make_member, make_workspace
from tests.streaming.runs import assert_dense, make_run, opened, sha256_of, stored


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    bus = Bus.from_url(None)
    async with bus:
        yield bus


@pytest.fixture
async def log(pool: None, bus: Bus) -> AsyncIterator[EventLog]:
    log = EventLog(bus)
    await log.start()
    yield log
    await log.aclose()


@pytest.fixture
async def editor(pool: None) -> Principal:
    return await make_member(await make_workspace())


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for an executor."""
    monkeypatch.setattr(cancellations, "RECEIPT_S", 0.1)


async def make_queued(workspace_id: object) -> Run:
    run = await make_run(workspace_id)  # type: ignore[arg-type]
    async with transaction([run.workspace_id]):
        await Run.filter(id=run.id).update(status=RunStatus.QUEUED, epoch=0)
    return run


async def begin_step(run: Run, writer: RunWriter) -> RunStep:
    """What an executor leaves of a model call in the midst of it."""
    async with transaction([run.workspace_id]):
        step = await RunStep.create(
            workspace_id=run.workspace_id,
            run_id=run.id,
            position=1,
            kind=StepKind.MODEL,
            name="scripted/words",
            started_at=datetime.now(UTC),
        )
        await LlmCall.create(
            workspace_id=run.workspace_id,
            run_id=run.id,
            step_id=step.id,
            agent_id=run.agent_id,
            provider="openai",
            model="openai/gpt-4o-mini",
            status=LlmCallStatus.RUNNING,
            input_tokens=5,
            started_at=datetime.now(UTC),
        )
    writer.append(StepStarted(snapshots.of_step(step)), step.id)
    return step


async def test_a_queued_run_ends_at_once(editor: Principal, bus: Bus) -> None:
    run = await make_queued(editor.workspace_ids[0])
    cancelled = await cancellations.cancel(editor, bus, run.id)
    assert (cancelled.status, cancelled.started_at) == (RunStatus.CANCELLED, None)
    events = await stored(run)
    assert_dense(events)
    last = events[-1].body
    assert isinstance(last, RunFinished)
    assert (last.run["status"], last.text_sha256) == ("CANCELLED", sha256_of(""))
    again = await cancellations.cancel(editor, bus, run.id)
    assert again.finished_at == cancelled.finished_at
    assert await stored(run) == events


async def test_whoever_still_works_on_a_run_that_was_given_back_is_shut_out(
    editor: Principal, bus: Bus, log: EventLog
) -> None:
    """An executor that lost its lock is taken for dead, and its runs are QUEUED again; it may well be alive."""
    run = await make_run(editor.workspace_ids[0])
    writer = await opened(log, run)
    async with transaction([run.workspace_id]):
        await Run.filter(id=run.id).update(status=RunStatus.QUEUED)
    await cancellations.cancel(editor, bus, run.id)
    writer.append(TextDelta("after the end"))
    with pytest.raises(RunLost):
        await writer.flush()
    assert isinstance((await stored(run))[-1].body, RunFinished)


async def test_a_run_is_taken_away_from_an_executor_that_gives_no_sign(
    editor: Principal, bus: Bus, log: EventLog, hasty: None
) -> None:
    run = await make_run(editor.workspace_ids[0])
    writer = await opened(log, run)
    step = await begin_step(run, writer)
    writer.append(TextDelta("taken back"), step.id)
    await writer.flush()
    writer.append(RunRewound(to_seq=2, attempt=2), step.id)
    writer.append(TextDelta("So far so good"), step.id)
    await writer.flush()

    cancelled = await cancellations.cancel(editor, bus, run.id)

    assert (cancelled.status, cancelled.epoch) == (RunStatus.CANCELLED, 2)
    events = await stored(run)
    assert_dense(events)
    assert isinstance(events[-2].body, StepFinished)
    last = events[-1].body
    assert isinstance(last, RunFinished)
    assert last.text_sha256 == sha256_of("So far so good")
    assert last.run["usage"]["output_tokens"] == 4
    async with transaction([run.workspace_id]):
        closed = await RunStep.get(id=step.id)
        [call] = await LlmCall.filter(run_id=run.id)
        [message] = await Message.filter(run_id=run.id)
    assert closed.status is StepStatus.CANCELLED
    assert (call.status, call.input_tokens, call.output_tokens) == (LlmCallStatus.CANCELLED, 5, 4)
    price = model_facts()["openai/gpt-4o-mini"].prices
    assert price is not None
    assert call.cost_usd == price.cost_usd(TokenUsage(input_tokens=5, output_tokens=4)) > 0
    assert (message.text, message.partial) == ("So far so good", True)
    writer.append(TextDelta(" too late"), step.id)
    with pytest.raises(RunLost):
        await writer.flush()
    assert await stored(run) == events


async def test_many_who_cancel_a_stuck_run_end_it_once(editor: Principal, bus: Bus, hasty: None) -> None:
    run = await make_run(editor.workspace_ids[0])
    answers = await asyncio.gather(*(cancellations.cancel(editor, bus, run.id) for _ in range(8)))
    assert {(answer.status, answer.epoch) for answer in answers} == {(RunStatus.CANCELLED, 2)}
    assert [type(event.body).__name__ for event in await stored(run)] == ["RunStarted", "RunFinished"]


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.FAILED])
async def test_a_run_that_ended_otherwise_conflicts(editor: Principal, bus: Bus, status: RunStatus) -> None:
    run = await make_run(editor.workspace_ids[0])
    async with transaction([run.workspace_id]):
        await Run.filter(id=run.id).update(status=status)
    with pytest.raises(Conflict) as raised:
        await cancellations.cancel(editor, bus, run.id)
    assert raised.value.path == ("input", "runId")


async def test_others_and_viewers_cancel_nothing(editor: Principal, bus: Bus) -> None:
    run = await make_queued(editor.workspace_ids[0])
    viewer = await make_member(run.workspace_id, Role.VIEWER)
    with pytest.raises(Forbidden):
        await cancellations.cancel(viewer, bus, run.id)
    stranger = await make_member(await make_workspace())
    with pytest.raises(NotFound):
        await cancellations.cancel(stranger, bus, run.id)
    with pytest.raises(NotFound):
        await cancellations.cancel(editor, bus, new_id())
    assert len(await stored(run)) == 1
