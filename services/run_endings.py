"""How runs end: one final state each, written once, with the last event of the log."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog

from core.auth import Principal, Role
from core.errors import Conflict, ErrorCode, NotFound, RunLost
from core.events import LoggedEvent, RunFinished, StepFinished
from models import snapshots
from models.database import Connection, transaction
from models.llm_calls import LlmCall, LlmCallStatus, usage_of
from models.notifications import Notification, notify
from models.run_steps import RunStep, StepStatus
from models.runs import Run, RunStatus
from models.threads import Message, MessageRole
from streaming.bus import Bus
from streaming.follow import follow
from streaming.log import insert_events, last_seq, publish, standing_text

# How long an executor has to confirm that it stopped, before the run is taken away from it.
CANCEL_RECEIPT_S = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed, in one sentence for the client."""

    code: ErrorCode
    message: str
    retryable: bool

    def columns(self) -> dict[str, Any]:
        return {
            "failure_code": self.code.value,
            "failure_message": self.message,
            "failure_retryable": self.retryable,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. ``output_text`` and ``output``: of a run that succeeded; ``failure``: of one that failed."""

    status: RunStatus
    output_text: str | None = None
    output: Any = None
    failure: Failure | None = None


async def end(connection: Connection, run: Run, outcome: Outcome, seq: int, text_sha256: str) -> LoggedEvent:
    """Write the run's final state and, as number ``seq`` of its log, its last event, to be published after the commit.

    The transaction of ``connection`` holds the run's lock, and the run is not over yet.
    """
    run.status = outcome.status
    run.output_text = outcome.output_text
    run.output = outcome.output
    run.finished_at = datetime.now(UTC)
    if outcome.failure is not None:
        run.update_from_dict(outcome.failure.columns())
    await run.save(
        update_fields=[
            "status",
            "output_text",
            "output",
            "finished_at",
            "failure_code",
            "failure_message",
            "failure_retryable",
        ]
    )
    usage = (await usage_of(connection, [run.id]))[run.id]
    body = RunFinished(snapshots.of_run(run, usage), text_sha256)
    event = LoggedEvent(run.id, seq, seq, run.finished_at, None, body)
    await insert_events(connection, run.workspace_id, [event])
    # A run that waits for its turn in this thread can go now.
    await notify(connection, Notification.RUN_QUEUED, str(run.id))
    return event


async def lock_owned(run_id: UUID, epoch: int) -> Run:
    """The run, locked for the rest of the transaction; raises RunLost unless ``epoch`` is its newest."""
    run = await Run.select_for_update(no_key=True).get_or_none(id=run_id, epoch=epoch)
    if run is None or run.status.is_final:
        raise RunLost("Another process owns the run now, or ended it.")
    return run


async def request_cancel(run_id: UUID, workspace_id: UUID) -> LoggedEvent | None:
    """Cancel a queued run, or ask the executor of a running one to stop; does nothing to a run that is over.

    The last event of a run that was queued, to be published; None when an executor has to act first.
    """
    async with transaction([workspace_id]) as connection:
        run = await Run.select_for_update(no_key=True).get(id=run_id)
        if run.status is RunStatus.QUEUED:
            return await _end_without_executor(connection, run)
        if not run.status.is_final:
            run.cancel_requested_at = run.cancel_requested_at or datetime.now(UTC)
            await run.save(update_fields=["cancel_requested_at"])
            await notify(connection, Notification.RUN_CANCEL_REQUESTED, str(run.id))
        return None


async def cancel(principal: Principal, bus: Bus, run_id: UUID) -> Run:
    """Cancel a run, and return it once it is CANCELLED; cancelling it again changes nothing.

    Raises:
        NotFound: there is no such run for the caller. Forbidden: the caller's role is below EDITOR.
        Conflict: the run ended otherwise.
    """
    run = await _visible(principal, run_id)
    if not run.status.is_final:
        event = await request_cancel(run.id, run.workspace_id)
        if event is not None:
            await publish(bus, [event])
        else:
            await _await_receipt(bus, run)
        run = await _visible(principal, run_id)
    if run.status is not RunStatus.CANCELLED:
        raise Conflict(f"The run is over: {run.status.value}.", ("input", "runId"))
    return run


async def _visible(principal: Principal, run_id: UUID) -> Run:
    async with transaction(principal.workspace_ids):
        run = await Run.get_or_none(id=run_id)
    if run is None:
        raise NotFound("There is no run with this id.", ("input", "runId"))
    principal.require(run.workspace_id, Role.EDITOR, ("input", "runId"))
    return run


async def _await_receipt(bus: Bus, run: Run) -> None:
    try:
        async with asyncio.timeout(CANCEL_RECEIPT_S):
            async for event in follow(bus, run.id, run.workspace_id):
                if isinstance(event.body, RunFinished):
                    return
    except TimeoutError:
        _log.warning("executor did not confirm the cancellation; taking the run away", run_id=str(run.id))
        await _take_away(bus, run)


async def _take_away(bus: Bus, run: Run) -> None:
    async with transaction([run.workspace_id]) as connection:
        locked = await Run.select_for_update(no_key=True).get(id=run.id)
        if locked.status.is_final:
            return
        # Raising the epoch fences the executor off: whatever it still writes is refused.
        locked.epoch += 1
        await locked.save(update_fields=["epoch"])
        event = await _end_without_executor(connection, locked)
    await publish(bus, [event])


async def _end_without_executor(connection: Connection, run: Run) -> LoggedEvent:
    seq = await last_seq(connection, run.id)
    text = await standing_text(connection, run.id)
    for step in await RunStep.filter(run_id=run.id, status=StepStatus.RUNNING).order_by("position"):
        seq += 1
        await insert_events(connection, run.workspace_id, [await _abandon(step, run, text.of_step(step.id), seq)])
    return await end(connection, run, Outcome(RunStatus.CANCELLED), seq + 1, text.sha256())


async def _abandon(step: RunStep, run: Run, text: str, seq: int) -> LoggedEvent:
    """Close a step whose executor gave no sign, keeping what it had said."""
    now = datetime.now(UTC)
    step.status, step.finished_at = StepStatus.CANCELLED, now
    await step.save(update_fields=["status", "finished_at"])
    await LlmCall.filter(step_id=step.id, status=LlmCallStatus.RUNNING).update(status=LlmCallStatus.CANCELLED)
    if text:
        await add_message(run, MessageRole.ASSISTANT, text, partial=True)
    return LoggedEvent(run.id, seq, seq, now, step.id, StepFinished(snapshots.of_step(step)))


async def add_message(run: Run, role: MessageRole, text: str, *, partial: bool) -> Message:
    """Add to the run's thread what the run has to say; the caller holds the run's lock."""
    position = await Message.filter(run_id=run.id).count()
    return await Message.create(
        workspace_id=run.workspace_id,
        thread_id=run.thread_id,
        run_id=run.id,
        position=position,
        role=role,
        text=text,
        partial=partial,
    )
