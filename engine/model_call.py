"""One step of an agent: a model call, tried on the agent's model and then on its fallbacks."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from core.errors import ErrorCode, ProviderFailed, SynapseError, ToolFailed, ValidationFailed
from core.events import FinishReason, ModelEvent, ModelFinished, RunRewound, StepFinished, StepStarted
from core.ids import IdPrefix, encode
from engine.execution import CancelRequested, Execution
from engine.history import compose
from engine.tally import Tally
from models import snapshots
from models.agents import AgentVersion
from models.database import Connection, transaction
from models.llm_calls import LlmCall, LlmCallStatus
from models.run_steps import RunStep, StepKind, StepStatus
from models.runs import Run
from models.threads import MessageRole
from providers.port import ChatMessage, ModelRequest
from providers.registry import Providers
from services.run_endings import Failure, add_message, lock_owned
from streaming.bus import Bus
from streaming.log import insert_events, publish, step_started_seq

_STEP_RESULT = [
    "name",
    "status",
    "output",
    "finished_at",
    "failure_code",
    "failure_message",
    "failure_retryable",
]
_CALL_RESULT = [
    "status",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost_usd",
    "time_to_first_token_ms",
    "duration_ms",
    "failure_code",
    "failure_message",
    "provider_closed_at",
]
_CALL_STATUS = {
    StepStatus.SUCCEEDED: LlmCallStatus.SUCCEEDED,
    StepStatus.FAILED: LlmCallStatus.FAILED,
    StepStatus.CANCELLED: LlmCallStatus.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class ModelTask:
    """What one model call has to go on."""

    run: Run
    version: AgentVersion
    history: list[ChatMessage]
    position: int


@dataclass(slots=True)
class _Attempt:
    """One try at one model. ``status``: how it ended."""

    model: str
    tally: Tally
    call: LlmCall | None = None
    status: StepStatus = StepStatus.RUNNING
    failure: Failure | None = None

    def fail(self, error: SynapseError, *, retryable: bool) -> None:
        self.status = StepStatus.FAILED
        self.failure = Failure(error.code, error.message, retryable)


class ModelCaller:
    """Makes model calls for the runs of this process, and writes down all that they yield and cost."""

    def __init__(self, providers: Providers, bus: Bus) -> None:
        self._providers = providers
        self._bus = bus

    async def call(self, execution: Execution, task: ModelTask) -> RunStep:
        """Make the call, and return its step as it ended; at once when it ended before, in another process.

        Raises:
            RunLost: another process owns the run now.
        """
        step = await _begin(execution, task)
        if step.finished_at is not None:
            return step
        models = [task.version.model, *task.version.fallback_models]
        for model in models:
            attempt = await self._attempt(execution, task, step, model)
            if attempt.status is not StepStatus.FAILED or attempt.tally.begun_to_answer or model == models[-1]:
                break
            await _close_call(execution, task.run, attempt)
        await self._end(execution, task.run, step, attempt)
        return step

    async def _attempt(self, execution: Execution, task: ModelTask, step: RunStep, model: str) -> _Attempt:
        entry = self._providers.entry(model)
        messages = compose(task.version, task.history, entry.context_window if entry else None)
        attempt = _Attempt(model, Tally(messages))
        try:
            provider, name = self._providers.resolve(model)
        except ValidationFailed as error:
            attempt.fail(ProviderFailed(error.message, retryable=False), retryable=False)
            return attempt
        attempt.call = await _open_call(execution, task.run, step, attempt)
        request = ModelRequest(
            model=name,
            messages=messages,
            temperature=task.version.temperature,
            max_output_tokens=task.version.max_output_tokens,
            output_schema=task.version.output_schema,
        )
        await _read_answer(execution, step, attempt, provider.stream(request))
        attempt.call.provider_closed_at = datetime.now(UTC)
        attempt.call.cost_usd = entry.cost_usd(attempt.tally.usage) if entry else Decimal(0)
        return attempt

    async def _end(self, execution: Execution, run: Run, step: RunStep, attempt: _Attempt) -> None:
        await execution.writer.flush()
        step.name, step.status, step.finished_at = attempt.model, attempt.status, datetime.now(UTC)
        if attempt.failure is not None:
            step.update_from_dict(attempt.failure.columns())
        text = "".join(attempt.tally.text)
        async with transaction([run.workspace_id]) as connection:
            await lock_owned(run.id, execution.claim.epoch)
            if text:
                partial = attempt.status is not StepStatus.SUCCEEDED
                message = await add_message(run, MessageRole.ASSISTANT, text, partial=partial)
                step.output = _output(attempt, encode(IdPrefix.MESSAGE, message.id))
            await step.save(update_fields=_STEP_RESULT)
            await _save_call(attempt)
            finished = execution.writer.next_event(StepFinished(snapshots.of_step(step)), step.id)
            await insert_events(connection, run.workspace_id, [finished])
        execution.writer.adopt(finished)
        await publish(self._bus, [finished])


async def _begin(execution: Execution, task: ModelTask) -> RunStep:
    run, position = task.run, task.position
    async with transaction([run.workspace_id]) as connection:
        await lock_owned(run.id, execution.claim.epoch)
        step = await RunStep.get_or_none(run_id=run.id, position=position)
        if step is not None:
            if step.finished_at is None:
                await _begin_again(connection, execution, step)
            return step
        step = await RunStep.create(
            workspace_id=run.workspace_id,
            run_id=run.id,
            position=position,
            kind=StepKind.MODEL,
            name=task.version.model,
            input={"messages": len(task.history)},
            started_at=datetime.now(UTC),
        )
    execution.writer.append(StepStarted(snapshots.of_step(step)), step.id)
    return step


async def _begin_again(connection: Connection, execution: Execution, step: RunStep) -> None:
    """The process that began this step died in the middle of it: withdraw what it said, and count what it spent."""
    step.attempt += 1
    await step.save(update_fields=["attempt"])
    await LlmCall.filter(step_id=step.id, status=LlmCallStatus.RUNNING).update(
        status=LlmCallStatus.FAILED,
        failure_code=ErrorCode.INTERNAL.value,
        failure_message="The worker stopped in the middle of the call.",
    )
    began = await step_started_seq(connection, step.run_id, step.id)
    if began is None:
        execution.writer.append(StepStarted(snapshots.of_step(step)), step.id)
    else:
        execution.writer.append(RunRewound(to_seq=began, attempt=step.attempt), step.id)


async def _open_call(execution: Execution, run: Run, step: RunStep, attempt: _Attempt) -> LlmCall:
    async with transaction([run.workspace_id]):
        await lock_owned(run.id, execution.claim.epoch)
        return await LlmCall.create(
            workspace_id=run.workspace_id,
            run_id=run.id,
            step_id=step.id,
            agent_id=run.agent_id,
            provider=attempt.model.partition("/")[0].partition(":")[0],
            model=attempt.model,
            status=LlmCallStatus.RUNNING,
            started_at=attempt.tally.started_at,
        )


async def _read_answer(
    execution: Execution, step: RunStep, attempt: _Attempt, answer: AsyncGenerator[ModelEvent, None]
) -> None:
    async def read() -> None:
        async with aclosing(answer) as events:
            async for event in events:
                attempt.tally.count(event)
                if not isinstance(event, ModelFinished):
                    execution.writer.append(event, step.id)
                    await execution.writer.room()

    try:
        await execution.interruptible(read())
    except CancelRequested:
        attempt.status = StepStatus.CANCELLED
    except ProviderFailed as error:
        attempt.fail(error, retryable=error.retryable)
    else:
        _judge(attempt)


def _judge(attempt: _Attempt) -> None:
    """What a complete answer is worth."""
    attempt.status = StepStatus.SUCCEEDED
    if attempt.tally.tools_called:
        name = attempt.tally.tools_called[0].name
        attempt.fail(ToolFailed(f"The model called the tool {name!r}, which the agent does not have."), retryable=True)
    elif attempt.tally.finished is not None and attempt.tally.finished.reason is FinishReason.CONTENT_FILTER:
        message = "The provider's content filter stopped the answer."
        attempt.fail(ProviderFailed(message, retryable=False), retryable=False)


async def _close_call(execution: Execution, run: Run, attempt: _Attempt) -> None:
    async with transaction([run.workspace_id]):
        await lock_owned(run.id, execution.claim.epoch)
        await _save_call(attempt)


async def _save_call(attempt: _Attempt) -> None:
    if attempt.call is None:
        return
    usage = attempt.tally.usage
    attempt.call.update_from_dict(
        {
            "status": _CALL_STATUS[attempt.status],
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": usage.cached_tokens,
            "time_to_first_token_ms": attempt.tally.time_to_first_token_ms,
            "duration_ms": attempt.tally.elapsed_ms,
            "failure_code": attempt.failure.code.value if attempt.failure else None,
            "failure_message": attempt.failure.message if attempt.failure else None,
        }
    )
    await attempt.call.save(update_fields=_CALL_RESULT)


def _output(attempt: _Attempt, message_id: str) -> dict[str, Any]:
    finished = attempt.tally.finished
    return {"messageId": message_id, "finishReason": finished.reason.value if finished else None}
