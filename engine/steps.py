"""A step of an agent: what its model call has to go on, and how it begins, or begins again."""

from dataclasses import dataclass
from datetime import UTC, datetime

from core.errors import ErrorCode
from core.events import LoggedEvent, RunRewound, StepStarted
from engine.execution import Execution
from models import snapshots
from models.agents import AgentVersion
from models.database import Connection
from models.llm_calls import LlmCallStatus
from models.run_steps import RunStep, StepKind
from models.runs import Run
from models.writes import Writes
from providers.port import ChatMessage
from services.run_endings import Failure, end_abandoned_calls
from streaming.log import step_started_seq

_WORKER_STOPPED = Failure(ErrorCode.INTERNAL, "The worker stopped in the middle of the call.", retryable=True)


@dataclass(frozen=True, slots=True)
class ModelTask:
    """What one model call has to go on."""

    run: Run
    version: AgentVersion
    history: list[ChatMessage]
    position: int


def begin_step(writes: Writes, execution: Execution, task: ModelTask) -> tuple[RunStep, LoggedEvent]:
    """A new step, which is to be written, and the event that tells of its beginning."""
    step = RunStep(
        workspace_id=task.run.workspace_id,
        run_id=task.run.id,
        position=task.position,
        kind=StepKind.MODEL,
        name=task.version.model,
        input={"messages": len(task.history)},
        started_at=datetime.now(UTC),
    )
    writes.insert(step)
    return step, execution.writer.next_event(StepStarted(snapshots.of_step(step)), step.id)


async def find_step(
    connection: Connection, writes: Writes, execution: Execution, task: ModelTask
) -> tuple[RunStep, LoggedEvent | None]:
    """The step, begun now or before, and the event that tells of it; None where it ended before."""
    found = await RunStep.read(connection, "WHERE run_id = $1 AND position = $2", task.run.id, task.position)
    if not found:
        return begin_step(writes, execution, task)
    [step], writer = found, execution.writer
    if step.finished_at is not None:
        return step, None
    # A process stopped in the midst of it. What its call spent is counted.
    await end_abandoned_calls(step, LlmCallStatus.FAILED, writer.text.of_step(step.id), _WORKER_STOPPED)
    return step, await rewind(connection, writes, execution, step)


async def rewind(connection: Connection, writes: Writes, execution: Execution, step: RunStep) -> LoggedEvent:
    """Withdraw what the step has said so far: it begins again."""
    writes.update(step, {"attempt": step.attempt + 1})
    began = await step_started_seq(connection, step.run_id, step.id)
    return execution.writer.next_event(RunRewound(to_seq=began, attempt=step.attempt), step.id)
