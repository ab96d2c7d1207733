"""How runs end: one final state each, written once, with the last event of the log."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from core.errors import ErrorCode, RunLost, SynapseError
from core.events import FinishReason, LoggedEvent, RunFinished, StepFinished, TokenUsage
from core.ids import IdPrefix, encode
from models import snapshots
from models.database import Connection, reading
from models.llm_calls import LlmCall, LlmCallStatus, RunUsage, estimate_tokens, usage_of
from models.notifications import Notification, add_notification
from models.run_steps import RunStep, StepStatus
from models.runs import FINAL_STATUSES, Run, RunStatus
from models.threads import Message, MessageRole
from models.writes import Writes
from providers.registry import cost_usd
from streaming.log import last_seq, standing_text, write_events

_FAILURE_COLUMNS = ("failure_code", "failure_message", "failure_retryable")
_FINAL = ", ".join(f"'{status.value}'" for status in sorted(FINAL_STATUSES))
_OWNED = f"SELECT id FROM runs WHERE id = $1 AND epoch = $2 AND status NOT IN ({_FINAL}) {{}} FOR NO KEY UPDATE"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed, in one sentence for the client."""

    code: ErrorCode
    message: str
    retryable: bool

    @classmethod
    def of(cls, error: SynapseError, *, retryable: bool) -> "Failure":
        """What ``error`` says."""
        return cls(error.code, error.message, retryable)

    def columns(self) -> dict[str, Any]:
        """The columns of a run or step that tell it."""
        return dict(zip(_FAILURE_COLUMNS, (self.code.value, self.message, self.retryable), strict=True))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. ``output_text`` and ``output``: of a run that succeeded; ``failure``: of one that failed."""

    status: RunStatus
    output_text: str | None = None
    output: Any = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What a model call came to. ``text``: what the model said, the whole of it or a part."""

    status: StepStatus
    text: str
    finish_reason: FinishReason | None = None
    failure: Failure | None = None


def run_lost() -> RunLost:
    """With what whoever executes a run meets its new owner, or its end."""
    return RunLost("Another process owns the run now, or ended it.")


async def lock_owned(connection: Connection, run_id: UUID, epoch: int) -> Run:
    """The run, locked for the rest of the transaction; raises RunLost unless ``epoch`` is its newest."""
    found = await Run.read(connection, "WHERE id = $1 AND epoch = $2 FOR NO KEY UPDATE", run_id, epoch)
    if not found or found[0].status.is_final:
        raise run_lost()
    return found[0]


async def send_owned(writes: Writes, run: Run, epoch: int, *, if_cancelled: bool = True) -> bool:
    """Write all of it, in one message to the database, as in a transaction that holds the run's lock. False, with
    nothing written, where `lock_owned` would raise, and unless ``if_cancelled`` where somebody has cancelled the run.
    """
    guard = _OWNED.format("" if if_cancelled else "AND cancel_requested_at IS NULL")
    return await writes.send_alone(reading([run.workspace_id]), guard, run.id, epoch)


def end(writes: Writes, run: Run, outcome: Outcome, usage: RunUsage, seq: int, text_sha256: str) -> LoggedEvent:
    """Have the run's final state written. Returned is its last event, as number ``seq`` of its log, which the caller is
    to write as well, and to publish after the commit.

    It is written by the run's owner (`send_owned`, or under `lock_owned`), and its calls, closed, have used ``usage``.
    """
    finished_at = datetime.now(UTC)
    columns = {
        "status": outcome.status,
        "output_text": outcome.output_text,
        "output": outcome.output,
        "finished_at": finished_at,
    }
    writes.update(run, columns | _failure_columns(outcome.failure))
    return LoggedEvent(run.id, seq, seq, finished_at, None, RunFinished(snapshots.of_run(run, usage), text_sha256))


def end_step(writes: Writes, run: Run, step: RunStep, outcome: StepOutcome, seq: int) -> LoggedEvent:
    """Have the step's final state written, and what the model said as a message of the thread. Returned is event number
    ``seq``, for the caller as with `end`, under the same conditions.
    """
    finished_at = datetime.now(UTC)
    columns = {"name": step.name, "status": outcome.status, "finished_at": finished_at}
    if outcome.text:
        message = _answer(run, step, outcome)
        writes.insert(message)
        reason = outcome.finish_reason.value if outcome.finish_reason else None
        columns["output"] = {"messageId": encode(IdPrefix.MESSAGE, message.id), "finishReason": reason}
    writes.update(step, columns | _failure_columns(outcome.failure))
    return LoggedEvent(run.id, seq, seq, finished_at, step.id, StepFinished(snapshots.of_step(step)))


async def end_abruptly(connection: Connection, run: Run, outcome: Outcome) -> list[LoggedEvent]:
    """End a run that nobody executes, or whose execution went wrong; the events are to be published after the commit.

    Its open steps end with it, and keep what they said. Under the same conditions as `end`.
    """
    # Should an executor be at it after all, it can write nothing any more.
    await run.write(connection, {"epoch": run.epoch + 1})
    status = StepStatus(outcome.status.value)
    seq, text = await last_seq(connection, run.id), await standing_text(connection, run.id)
    writes, events = Writes(), []
    for step in await RunStep.filter(run_id=run.id, finished_at__isnull=True).order_by("position"):
        said = text.of_step(step.id)
        await end_abandoned_calls(step, LlmCallStatus(status.value), said, outcome.failure)
        seq += 1
        events.append(end_step(writes, run, step, StepOutcome(status, said, failure=outcome.failure), seq))
    usage = (await usage_of(connection, [run.id]))[run.id]
    events.append(end(writes, run, outcome, usage, seq + 1, text.sha256()))
    write_events(writes, run.workspace_id, events)
    # A run that waits for its turn in this thread can go now. Executors that end a run look for the next by themselves.
    add_notification(writes, Notification.RUN_QUEUED, str(run.id))
    await writes.send(connection)
    return events


async def end_abandoned_calls(step: RunStep, status: LlmCallStatus, said: str, failure: Failure | None) -> None:
    """Close the step's calls that nobody reads any more, and count what arrived, ``said``, and what it costs."""
    for call in await LlmCall.filter(step_id=step.id, status=LlmCallStatus.RUNNING):
        usage = TokenUsage(input_tokens=call.input_tokens, output_tokens=estimate_tokens(said))
        columns = {
            "status": status,
            "output_tokens": usage.output_tokens,
            "cost_usd": cost_usd(call.model, usage),
            "failure_code": failure.code.value if failure else None,
            "failure_message": failure.message if failure else None,
        }
        await call.update_from_dict(columns).save(update_fields=list(columns))


def _failure_columns(failure: Failure | None) -> dict[str, Any]:
    return failure.columns() if failure is not None else dict.fromkeys(_FAILURE_COLUMNS)


def _answer(run: Run, step: RunStep, outcome: StepOutcome) -> Message:
    return Message(
        workspace_id=run.workspace_id,
        thread_id=run.thread_id,
        run_id=run.id,
        position=step.position,
        role=MessageRole.ASSISTANT,
        text=outcome.text,
        partial=outcome.status is not StepStatus.SUCCEEDED,
    )
